/** The model that the parts of a bundle make: "The bundle" in docs/file-format.md. */
import { digestOfModel, sha256, sortedJson } from "./digest.mjs";
import { expect } from "./errors.mjs";
import { filled, isListOf, isObject, isText, isWhole, parseJson, textsOf } from "./json.mjs";
import { all, decodeText, message, parse, text } from "./protobuf.mjs";

// By the name of a dtype, its number in ONNX.
const DTYPES = { float32: 1, uint8: 2, int8: 3, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 };
const PART = /^(classical|circuit)_[0-9]+\.(onnx|json|qasm)$/;
const FIELDS = ["inputs", "outputs", "steps", "circuits", "opset", "ir_version", "sha256", "metadata"];
const STEPS = {
  classical: { type: undefined, model: undefined, inputs: undefined, outputs: undefined },
  circuit: { type: undefined, circuit: undefined, parameters: undefined, results: undefined, dtype: undefined, node: "" },
};
const STRING = 3; // the type of an attribute

/**
 * Return the entries, the circuits and the digest of a bundle.
 *
 * @param files the bytes of each file by name.
 */
export async function readBundle(files) {
  const manifest = checked(parseJson(decodeText(files.get("manifest.json")), "manifest.json"));
  const hashes = textsOf(manifest.sha256, "sha256");
  const ofCircuits = Object.values(manifest.circuits).flatMap(({ json, qasm, model }) => [json, qasm, model]);
  const used = new Set([...ofCircuits, ...manifest.steps.map((step) => step.model)]);
  for (const name of [...used].filter(isText)) {
    expect(PART.test(name) && files.has(name), `it has no part ${name}`);
    expect(hashes.get(name) === (await sha256(files.get(name))), `${name} was changed`);
  }
  const part = (name) => files.get(name);
  const circuits = new Map();
  for (const [name, one] of Object.entries(manifest.circuits)) {
    circuits.set(name, decodeText(part(one.json)));
  }
  const entries = textsOf(manifest.metadata, "metadata");
  const { metadata: _, ...said } = manifest;
  const model = join(manifest, circuits, part);
  const bytes = new TextEncoder().encode(sortedJson(withoutAbsent(said)));
  return { entries, circuits, digest: await digestOfModel(model, entries, bytes) };
}

/** Return a manifest without the fields that say nothing: a file that is null, a name that is empty. */
function withoutAbsent(said) {
  const isSaid = ([name, value]) => value !== null && !(value === "" && ["node", "strategy"].includes(name));
  const kept = (one) => Object.fromEntries(Object.entries(one).filter(isSaid));
  const circuits = Object.entries(said.circuits).map(([name, one]) => [name, kept(one)]);
  return { ...said, steps: said.steps.map(kept), circuits: Object.fromEntries(circuits) };
}

/** Return a manifest with all its fields, or refuse it. */
function checked(given) {
  const manifest = filled(given, Object.fromEntries(FIELDS.map((name) => [name, undefined])), "manifest.json");
  const isValue = (one) => filled(one, { name: undefined, dtype: undefined, shape: undefined }, "a value") !== null;
  for (const name of ["inputs", "outputs", "steps"]) {
    expect(isListOf(manifest[name], isObject), `manifest.json has no list of ${name}`);
  }
  expect([...manifest.inputs, ...manifest.outputs].every(isValue), "its values are none");
  expect(isWhole(manifest.opset) && isWhole(manifest.ir_version), "its versions are no whole numbers");
  expect(isObject(manifest.circuits), "its circuits are no object");
  const steps = manifest.steps.map((step) => {
    expect(Object.hasOwn(STEPS, step.type), `there is no step ${step.type}`);
    return filled(step, STEPS[step.type], "a step");
  });
  const parts = { json: undefined, qasm: null, model: null, strategy: "" };
  const circuits = Object.entries(manifest.circuits).map(([name, one]) => [name, filled(one, parts, "a circuit")]);
  for (const step of steps) {
    const { inputs = [], outputs = [], ...others } = step;
    expect(isListOf(inputs, isText) && isListOf(outputs, isText), "a step has no lists of names");
    expect(Object.values(others).every(isText), "a field of a step is no text");
  }
  for (const [, one] of circuits) {
    expect([one.json, one.strategy, one.qasm ?? "", one.model ?? ""].every(isText), "a file of a circuit has no name");
  }
  checkOrder(steps, manifest);
  return { ...manifest, steps, circuits: Object.fromEntries(circuits) };
}

