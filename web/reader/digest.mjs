/** The digest of a file: "The digest" in docs/file-format.md. */
import { canonical, orderedBy, tensorInTwo } from "./canonical.mjs";
import { expect } from "./errors.mjs";
import { filled, parseJson, textsOf } from "./json.mjs";
import { all, concat, only, text, without } from "./protobuf.mjs";

const STAMPS = ["doc_string", "producer_name", "producer_version", "model_version", "domain"];
const BODY = ["input", "output", "node", "opset_import"];
const INLINED = "hybridx.inlined";
const IN_ARCHIVE = ["hybridx.circuits", "hybridx.strategy", "hybridx.inputs", "hybridx.outputs"];

/**
 * Return the digest of an ONNX model.
 *
 * @param model a ModelProto.
 * @param entries its metadata, texts by key.
 * @param manifest the bytes of a bundle's manifest in canonical form, if it is a bundle's model.
 */
export async function digestOfModel(model, entries, manifest) {
  const graph = model.fields.get("graph");
  const functions = orderedBy(all(model, "functions"), "domain", "name", "overload");
  const bodies = new Map(
    functions.filter((one) => text(one, "domain") === "hybridx").map((one) => [text(one, "name"), bodyOf(one)]),
  );
  const calls = [...circuitCalls(graph)];
  const parts = {
    graph: await sha256(canonical(graphOnly(model, graph))),
    weights: await ofFields([
      ...orderedBy(all(graph, "initializer"), "name").flatMap(tensorInTwo),
      ...all(graph, "sparse_initializer").map(canonical),
    ]),
    functions: await ofFields(functions.flatMap((one) => [canonical(without(one, BODY)), bodyOf(one)])),
    circuits: await ofFields(entries.has(INLINED) ? [entries.get(INLINED)] : calls.flat()),
    names: await ofFields(
      ["input", "output"].flatMap((word) => all(graph, word).flatMap((value) => [word, canonical(value)])),
    ),
    ...(await ofEntries(entries)),
  };
  if (manifest !== undefined) {
    parts.manifest = await sha256(manifest);
  }
  const circuits = {};
  for (const [name, json] of entries.has(INLINED) ? inlinedCircuits(entries) : calls) {
    circuits[name] = await circuitHash(json, bodies.get(name));
  }
  return joined(parts, circuits);
}

/** Return the JSON of each circuit of a file without functions by its name, as its metadata say. */
export function inlinedCircuits(entries) {
  const said = filled(parseJson(entries.get(INLINED), INLINED), { circuits: undefined, calls: undefined }, INLINED);
  const circuits = textsOf(said.circuits, INLINED);
  const fields = ["node", "circuit", "strategy", "parameters", "results", "prefix"];
  const required = Object.fromEntries(fields.map((name) => [name, undefined]));
  expect(Array.isArray(said.calls), `${INLINED} has no list of calls`);
  const called = said.calls.map((one) => textsOf(filled(one, required, "a call"), "a call"));
  const unique = (values) => new Set(values).size === values.length;
  const of = (name) => called.map((one) => one.get(name));
  expect(of("circuit").every((name) => circuits.has(name)), `${INLINED} calls a circuit that it does not have`);
  expect(new Set(of("circuit")).size === circuits.size, `${INLINED} has a circuit that nobody calls`);
  expect(unique(of("node").filter((name) => name !== "")), `two layers of ${INLINED} have one name`);
  expect(unique(of("results")), `two layers of ${INLINED} give one value`);
  return circuits;
}

