/** Parts of a graph as models of their own: the nodes on which some values depend. */
import { all, encode, message, text } from "../../reader/protobuf.mjs";

/** A message of the ONNX schema: see the reader's `protobuf.mjs`. */
export interface Message {
  kind: string;
  fields: Map<string, unknown>;
}

/** A value that a part takes: its number of a dtype in ONNX, and how many axes it has. */
export interface Given {
  name: string;
  code: number;
  axes: number;
}

const PREFIX = "hybridx-web/";

/** The graph of a model: who gives each value. */
export class Graph {
  readonly #model: Message;
  readonly #nodes: Message[];
  readonly #maker = new Map<string, number>();
  readonly #reads: string[][];
  readonly #weights: Map<string, Message>;
  readonly #sparse: Map<string, Message>;
  readonly inputs: Map<string, Message>;
  readonly outputs: string[];

  constructor(model: Message) {
    this.#model = model;
    const graph = model.fields.get("graph") as Message;
    this.#nodes = all(graph, "node");
    this.#nodes.forEach((node, at) => namesOf(node, "output").forEach((name) => this.#maker.set(name, at)));
    this.#reads = this.#nodes.map((node) => [...new Set(readsOf(node))]);
    this.#weights = new Map(all(graph, "initializer").map((one: Message) => [text(one, "name"), one]));
    this.#sparse = new Map(
      all(graph, "sparse_initializer").map((one: Message) => [text(one.fields.get("values") as Message, "name"), one]),
    );
    this.outputs = all(graph, "output").map((one: Message) => text(one, "name"));
    this.inputs = new Map(all(graph, "input").map((one: Message) => [text(one, "name"), one]));
  }

  /** Return whether something gives a value: an input, a weight or a node. */
  has(name: string): boolean {
    return this.inputs.has(name) || this.#weights.has(name) || this.#sparse.has(name) || this.#maker.has(name);
  }

  /** Return the nodes on which values depend, by their place, and the names at which they begin. */
  before(names: readonly string[], ends: ReadonlySet<string>): { nodes: Set<number>; from: Set<string> } {
    const nodes = new Set<number>();
    const from = new Set<string>();
    const waiting = [...names];
    const seen = new Set(waiting);
    while (waiting.length > 0) {
      const name = waiting.pop()!;
      const maker = ends.has(name) ? undefined : this.#maker.get(name);
      if (maker === undefined) {
        from.add(name);
      } else if (!nodes.has(maker)) {
        nodes.add(maker);
        for (const read of this.#reads[maker]!) {
          if (!seen.has(read)) {
            seen.add(read);
            waiting.push(read);
          }
        }
      }
    }
    return { nodes, from };
  }

  /** Yield each node with its place, what it reads and what it gives. */
  *nodes(): Generator<{ at: number; reads: string[]; gives: string[] }> {
    for (const [at, node] of this.#nodes.entries()) {
      yield { at, reads: this.#reads[at]!, gives: namesOf(node, "output") };
    }
  }

  /**
   * Return a model that computes values from others, and which of the given ones it takes.
   *
   * @param wanted names of values that a node or a weight gives. The outputs are called by `outputName`.
   * @param given values that are there already.
   */
  part(wanted: readonly string[], given: readonly Given[]): { bytes: Uint8Array; inputs: string[] } {
    const there = new Map(given.map((one) => [one.name, one]));
    const { nodes, from } = this.before(wanted, new Set(there.keys()));
    const kept = this.#nodes.filter((_, at) => nodes.has(at));
    const types = new Set(kept.flatMap((node) => [...typesIn(node)]));
    const inputs = [...from].filter((name) => there.has(name));
    const isKept = (name: string): boolean => from.has(name) && !there.has(name);
    const graph = message("GraphProto", {
      name: "part",
      node: [...kept, ...wanted.map((name) => message("NodeProto", { input: [name], output: [outputName(name)], op_type: "Identity" }))],
      input: inputs.map((name) => this.inputs.get(name) ?? valueInfo(there.get(name)!)),
      // ONNX Runtime finds the types of outputs itself.
      output: wanted.map((name) => message("ValueInfoProto", { name: outputName(name) })),
      initializer: [...this.#weights].filter(([name]) => isKept(name)).map(([, one]) => one),
      sparse_initializer: [...this.#sparse].filter(([name]) => isKept(name)).map(([, one]) => one),
    });
    const functions = all(this.#model, "functions").filter(
      (one: Message) => text(one, "domain") !== "hybridx" || types.has(text(one, "name")),
    );
    const fields = Object.fromEntries(["ir_version", "opset_import"].map((name) => [name, this.#model.fields.get(name)]));
    return { bytes: encode(message("ModelProto", { ...fields, graph, functions })), inputs };
  }
}

/** Return what a part calls a value that is wanted of it. */
export function outputName(name: string): string {
  return `${PREFIX}${name}`;
}

function valueInfo({ name, code, axes }: Given): Message {
  const dim = Array.from({ length: axes }, () => message("Dimension", {}));
  const tensor = message("Tensor", { elem_type: code, shape: message("TensorShapeProto", { dim }) });
  return message("ValueInfoProto", { name, type: message("TypeProto", { tensor_type: tensor }) });
}

function namesOf(node: Message, field: string): string[] {
  const bytes = (node.fields.get(field) ?? []) as Uint8Array[];
  const decoder = new TextDecoder();
  return bytes.map((one) => decoder.decode(one)).filter((name) => name !== "");
}

/** Yield the graphs of the attributes of a node. */
export function* graphsIn(node: Message): Generator<Message> {
  for (const attribute of all(node, "attribute")) {
    const inside = attribute.fields.get("g");
    if (inside !== undefined) {
      yield inside;
    }
    yield* all(attribute, "graphs");
  }
}

/** Yield the values that a node reads, also those that graphs inside it take from around them. */
function* readsOf(node: Message): Generator<string> {
  yield* namesOf(node, "input");
  for (const graph of graphsIn(node)) {
    const own = new Set([...all(graph, "input"), ...all(graph, "initializer")].map((one) => text(one, "name")));
    const inner: Message[] = all(graph, "node");
    inner.forEach((one) => namesOf(one, "output").forEach((name) => own.add(name)));
    for (const one of inner) {
      for (const name of readsOf(one)) {
        if (!own.has(name)) {
          yield name;
        }
      }
    }
    // What a graph gives may be a value from around it.
    for (const one of all(graph, "output")) {
      if (!own.has(text(one, "name"))) {
        yield text(one, "name");
      }
    }
  }
}

/** Yield the types of a node and of those inside it. */
function* typesIn(node: Message): Generator<string> {
  yield text(node, "op_type");
  for (const graph of graphsIn(node)) {
    for (const one of all(graph, "node")) {
      yield* typesIn(one);
    }
  }
}
