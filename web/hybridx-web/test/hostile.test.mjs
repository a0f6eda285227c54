/** Files that somebody changed or made: each is refused by a RefusedError in bounded time, or does what it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedError, blochVectors, load, pace, results, sample } from "hybridx-web";
import { readCircuit } from "../../reader/circuit.mjs";
import { digestOfModel } from "../../reader/digest.mjs";
import { all, encode, message, parse, text } from "../../reader/protobuf.mjs";
import { EXPECTED, bytesOf } from "./cases.mjs";

const SECONDS = 5;
const CLASSIFIER = "golden-2-classifier.onnx";

/** Numbers from 0 to below 1 that are the same each time: a linear congruential generator. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

async function refusal(call) {
  const start = performance.now();
  let found = null;
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof RefusedError, `${error?.stack ?? error}`);
    found = error.message;
  }
  assert.ok(performance.now() - start < SECONDS * 1000, "it takes too long");
  return found;
}

/** Return the bytes of a file with a changed model, whose digest is that of the change. */
async function changed(name, change) {
  const model = parse(bytesOf(name), "ModelProto");
  change(model, model.fields.get("graph"));
  const entries = new Map(all(model, "metadata_props").map((one) => [text(one, "key"), text(one, "value")]));
  entries.set("hybridx.digest", JSON.stringify(await digestOfModel(model, entries)));
  const prop = ([key, value]) => message("StringStringEntryProto", { key, value });
  model.fields.set("metadata_props", [...entries].map(prop));
  return encode(model);
}

function functionOf(name, domain, types) {
  const node = types.map((op_type) => message("NodeProto", { input: ["x"], output: ["y"], op_type, domain: "other" }));
  return message("FunctionProto", { name, domain, input: ["x"], output: ["y"], node });
}

function constant(tensor) {
  const value = message("AttributeProto", { name: "value", t: tensor, type: 4 });
  return message("NodeProto", { output: ["hostile"], op_type: "Constant", attribute: [value] });
}

const CHANGES = {
  "calls itself": (model) => {
    model.fields.get("functions").push(functionOf("A", "other", ["B"]), functionOf("B", "other", ["A"]));
    model.fields.get("graph").fields.get("node").push(message("NodeProto", { input: ["input"], output: ["z"], op_type: "A", domain: "other" }));
  },
  "nodes, and 200000 are the most": (model) => {
    const bombs = Array.from({ length: 40 }, (_, at) => functionOf(`F${at}`, "other", [`F${at + 1}`, `F${at + 1}`]));
    model.fields.get("functions").push(...bombs, functionOf("F40", "other", []));
    model.fields.get("graph").fields.get("node").push(message("NodeProto", { input: ["input"], output: ["z"], op_type: "F0", domain: "other" }));
  },
  "two functions are called F": (model) => {
    model.fields.get("functions").push(functionOf("F", "other", []), functionOf("F", "other", []));
  },
  "has other numbers than the 1000000000000 that it says": (_, graph) => {
    graph.fields.get("node").push(constant(message("TensorProto", { dims: [1_000_000, 1_000_000], data_type: 1, raw_data: new Uint8Array(8) })));
  },
  "has lengths that no tensor has": (_, graph) => {
    graph.fields.get("initializer").push(message("TensorProto", { name: "w", dims: [-1], data_type: 1 }));
  },
  "lies in another file": (_, graph) => {
    const external_data = [message("StringStringEntryProto", { key: "location", value: "/etc/passwd" })];
    graph.fields.get("initializer").push(message("TensorProto", { name: "w", dims: [1], data_type: 1, data_location: 1, external_data }));
  },
  "is of the unknown type 77": (_, graph) => {
    graph.fields.get("initializer").push(message("TensorProto", { name: "w", dims: [1], data_type: 77, raw_data: new Uint8Array(4) }));
  },
  "its function F contains a quantum layer": (model, graph) => {
    const call = graph.fields.get("node").find((one) => text(one, "domain") === "hybridx");
    model.fields.get("functions").push(message("FunctionProto", { name: "F", domain: "other", input: ["x"], output: ["y"], node: [call] }));
  },
  "hybridx.columns is no list of names": (model) => said(model, "hybridx.columns", "[1, 2]"),
  "hybridx.classes cannot be read": (model) => said(model, "hybridx.classes", "["),
  "has a tensor of another size, dtype or form": (model) =>
    said(model, "hybridx.selftest", JSON.stringify({ inputs: { input: { dtype: "float32", shape: [1e9, 3], data: "AAAA", period: 1 } }, outputs: {}, tolerance: 1 })),
  "has no tolerance, batches and worst error": (model) => said(model, "hybridx.verification", '{"tolerance": "1", "batches": [], "worst": 0}'),
};

function said(model, key, value) {
  const prop = model.fields.get("metadata_props").find((one) => text(one, "key") === key);
  prop.fields.set("value", new TextEncoder().encode(value));
}

for (const [reason, change] of Object.entries(CHANGES)) {
  test(`a file is refused: ${reason}`, async () => {
    const bytes = await changed(CLASSIFIER, change);
    assert.match(String(await refusal(() => load(bytes))), new RegExp(reason));
  });
}

test("a change of nothing is refused by nobody", async () => {
  assert.equal(await refusal(async () => (await load(await changed(CLASSIFIER, () => {}))).verify()), null);
});

test("what is no ONNX file of hybridx is refused", async () => {
  const other = encode(message("ModelProto", { ir_version: 10, graph: message("GraphProto", { name: "g" }) }));
  const files = [new Uint8Array(), new TextEncoder().encode("<!doctype html>"), new Uint8Array(1000).fill(255), other, new Uint8Array([0x50, 0x4b, 3, 4, 0, 0])];
  for (const bytes of files) {
    assert.notEqual(await refusal(() => load(bytes)), null);
  }
});