/** Refuse a step that reads a value before it is there, or gives one that is there already. */
function checkOrder(steps, manifest) {
  const known = new Set(manifest.inputs.map((one) => one.name));
  for (const step of steps) {
    const [reads, gives] =
      step.type === "classical" ? [step.inputs, step.outputs] : [[step.parameters], [step.results]];
    expect(reads.every((name) => known.has(name)), "a step takes a value that nothing before it gives");
    expect(gives.every((name) => !known.has(name)) && new Set(gives).size === gives.length, "a value is given twice");
    gives.forEach((name) => known.add(name));
  }
  expect(manifest.outputs.every((one) => known.has(one.name)), "nothing gives an output");
}

/** Return the graph of a part, or refuse what is not the part that the step says. */
function graphOf(step, manifest, part) {
  const model = parse(part(step.model), "ModelProto");
  const graph = model.fields.get("graph") ?? message("GraphProto", {});
  const isNamed = (list, names) => {
    const found = new Set(all(graph, list).map((one) => text(one, "name")));
    return found.size === new Set(names).size && names.every((name) => found.has(name));
  };
  const isOpset = isOnlyOpset(model, manifest.opset);
  const isAlone = all(model, "functions").length === 0 && all(graph, "sparse_initializer").length === 0;
  const isPart = isNamed("input", step.inputs) && isNamed("output", step.outputs) && isOpset && isAlone;
  expect(isPart, `${step.model} is not the part that manifest.json says it is`);
  return graph;
}

function isOnlyOpset(model, version) {
  const found = all(model, "opset_import");
  return found.length === 1 && text(found[0], "domain") === "" && found[0].fields.get("version") === BigInt(version);
}

function join(manifest, circuits, part) {
  const nodes = [];
  const weights = new Map();
  const types = [];
  const typesOfCircuits = [];
  for (const step of manifest.steps) {
    if (step.type === "classical") {
      const graph = graphOf(step, manifest, part);
      nodes.push(...all(graph, "node"));
      all(graph, "initializer").forEach((one) => weights.set(text(one, "name"), one));
      types.push(...all(graph, "input"), ...all(graph, "output"));
    } else {
      expect(circuits.has(step.circuit), `it runs ${step.circuit}, which it does not have`);
      nodes.push(nodeOf(step, circuits.get(step.circuit)));
      for (const name of [step.parameters, step.results]) {
        typesOfCircuits.push(valueOf({ name, dtype: step.dtype, shape: ["?", "?"] }));
      }
    }
  }
  const ends = new Set([...manifest.inputs, ...manifest.outputs].map((one) => one.name));
  const inside = new Map();
  for (const value of [...types, ...typesOfCircuits]) {
    const name = text(value, "name");
    if (!ends.has(name) && !inside.has(name)) {
      inside.set(name, value);
    }
  }
  const hasCircuits = circuits.size > 0;
  return message("ModelProto", {
    ir_version: manifest.ir_version,
    opset_import: [opset("", manifest.opset), ...(hasCircuits ? [opset("hybridx", 1)] : [])],
    graph: message("GraphProto", {
      name: "model",
      node: nodes,
      input: manifest.inputs.map(valueOf),
      output: manifest.outputs.map(valueOf),
      initializer: [...weights.values()],
      value_info: [...inside.values()],
    }),
    functions: Object.entries(manifest.circuits)
      .filter(([, one]) => one.model !== null)
      .map(([name, one]) => functionOf(name, one, parse(part(one.model), "ModelProto"))),
  });
}

function functionOf(name, files, model) {
  const graph = model.fields.get("graph") ?? message("GraphProto", {});
  return message("FunctionProto", {
    name,
    domain: "hybridx",
    input: ["parameters"],
    output: ["results"],
    attribute: ["circuit"],
    node: all(graph, "node"),
    opset_import: all(model, "opset_import"),
    metadata_props: [message("StringStringEntryProto", { key: "hybridx.strategy", value: files.strategy })],
  });
}

function nodeOf(step, json) {
  return message("NodeProto", {
    input: [step.parameters],
    output: [step.results],
    name: step.node || undefined,
    op_type: step.circuit,
    domain: "hybridx",
    attribute: [message("AttributeProto", { name: "circuit", s: json, type: STRING })],
  });
}

function opset(domain, version) {
  return message("OperatorSetIdProto", { domain, version });
}

/** Return the ValueInfoProto of a value of the manifest. */
function valueOf({ name, dtype, shape }) {
  const isLength = (one) => isWhole(one) || isText(one);
  expect(isText(name) && Object.hasOwn(DTYPES, dtype) && isListOf(shape, isLength), `its value ${name} is no tensor`);
  const dim = shape.map((length) => {
    const known = typeof length === "number" ? { dim_value: length } : { dim_param: length };
    return message("Dimension", length === "?" ? {} : known);
  });
  const tensor = message("Tensor", { elem_type: DTYPES[dtype], shape: message("TensorShapeProto", { dim }) });
  return message("ValueInfoProto", { name, type: message("TypeProto", { tensor_type: tensor }) });
}