/** Return the digest of an archive of torch: of its members by name, its entries by key, its circuits. */
export async function digestOfArchive(members, entries, given) {
  const names = [...members.keys()].filter((name) => name !== "extra/hybridx.json").sort();
  const isWeight = (name) => /^data\/(\d+$|weights\/|constants\/)/.test(name);
  const listed = (chosen) => ofFields(chosen.flatMap((name) => [name, members.get(name)]));
  const said = (keys) => ofFields(keys.map((key) => entries.get(key) ?? ""));
  const others = new Map([...entries].filter(([key]) => !IN_ARCHIVE.includes(key)));
  const parts = {
    graph: await listed(names.filter((name) => !isWeight(name))),
    weights: await listed(names.filter(isWeight)),
    circuits: await said(["hybridx.circuits", "hybridx.strategy"]),
    names: await said(["hybridx.inputs", "hybridx.outputs"]),
    ...(await ofEntries(others)),
  };
  const circuits = {};
  for (const [name, json] of given) {
    circuits[name] = await circuitHash(json);
  }
  return joined(parts, circuits);
}

/** Return the names of the parts in which two digests differ. */
export function differing(found, stated) {
  const names = new Set([...Object.keys(found.parts), ...Object.keys(stated.parts)]);
  const parts = [...names].filter((name) => found.parts[name] !== stated.parts[name]).sort();
  const isSame = sortedJson(found) === sortedJson(stated);
  return parts.length > 0 || isSame ? parts : ["digest"];
}

/** Return the JSON of a value with sorted keys and no spaces. */
export function sortedJson(value) {
  return JSON.stringify(value, (_, inner) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.keys(inner).sort().map((key) => [key, inner[key]]))
      : inner,
  );
}

/** Return the SHA-256 of a circuit's JSON, a line feed and its body, if it has one. */
export function circuitHash(json, body = new Uint8Array()) {
  return sha256(concat([encoded(json), encoded("\n"), body]));
}

/** Return the canonical bytes of what a function computes. */
export function bodyOf(one) {
  return canonical(only(one, BODY));
}

/** Yield the name and the JSON of each node of a circuit, in the order of the graph. */
export function* circuitCalls(graph) {
  for (const node of all(graph, "node")) {
    if (text(node, "domain") === "hybridx") {
      for (const attribute of all(node, "attribute").filter((one) => text(one, "name") === "circuit")) {
        yield [text(node, "op_type"), text(attribute, "s")];
      }
    }
    for (const attribute of all(node, "attribute")) {
      const inside = attribute.fields.get("g");
      for (const one of [...(inside === undefined ? [] : [inside]), ...all(attribute, "graphs")]) {
        yield* circuitCalls(one);
      }
    }
  }
}

/** Return the SHA-256 of bytes, in hexadecimal. */
export async function sha256(bytes) {
  expect(globalThis.crypto?.subtle !== undefined, "a browser computes SHA-256 on https, localhost and files only");
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...found].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function graphOnly(model, graph) {
  const rest = without(model, [...STAMPS, "functions", "metadata_props"]);
  rest.fields.set("graph", without(graph, ["input", "output", "initializer", "sparse_initializer"]));
  return rest;
}

async function ofEntries(entries) {
  const [digest, test] = ["hybridx.digest", "hybridx.selftest"];
  const keys = [...entries.keys()].filter((key) => ![digest, test, INLINED].includes(key)).sort();
  return {
    "self-test": await ofFields(entries.has(test) ? [entries.get(test)] : []),
    metadata: await ofFields(keys.flatMap((key) => [key, entries.get(key)])),
  };
}

async function joined(parts, circuits) {
  const fields = Object.keys(parts).sort().flatMap((name) => [name, parts[name]]);
  return { circuits, parts, sha256: await ofFields(fields) };
}

/** Return the SHA-256 of texts and bytes, each behind its length in 8 bytes, the lowest first. */
function ofFields(fields) {
  const parts = fields.map(encoded).flatMap((bytes) => {
    const length = new DataView(new ArrayBuffer(8));
    length.setBigUint64(0, BigInt(bytes.length), true);
    return [new Uint8Array(length.buffer), bytes];
  });
  return sha256(concat(parts));
}

function encoded(field) {
  return typeof field === "string" ? new TextEncoder().encode(field) : field;
}