test("names that JavaScript's objects have are names like others", async () => {
  const rename = (one, from, to) => {
    for (const field of ["name", "input", "output"]) {
      const value = one.fields.get(field);
      const renamed = (bytes) => (new TextDecoder().decode(bytes) === from ? new TextEncoder().encode(to) : bytes);
      if (value !== undefined) {
        one.fields.set(field, Array.isArray(value) ? value.map((each) => (each instanceof Uint8Array ? renamed(each) : each)) : renamed(value));
      }
    }
  };
  for (const name of ["constructor", "toString", "hasOwnProperty"]) {
    const bytes = await changed(CLASSIFIER, (model, graph) => {
      [...all(graph, "input"), ...all(graph, "node")].forEach((one) => rename(one, "input", name));
      model.fields.set("metadata_props", model.fields.get("metadata_props").filter((one) => text(one, "key") !== "hybridx.selftest"));
    });
    const model = await load(bytes);
    assert.match(await refusal(() => model.predict({})), /is missing/);
    const { output } = await model.predict({ [name]: [[1, 2, 3]] });
    assert.deepEqual(output.dims, [1, 2]);
  }
});

test("random changes of bytes are refused, or the file runs and says that it was changed", async () => {
  const random = numbers(1);
  const names = Object.keys(EXPECTED).filter((name) => name.startsWith("golden-"));
  let [refused, ran] = [0, 0];
  for (let time = 0; time < 400; time += 1) {
    const name = names[Math.floor(random() * names.length)];
    const bytes = bytesOf(name);
    for (let count = 0; count < 1 + random() * 3; count += 1) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    const before = await refusal(async () => {
      const model = await load(bytes);
      ran += 1;
      model.circuits.forEach(({ circuit }) => pace(circuit));
      if (model.selfTest !== null && model.digest.changed?.length > 0) {
        assert.match(await refusal(() => model.verify()), /was changed/);
      }
    });
    refused += before === null ? 0 : 1;
  }
  assert.ok(refused > 100 && ran > 20, `${refused} were refused, ${ran} ran`);
});

function wide(wires, operations, measurements) {
  const circuit = { wires, parameters: 1, operations, measurements };
  const shapes = measurements.map((one) => (one.type === "probabilities" ? [2 ** one.wires.length] : []));
  let offset = 0;
  const layout = shapes.map((shape) => {
    const one = { offset, shape };
    offset += shape[0] ?? 1;
    return one;
  });
  return readCircuit(JSON.stringify({ format: 1, circuit, results: layout }));
}

const Z = [{ type: "expectation", terms: [[1, "Z", [0]]] }];
const turn = (wire) => ({ type: "apply", gate: "RX", wires: [wire], angle: { column: 0 } });

test("a circuit that would take hours is refused at once", async () => {
  const circuits = [
    wide(30, [turn(0)], Z),
    wide(1000, [turn(0)], Z),
    wide(20, Array.from({ length: 50_000 }, (_, at) => turn(at % 20)), Z),
    wide(12, [{ type: "channel", wires: [0], real: [1, 0, 0, 1] }], Z),
    wide(20, [turn(0)], Array(5000).fill({ type: "expectation", terms: [[1, "Z".repeat(20), [...Array(20).keys()]]] })),
  ];
  for (const circuit of circuits) {
    assert.equal(pace(circuit), "never");
    for (const call of [() => results(circuit, [1]), () => blochVectors(circuit, [1]), () => sample(circuit, [1], 10, 0)]) {
      assert.match(await refusal(call), /takes too long|5000 Pauli words/);
    }
  }
});

test("shots whose probabilities fit in no memory are refused at once", async () => {
  const wires = [...Array(16).keys()];
  const letters = Array.from({ length: 600 }, (_, at) => wires.map((wire) => "XYZ"[Math.floor(at / 3 ** (wire % 6)) % 3]).join(""));
  const circuit = wide(16, [turn(0)], letters.map((word) => ({ type: "expectation", terms: [[1, word, wires]] })));
  assert.match(await refusal(() => sample(circuit, [1], 10, 0)), /groups of measurements on 16 wires are too many/);
});

test("wide gates and wide results fit in memory", async () => {
  const wires = [...Array(14).keys()];
  const controls = wires.slice(1);
  const controlled = { type: "apply", gate: "PauliX", wires: [0], controls, control_values: controls.map(() => true) };
  const amplitudes = { type: "prepare", wires, real: Array(2 ** 14).fill(1 / 2 ** 7) };
  const circuit = wide(14, [amplitudes, controlled], [{ type: "probabilities", wires }, { type: "purity", wires }]);
  assert.equal(await refusal(() => assert.ok(Math.abs(results(circuit, [1])[5] - 1 / 2 ** 14) < 1e-12)), null);
});

test("what is asked of samples is checked", async () => {
  const circuit = wide(1, [turn(0)], Z);
  for (const [shots, seed] of [[0, 1], [1.5, 1], [1e9, 1], [10, -1], [10, 0.5], [NaN, 1]]) {
    assert.notEqual(await refusal(() => sample(circuit, [1], shots, seed)), null);
  }
  assert.notEqual(await refusal(() => sample(circuit, [1, 2], 10, 0)), null);
  const entropy = readCircuit(
    JSON.stringify({ format: 1, circuit: { wires: 2, parameters: 0, operations: [], measurements: [{ type: "entropy", wires: [0] }] }, results: [{ offset: 0, shape: [] }] }),
  );
  assert.match(await refusal(() => sample(entropy, [], 10, 0)), /no estimate of entropy/);
});
