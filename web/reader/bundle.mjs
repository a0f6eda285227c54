/** The model that the parts of a bundle make: "The bundle" in docs/file-format.md. */
import { digestOfModel, sha256, sortedJson } from "./digest.mjs";
import { expect } from "./errors.mjs";
import { all, decodeText, message, parse, text } from "./protobuf.mjs";

// By the name of a dtype, its number in ONNX.
const DTYPES = { float32: 1, uint8: 2, int8: 3, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 };
const PART = /^(classical|circuit)_[0-9]+\.(onnx|json|qasm)$/;
const FIELDS = ["inputs", "outputs", "steps", "circuits", "opset", "ir_version", "sha256", "metadata"];
const STRING = 3; // the type of an attribute

/**
 * Return the entries, the circuits and the digest of a bundle.
 *
 * @param files the bytes of each file by name.
 */
export async function readBundle(files) {
  const manifest = JSON.parse(decodeText(files.get("manifest.json")));
  expect(FIELDS.every((name) => name in manifest), "manifest.json lacks a field");
  expect(Object.keys(manifest).every((name) => FIELDS.includes(name)), "manifest.json has another field");
  for (const [name, stated] of Object.entries(manifest.sha256)) {
    expect(PART.test(name) && files.has(name), `it has no part ${name}`);
    expect((await sha256(files.get(name))) === stated, `${name} was changed`);
  }
  const part = (name) => {
    expect(name in manifest.sha256, `manifest.json has no hash of ${name}`);
    return files.get(name);
  };
  const circuits = new Map();
  for (const [name, one] of Object.entries(manifest.circuits)) {
    circuits.set(name, decodeText(part(one.json)));
  }
  const entries = new Map(Object.entries(manifest.metadata));
  const { metadata: _, ...said } = manifest;
  const model = join(manifest, circuits, part);
  const bytes = new TextEncoder().encode(sortedJson(said));
  return { entries, circuits, digest: await digestOfModel(model, entries, bytes) };
}

function join(manifest, circuits, part) {
  const nodes = [];
  const weights = new Map();
  const types = [];
  const typesOfCircuits = [];
  for (const step of manifest.steps) {
    if (step.type === "classical") {
      const graph = parse(part(step.model), "ModelProto").fields.get("graph");
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
      .filter(([, one]) => one.model !== undefined)
      .map(([name, one]) => functionOf(name, one, parse(part(one.model), "ModelProto"))),
  });
}

function functionOf(name, files, model) {
  const graph = model.fields.get("graph");
  return message("FunctionProto", {
    name,
    domain: "hybridx",
    input: ["parameters"],
    output: ["results"],
    attribute: ["circuit"],
    node: all(graph, "node"),
    opset_import: all(model, "opset_import"),
    metadata_props: [message("StringStringEntryProto", { key: "hybridx.strategy", value: files.strategy ?? "" })],
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
  expect(dtype in DTYPES, `its value ${name} is no tensor`);
  const dim = shape.map((length) => {
    const known = typeof length === "number" ? { dim_value: length } : { dim_param: length };
    return message("Dimension", length === "?" ? {} : known);
  });
  const tensor = message("Tensor", { elem_type: DTYPES[dtype], shape: message("TensorShapeProto", { dim }) });
  return message("ValueInfoProto", { name, type: message("TypeProto", { tensor_type: tensor }) });
}
