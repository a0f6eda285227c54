/** A file of hybridx: what it says of itself, its circuits, and whether it is as it was written. */
import { isArchive, readMembers } from "./archive.mjs";
import { readBundle } from "./bundle.mjs";
import { readCircuit } from "./circuit.mjs";
import { bodyOf, circuitCalls, differing, digestOfArchive, digestOfModel, inlinedCircuits, sha256 } from "./digest.mjs";
import { expect } from "./errors.mjs";
import { filled, isText, parseJson, textsOf } from "./json.mjs";
import { all, decodeText, parse, text } from "./protobuf.mjs";

// By the kind of a file: the newest version of its format that this reader knows, and the first one
// whose files have a digest.
const VERSIONS = { model: { newest: 3, digestSince: 2 }, bundle: { newest: 2, digestSince: 2 }, archive: { newest: 4, digestSince: 3 } };

const INLINED = 3; // the version of an ONNX model whose circuits are no functions

/**
 * Return a file: its `format` and its `version`, its `entries` by key, its `circuits` by name, its
 * `digest`, and the parts in which it differs from the digest that it states (`changed`; null if it is
 * of an old version and states none). An ONNX file has its `model` too, a ModelProto.
 *
 * @param files the bytes of the file under the name "", or those of each file of a bundle by its name.
 * @throws RefusedError if this reader does not know the format, or the file breaks it.
 */
export async function readFile(files) {
  if (files.has("manifest.json")) {
    const stamp = parseJson(decodeText(files.get("manifest.json")), "manifest.json");
    const version = versionOf(textsOf(stamp?.metadata ?? {}, "metadata"), VERSIONS.bundle);
    return finished("bundle", version, await readBundle(files), VERSIONS.bundle);
  }
  const bytes = files.get("");
  return isArchive(bytes) ? readArchive(bytes) : readModel(bytes);
}

async function readModel(bytes) {
  const model = parse(bytes, "ModelProto");
  expect(model.fields.has("graph"), "it has no graph");
  const props = all(model, "metadata_props");
  const entries = new Map(props.map((one) => [text(one, "key"), text(one, "value")]));
  expect(entries.size === props.length, "two entries of its metadata have one name");
  const version = versionOf(entries, VERSIONS.model);
  if (!entries.has("hybridx.digest")) {
    await checkBodies(model, entries);
  }
  expect((version === INLINED) === entries.has("hybridx.inlined"), `format ${version} has another metadata`);
  const circuits = version === INLINED ? inlinedCircuits(entries) : new Map();
  const nodes = [...circuitCalls(model.fields.get("graph"))];
  expect(version !== INLINED || nodes.length === 0, "a file without functions has circuits as nodes too");
  for (const [name, json] of nodes) {
    expect((circuits.get(name) ?? json) === json, `two circuits are called ${name}`);
    circuits.set(name, json);
  }
  const said = { entries, circuits, digest: await digestOfModel(model, entries) };
  return { ...finished("onnx", version, said, VERSIONS.model), model };
}

async function readArchive(bytes) {
  const members = readMembers(bytes);
  expect(members.has("extra/hybridx.json"), "hybridx did not write it: it has no extra/hybridx.json");
  const said = parseJson(decodeText(members.get("extra/hybridx.json")), "extra/hybridx.json");
  const entries = textsOf(said, "extra/hybridx.json");
  const version = versionOf(entries, VERSIONS.archive);
  const circuits = textsOf(parseJson(entries.get("hybridx.circuits") ?? "{}", "hybridx.circuits"), "hybridx.circuits");
  const format = members.has("archive_format") ? "pt2" : "torchscript";
  return finished(format, version, { entries, circuits, digest: await digestOfArchive(members, entries, circuits) }, VERSIONS.archive);
}

/** Return the version of the format, or refuse one that this reader does not know. */
function versionOf(entries, { newest }) {
  const said = entries.get("hybridx.format");
  expect(said !== undefined, "hybridx did not write it: it has no hybridx.format");
  expect(/^[1-9]\d*$/.test(said), `there is no format version ${said}`);
  expect(Number(said) <= newest, `it has format version ${said}; this reader knows versions up to ${newest}`);
  return Number(said);
}

/** Refuse a body that is not the one whose hash a file of version 1 states. */
async function checkBodies(model, entries) {
  const stated = textsOf(parseJson(entries.get("hybridx.bodies") ?? "{}", "hybridx.bodies"), "hybridx.bodies");
  for (const one of all(model, "functions").filter((each) => text(each, "domain") === "hybridx")) {
    const name = text(one, "name");
    expect(stated.get(name) === (await sha256(bodyOf(one))), `the body of ${name} was changed`);
  }
}

function finished(format, version, { entries, circuits, digest }, { digestSince }) {
  for (const name of circuits.keys()) {
    expect(name === `Circuit_${digest.circuits[name].slice(0, 16)}`, `${name} is not the circuit that was compiled`);
  }
  const stated = entries.get("hybridx.digest");
  expect(stated !== undefined || version < digestSince, "it lacks the digest that files of its format have");
  return {
    format,
    version,
    entries,
    circuits: new Map([...circuits].map(([name, json]) => [name, readCircuit(json)])),
    digest,
    changed: stated === undefined ? null : differing(digest, statedDigest(stated)),
  };
}

function statedDigest(json) {
  const fields = { circuits: undefined, parts: undefined, sha256: undefined };
  const stated = filled(parseJson(json, "hybridx.digest"), fields, "hybridx.digest");
  textsOf(stated.parts, "hybridx.digest");
  textsOf(stated.circuits, "hybridx.digest");
  expect(isText(stated.sha256), "hybridx.digest has no sha256");
  return stated;
}
