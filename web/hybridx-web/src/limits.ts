/** What is refused before ONNX Runtime sees a file: it takes memory for what a file says, and compares later. */
import { RefusedError, expect } from "../../reader/errors.mjs";
import { all, text } from "../../reader/protobuf.mjs";
import { graphsIn, type Message } from "./graph.js";

// The same numbers as hybridx has: docs/limits.md.
const MOST_BYTES = 1_500_000_000;
const MOST_FUNCTIONS = 10_000;
const MOST_NODES = 200_000;
const MOST_EXPANDED_BYTES = 4_000_000_000;
export const MOST_AXES = 64;
const MOST_NUMBERS = 2 ** 28;

// By the number of a type in ONNX, how many bytes a number takes in `raw_data`.
const SIZES: Readonly<Record<number, number>> = {
  1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2,
};
const STRING = 8;
const EXTERNAL = 1n;
// By the field, the types that it holds, and how many entries a number takes.
const LISTS: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  float_data: { 1: 1, 14: 2 },
  double_data: { 11: 1, 15: 2 },
  int64_data: { 7: 1 },
  uint64_data: { 12: 1, 13: 1 },
  string_data: { [STRING]: 1 },
  int32_data: { 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 9: 1, 10: 1, 16: 1 },
};

/** Refuse a file by its length. */
export function checkSize(bytes: Uint8Array): void {
  expect(bytes.length <= MOST_BYTES, `it has ${bytes.length} bytes, and ${MOST_BYTES} are the most`);
}

/** Refuse a model that would grow without bound, refers to other files, or has tensors of another size than it says. */
export function checkModel(model: Message): void {
  const functions = new Map<string, Message>();
  for (const one of all(model, "functions") as Message[]) {
    const key = keyOf(one, "name");
    expect(!functions.has(key), `two functions are called ${text(one, "name")}`);
    functions.set(key, one);
  }
  expect(functions.size <= MOST_FUNCTIONS, `it has ${functions.size} functions, and ${MOST_FUNCTIONS} are the most`);
  expect(all(model, "training_info").length === 0, "it has a graph for training");
  for (const [, one] of functions) {
    expect(text(one, "domain") !== "hybridx" || callsIn(one, functions).length === 0, `the body of ${text(one, "name")} calls a function`);
  }
  const sizes = new Map<string, Size>();
  const whole = sizeOf(model.fields.get("graph") as Message, functions, sizes, new Set());
  expect(whole.nodes <= MOST_NODES, `with its functions expanded it has ${whole.nodes} nodes, and ${MOST_NODES} are the most`);
  expect(whole.bytes <= MOST_EXPANDED_BYTES, "with its functions expanded it is too large");
}

interface Size {
  nodes: number;
  bytes: number;
}

/** Return the size of a graph or a function once each call is replaced by the body of its function. */
function sizeOf(room: Message, functions: Map<string, Message>, sizes: Map<string, Size>, open: Set<string>): Size {
  const size = { nodes: 0, bytes: weightsIn(room) };
  for (const node of nodesIn(room)) {
    size.nodes += 1;
    size.bytes += constantsIn(node);
    const key = keyOf(node, "op_type");
    const called = functions.get(key);
    if (called !== undefined) {
      expect(!open.has(key), `its function ${text(called, "name")} calls itself`);
      if (!sizes.has(key)) {
        sizes.set(key, sizeOf(called, functions, sizes, new Set(open).add(key)));
      }
      size.nodes += sizes.get(key)!.nodes;
      size.bytes += sizes.get(key)!.bytes;
    }
  }
  return size;
}

function callsIn(room: Message, functions: Map<string, Message>): Message[] {
  return [...nodesIn(room)].filter((node) => functions.has(keyOf(node, "op_type")));
}

/** Yield nodes and those of the graphs inside them. */
function* nodesIn(room: Message): Generator<Message> {
  for (const node of all(room, "node") as Message[]) {
    yield node;
    for (const graph of graphsIn(node)) {
      yield* nodesIn(graph);
    }
  }
}

function keyOf(one: Message, name: string): string {
  const domain = text(one, "domain");
  return JSON.stringify([domain === "ai.onnx" ? "" : domain, text(one, name), text(one, "overload")]);
}

function weightsIn(room: Message): number {
  const dense = (all(room, "initializer") as Message[]).reduce((sum, one) => sum + checkedTensor(one), 0);
  return (all(room, "sparse_initializer") as Message[]).reduce((sum, one) => sum + checkedSparse(one), dense);
}

function constantsIn(node: Message): number {
  let bytes = 0;
  for (const attribute of all(node, "attribute") as Message[]) {
    const [tensor, sparse] = [attribute.fields.get("t"), attribute.fields.get("sparse_tensor")];
    const tensors = [...(tensor === undefined ? [] : [tensor]), ...all(attribute, "tensors")] as Message[];
    const sparses = [...(sparse === undefined ? [] : [sparse]), ...all(attribute, "sparse_tensors")] as Message[];
    bytes += tensors.reduce((sum, one) => sum + checkedTensor(one), 0);
    bytes += sparses.reduce((sum, one) => sum + checkedSparse(one), 0);
  }
  for (const graph of graphsIn(node)) {
    bytes += weightsIn(graph);
  }
  return bytes;
}

/** Return how many bytes a tensor takes, or refuse one that has another size than it says. */
function checkedTensor(tensor: Message): number {
  const name = text(tensor, "name");
  const wrong = (reason: string): never => {
    throw new RefusedError(`tensor ${JSON.stringify(name)} ${reason}`);
  };
  if (tensor.fields.get("data_location") === EXTERNAL || all(tensor, "external_data").length > 0) {
    return wrong("lies in another file");
  }
  const count = countOf(tensor) ?? wrong("has lengths that no tensor has");
  const type = Number(tensor.fields.get("data_type") ?? 0n);
  const each = SIZES[type] ?? (type === STRING ? 1 : wrong(`is of the unknown type ${type}`));
  const fields = ["raw_data", ...Object.keys(LISTS)].filter((field) => lengthOf(tensor, field) > 0);
  if (fields.length > 1) {
    return wrong("holds its numbers twice");
  }
  const [field] = fields;
  const width = field === undefined ? 1 : field === "raw_data" && type !== STRING ? each : LISTS[field]?.[type];
  if (width === undefined) {
    return wrong("holds its numbers as those of another type");
  }
  const found = field === undefined ? 0 : lengthOf(tensor, field);
  return found === count * width ? count * each : wrong(`has other numbers than the ${count} that it says`);
}

function checkedSparse(sparse: Message): number {
  const values = sparse.fields.get("values") as Message | undefined;
  const indices = sparse.fields.get("indices") as Message | undefined;
  const dense = countOf(sparse);
  if (values === undefined || indices === undefined || dense === undefined || dense > MOST_NUMBERS) {
    throw new RefusedError("it has a sparse tensor that is none, or too large");
  }
  return checkedTensor(values) + checkedTensor(indices) + 8 * dense;
}

/** Return how many numbers a tensor says it has; undefined if its lengths are none. */
function countOf(tensor: Message): number | undefined {
  const lengths = (all(tensor, "dims") as bigint[]).map(Number);
  const count = lengths.reduce((product, length) => product * length, 1);
  return lengths.length <= MOST_AXES && Number.isSafeInteger(count) && lengths.every((length) => length < 2 ** 63) ? count : undefined;
}

function lengthOf(tensor: Message, field: string): number {
  return (tensor.fields.get(field) as ArrayLike<unknown> | undefined)?.length ?? 0;
}
