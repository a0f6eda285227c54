/** What a file says of itself, before anything runs. */
import { isArchive } from "../../reader/archive.mjs";
import { RefusedError } from "../../reader/errors.mjs";
import { filled, isListOf, isObject, isText, isWhole, parseJson } from "../../reader/json.mjs";
import { readFile } from "../../reader/model_file.mjs";
import { all, text } from "../../reader/protobuf.mjs";
import type { Circuit } from "./circuit.js";
import { type Message } from "./graph.js";
import { callsOf, type Call } from "./calls.js";
import { checkModel, checkSize } from "./limits.js";
import { DTYPES, dtypeOf, nested, type Data, type Nested, type Signature } from "./values.js";

/** The hashes of a file. */
export interface Digest {
  /** Of the whole file. */
  sha256: string;
  /** Of each part of the file. */
  parts: Record<string, string>;
  /** Of each circuit, by its name. */
  circuits: Record<string, string>;
  /** The parts that are not as hybridx wrote them; null for a file of an old format, which has no digest. */
  changed: string[] | null;
}

/** A tensor of the self-test. Of a long output only every `step`-th number is stored. */
export interface Recorded {
  dtype: string;
  dims: number[];
  data: Data;
  step: number;
  /** Return the numbers as lists; of a long output, as one list. */
  nested(): Nested;
}

/** Inputs, the outputs of the PyTorch model for them, and how far others may be from these. */
export interface SelfTest {
  inputs: Record<string, Recorded>;
  outputs: Record<string, Recorded>;
  tolerance: number;
}

/** What was compared at export. */
export interface Verification {
  tolerance: number;
  batches: number[];
  worst: number;
}

/** What a file says of itself. */
export interface Said {
  bytes: Uint8Array;
  model: Message;
  version: number;
  inputs: Signature[];
  outputs: Signature[];
  columns: string[] | null;
  classes: string[] | null;
  metadata: Record<string, string>;
  verification: Verification | null;
  digest: Digest;
  selfTest: SelfTest | null;
  calls: Call[];
}

const MOST_NUMBERS = 2 ** 28;

/** Read an ONNX file of hybridx, or refuse it. */
export async function read(bytes: Uint8Array): Promise<Said> {
  if (isArchive(bytes)) {
    throw new RefusedError("it is an archive of torch; this package runs ONNX files: export with --format onnx");
  }
  checkSize(bytes);
  const found = await readFile(new Map([["", bytes]]));
  const entries = found.entries as Map<string, string>;
  const { model } = found as unknown as { model: Message };
  checkModel(model);
  const graph = model.fields.get("graph") as Message;
  const weights = new Set(all(graph, "initializer").map((one: Message) => text(one, "name")));
  const inputs = all(graph, "input").filter((one: Message) => !weights.has(text(one, "name")));
  const outputs: Signature[] = all(graph, "output").map(signatureOf);
  const signatures = inputs.map(signatureOf);
  return {
    bytes,
    model,
    version: found.version,
    inputs: signatures,
    outputs,
    columns: namesOf(entries, "hybridx.columns"),
    classes: namesOf(entries, "hybridx.classes"),
    metadata: Object.fromEntries(entries),
    verification: verificationOf(entries),
    digest: { ...found.digest, changed: found.changed },
    selfTest: selfTestOf(entries),
    calls: callsOf(model, entries, found.circuits as Map<string, Circuit>),
  };
}

function signatureOf(value: Message): Signature {
  const name = text(value, "name");
  const type = value.fields.get("type") as Message | undefined;
  const tensor = type?.fields.get("tensor_type") as Message | undefined;
  const dtype = dtypeOf(Number(tensor?.fields.get("elem_type") ?? 0n));
  const shape = tensor?.fields.get("shape") as Message | undefined;
  if (tensor === undefined || shape === undefined || dtype === undefined) {
    throw new RefusedError(`${name} is no tensor of a dtype and a shape that this package knows`);
  }
  return { name, dtype, shape: all(shape, "dim").map(lengthOf) };
}

function lengthOf(dim: Message): number | string | null {
  const length = dim.fields.get("dim_value");
  return length !== undefined ? Number(length) : text(dim, "dim_param") || null;
}

function namesOf(entries: Map<string, string>, key: string): string[] | null {
  if (!entries.has(key)) {
    return null;
  }
  const found = parseJson(entries.get(key), key);
  if (!isListOf(found, isText)) {
    throw new RefusedError(`${key} is no list of names`);
  }
  return found.length > 0 ? found : null;
}

function verificationOf(entries: Map<string, string>): Verification | null {
  const key = "hybridx.verification";
  if (!entries.has(key)) {
    return null;
  }
  const found = filled(parseJson(entries.get(key), key), { tolerance: undefined, batches: undefined, worst: undefined }, key);
  if (!Number.isFinite(found.tolerance) || !Number.isFinite(found.worst) || !isListOf(found.batches, isWhole)) {
    throw new RefusedError(`${key} has no tolerance, batches and worst error`);
  }
  return found as Verification;
}

function selfTestOf(entries: Map<string, string>): SelfTest | null {
  const key = "hybridx.selftest";
  if (!entries.has(key)) {
    return null;
  }
  const found = filled(parseJson(entries.get(key), key), { inputs: undefined, outputs: undefined, tolerance: undefined }, key);
  if (!Number.isFinite(found.tolerance) || !isObject(found.inputs) || !isObject(found.outputs)) {
    throw new RefusedError(`${key} has no inputs, outputs and tolerance`);
  }
  const tensors = (given: Record<string, unknown>, isInput: boolean): Record<string, Recorded> =>
    Object.fromEntries(Object.entries(given).map(([name, one]) => [name, recordedOf(one, isInput)]));
  return { inputs: tensors(found.inputs, true), outputs: tensors(found.outputs, false), tolerance: found.tolerance };
}

function recordedOf(given: unknown, isInput: boolean): Recorded {
  const where = "hybridx.selftest";
  const fields = { dtype: undefined, shape: undefined, data: undefined, period: 0, step: 1 };
  const { dtype, shape, data, period, step } = filled(given, fields, where);
  const isSane =
    isText(dtype) && Object.hasOwn(DTYPES, dtype) && isListOf(shape, isWhole) && isText(data) && isWhole(period) && isWhole(step);
  const wrong = (): never => {
    throw new RefusedError(`${where} has a tensor of another size, dtype or form than it says`);
  };
  if (!isSane || step < 1 || (isInput ? step !== 1 : period !== 0)) {
    return wrong();
  }
  const dims = shape as number[];
  const size = dims.reduce((product, length) => product * length, 1);
  const stored = period > 0 ? period : Math.ceil(size / step);
  if (size > MOST_NUMBERS || (period > 0 && period >= size)) {
    return wrong();
  }
  const bytes = bytesOf(data, wrong);
  const numbers = DTYPES[dtype]!.make(period > 0 ? size : stored);
  if (bytes.length !== stored * numbers.BYTES_PER_ELEMENT) {
    return wrong();
  }
  const target = new Uint8Array(numbers.buffer);
  for (let at = 0; at < target.length; at += bytes.length) {
    target.set(bytes.subarray(0, Math.min(bytes.length, target.length - at)), at);
  }
  const isBool = dtype === "bool";
  return { dtype, dims, data: numbers, step, nested: () => nested(numbers, step > 1 ? [stored] : dims, isBool) };
}

function bytesOf(base64: string, wrong: () => never): Uint8Array {
  let decoded: string;
  try {
    decoded = atob(base64);
  } catch {
    return wrong();
  }
  return Uint8Array.from(decoded, (letter) => letter.charCodeAt(0));
}
