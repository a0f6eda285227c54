/** A file that runs in ONNX Runtime Web. */
import type { InferenceSession as Session, Tensor } from "onnxruntime-web";
import { RefusedError } from "../../reader/errors.mjs";
import { isObject } from "../../reader/json.mjs";
import type { Call, CircuitCall } from "./calls.js";
import { results as exactResults, resultCount } from "./circuit.js";
import { InferenceSession, env } from "./engine.js";
import { read, type Digest, type Said, type SelfTest, type Verification } from "./file.js";
import { Graph, outputName } from "./graph.js";
import { Random } from "./random.js";
import { Sampler, checkedSeed } from "./sampling.js";
import { DTYPES, tensorIn, tensorOf, valuesOf, type Data, type Rows, type Signature, type Values } from "./values.js";

/** How ONNX Runtime is started. It is started once in a page: the first `load` counts. */
export interface LoadOptions {
  /** The bytes of `ort-wasm-simd-threaded.wasm`, so that nothing is requested. */
  wasmBinary?: ArrayBuffer | Uint8Array;
  /** Where ONNX Runtime's files lie: a folder that ends with a slash, or an address of each. */
  wasmPaths?: string | { wasm?: string; mjs?: string };
  /** What ONNX Runtime computes with; `["wasm"]` unless said. */
  executionProviders?: readonly string[];
}

/** The rows of each input, by its name. */
export type Feeds = Record<string, Rows>;

/** What a circuit takes for some rows of the model. */
export interface CircuitParameters {
  /** The quantum layer: `layer` of its `CircuitCall`. */
  layer: string;
  /** How often the circuit runs for these inputs: once a row, or more often, as once a window. */
  rows: number;
  /** How many numbers each row has. */
  columns: number;
  /** The numbers, row by row. */
  data: Float64Array;
  /** Return the numbers of a row. */
  row(index: number): Float64Array;
}

/** What the self-test found in this engine. */
export interface Verdict {
  /** The largest error, relative to outputs larger than one. */
  worstError: number;
  tolerance: number;
  passed: boolean;
}

/**
 * Read a file and make it ready.
 *
 * @param source its bytes, or an address to fetch it from.
 * @throws RefusedError if it is no ONNX file of hybridx, or one that hybridx would refuse.
 */
export async function load(source: string | URL | ArrayBuffer | Uint8Array, options: LoadOptions = {}): Promise<Model> {
  if (options.wasmBinary !== undefined) {
    env.wasm.wasmBinary = options.wasmBinary;
  }
  if (options.wasmPaths !== undefined) {
    env.wasm.wasmPaths = options.wasmPaths;
  }
  return new Model(await read(await bytesOf(source)), options.executionProviders ?? ["wasm"]);
}

async function bytesOf(source: string | URL | ArrayBuffer | Uint8Array): Promise<Uint8Array> {
  if (source instanceof Uint8Array) {
    return source;
  }
  if (source instanceof ArrayBuffer) {
    return new Uint8Array(source);
  }
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw new RefusedError("load takes the bytes of a file, or its address");
  }
  const response = await fetch(source).catch((error: Error & { cause?: unknown }) => {
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    throw new RefusedError(`${String(source)} cannot be fetched: ${why}`);
  });
  if (!response.ok) {
    throw new RefusedError(`${String(source)} answers ${response.status} ${response.statusText}`);
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** A part of the model that gives the parameters of some circuits, or the outputs behind them. */
interface Part {
  session: Session;
  inputs: string[];
  wanted: string[];
}

/** A loaded file: see `load`. */
export class Model {
  readonly inputs: readonly Signature[];
  readonly outputs: readonly Signature[];
  /** Names of the columns of a table, in the order of the input. */
  readonly columns: readonly string[] | null;
  /** Names of the logits in order. */
  readonly classes: readonly string[] | null;
  /** All entries of the file's metadata, as texts. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What was compared with PyTorch at export; null if nothing was. */
  readonly verification: Verification | null;
  readonly digest: Digest;
  readonly selfTest: SelfTest | null;
  /** The quantum layers in the order of the graph. */
  readonly circuits: readonly CircuitCall[];

  readonly #said: Said;
  readonly #calls: Call[];
  readonly #providers: readonly string[];
  #graph: Graph | undefined;
  #whole: Promise<Session> | undefined;
  readonly #parts = new Map<string, Promise<Part>>();
  // ONNX Runtime Web runs one call of a session at a time.
  #last: Promise<unknown> = Promise.resolve();

  /** Use `load`. */
  constructor(said: Said, providers: readonly string[]) {
    this.#said = said;
    this.#calls = said.calls;
    this.#providers = providers;
    this.inputs = said.inputs;
    this.outputs = said.outputs;
    this.columns = said.columns;
    this.classes = said.classes;
    this.metadata = said.metadata;
    this.verification = said.verification;
    this.digest = said.digest;
    this.selfTest = said.selfTest;
    this.circuits = said.calls.map(({ name, layer, circuit, wires, strategy, notShown }) => {
      return { name, layer, circuit, wires, strategy, notShown };
    });
  }

  /**
   * Run the model.
   *
   * @param rows for each input nested lists, or typed arrays, by its name.
   * @returns each output by its name.
   * @throws RefusedError if an input is missing or does not fit, or the file has no compiled circuits.
   */
  async predict(rows: Feeds): Promise<Record<string, Values>> {
    const feeds = this.#feeds(rows);
    const bodiless = this.#calls.find((one) => !one.hasBody);
    if (bodiless !== undefined) {
      throw new RefusedError(`${bodiless.layer} was exported without a compiled body: it runs on devices only`);
    }
    if (this.outputs.some(({ name }) => name === "__proto__")) {
      // ONNX Runtime Web gives outputs as properties, so that one of this name is lost. A part has others.
      return this.#named(new Map(Object.entries(feeds)));
    }
    this.#whole ??= this.#start(this.#said.bytes);
    const found = await this.#run(await this.#whole, feeds);
    return Object.fromEntries(this.outputs.map(({ name }) => [name, valuesOf(found[name]!)]));
  }

  /**
   * Return what each circuit takes for some rows, in the order of `circuits`. It is null for a circuit whose
   * `notShown` says why.
   */
  async circuitParameters(rows: Feeds): Promise<(CircuitParameters | null)[]> {
    const feeds = this.#feeds(rows);
    const shown = this.#calls.filter((one) => one.notShown === null);
    const isCompiled = shown.every((one) => one.hasBody);
    const values = isCompiled
      ? await this.#values(shown.map((one) => one.parameters), new Map(Object.entries(feeds)))
      : await this.#staged(feeds, (call, row) => exactResults(call.circuit, row));
    return this.#calls.map((one) => {
      const tensor = one.notShown === null ? values.get(one.parameters) : undefined;
      return tensor === undefined ? null : parametersOf(one, tensor);
    });
  }

  /**
   * Run the model with circuits that are sampled, as on a device that takes shots.
   *
   * @param shots of each group of measurements that are taken together.
   * @param seed a whole number; equal seeds give equal results.
   * @throws RefusedError if a circuit cannot be cut out or sampled.
   */
  async predictWithShots(rows: Feeds, shots: number, seed: number): Promise<Record<string, Values>> {
    const hidden = this.#calls.find((one) => one.notShown !== null);
    if (hidden !== undefined) {
      throw new RefusedError(`${hidden.layer} cannot be sampled: ${hidden.notShown}`);
    }
    const random = new Random(checkedSeed(seed));
    const samplers = new Map(this.#calls.map((one) => [one, new Sampler(one.circuit, shots)]));
    const values = await this.#staged(this.#feeds(rows), (call, row) => samplers.get(call)!.draw(row, random).results);
    return this.#named(values);
  }

  /**
   * Run the self-test in this engine.
   *
   * @throws RefusedError if the file has none, or was changed since it was written.
   */
  async verify(): Promise<Verdict> {
    const test = this.selfTest;
    if (test === null) {
      throw new RefusedError("it has no self-test");
    }
    const { changed } = this.digest;
    if (changed !== null && changed.length > 0) {
      throw new RefusedError(`it was changed after hybridx wrote it: ${changed.join(", ")}`);
    }
    const rows = Object.entries(test.inputs).map(([name, { data, dims }]) => [name, { data, dims }]);
    const found = await this.predict(Object.fromEntries(rows) as Feeds);
    const errors = Object.entries(test.outputs).map(([name, expected]) => {
      const actual = found[name];
      const isSame = actual !== undefined && actual.dtype === expected.dtype && `${actual.dims}` === `${expected.dims}`;
      return isSame ? worstOf(actual.data, expected.data, expected.step) : Infinity;
    });
    const worstError = Math.max(0, ...errors);
    return { worstError, tolerance: test.tolerance, passed: worstError <= test.tolerance };
  }

  /** Free the memory that ONNX Runtime holds for this model. */
  async release(): Promise<void> {
    const parts = [...this.#parts.values()].map(async (one) => (await one).session.release());
    // What did not start holds nothing.
    await Promise.allSettled([...parts, this.#whole?.then((one) => one.release())]);
    this.#parts.clear();
    this.#whole = undefined;
  }

  #feeds(rows: Feeds): Record<string, Tensor> {
    if (!isObject(rows)) {
      throw new RefusedError("it takes an object that has the rows of each input by its name");
    }
    const known = new Set(this.inputs.map((one) => one.name));
    const unknown = Object.keys(rows).find((name) => !known.has(name));
    const names = [...known].join(", ");
    if (unknown !== undefined) {
      throw new RefusedError(`it has no input ${unknown}; it has ${names}`);
    }
    const lengths = new Map<string, { length: number; name: string }>();
    return Object.fromEntries(
      this.inputs.map((input) => {
        if (!Object.hasOwn(rows, input.name)) {
          throw new RefusedError(`input ${input.name} is missing; it has ${names}`);
        }
        const tensor = tensorOf(rows[input.name]!, input);
        for (const [at, axis] of input.shape.entries()) {
          const found = { length: tensor.dims[at]!, name: input.name };
          const before = typeof axis === "string" ? (lengths.get(axis) ?? found) : found;
          if (before.length !== found.length) {
            throw new RefusedError(
              `axis ${axis} is ${before.length} of input ${before.name}, and ${found.length} of ${input.name}`,
            );
          }
          if (typeof axis === "string") {
            lengths.set(axis, before);
          }
        }
        return [input.name, tensor];
      }),
    );
  }

  /**
   * Run the circuits in the order in which they depend on each other, and return the values that are known then.
   *
   * @param compute the results of a circuit for a row of parameters.
   */
  async #staged(feeds: Record<string, Tensor>, compute: (call: Call, row: Float64Array) => number[]): Promise<Map<string, Tensor>> {
    const known = new Map(Object.entries(feeds));
    for (const stage of this.#stages()) {
      const parameters = await this.#values(stage.map((one) => one.parameters), known);
      for (const call of stage) {
        const given = parameters.get(call.parameters)!;
        known.set(call.parameters, given);
        known.set(call.results, computed(call, given, compute));
      }
    }
    return known;
  }

  /** Return the outputs by name, from values that are known. */
  async #named(known: Map<string, Tensor>): Promise<Record<string, Values>> {
    const names = this.outputs.map((one) => one.name);
    const found = await this.#values(names, known);
    return Object.fromEntries(names.map((name) => [name, valuesOf(found.get(name)!)]));
  }

  /** Return the calls that can be cut out, those first that depend on no other. */
  #stages(): Call[][] {
    const graph = this.#graphOf();
    const shown = this.#calls.filter((one) => one.notShown === null);
    const giver = new Map(shown.map((one) => [one.results, one]));
    const ends = new Set(giver.keys());
    const levels = new Map<Call, number>();
    const levelOf = (call: Call): number => {
      if (!levels.has(call)) {
        const needed = [...graph.before([call.parameters], ends).from].flatMap((name) => giver.get(name) ?? []);
        levels.set(call, Math.max(-1, ...needed.map(levelOf)) + 1);
      }
      return levels.get(call)!;
    };
    const stages: Call[][] = [];
    for (const call of shown) {
      (stages[levelOf(call)] ??= []).push(call);
    }
    return stages;
  }

  /** Return values by name, from those that are known. */
  async #values(names: readonly string[], known: Map<string, Tensor>): Promise<Map<string, Tensor>> {
    const missing = [...new Set(names)].filter((name) => !known.has(name));
    const found = new Map(names.filter((name) => known.has(name)).map((name) => [name, known.get(name)!]));
    if (missing.length > 0) {
      const { session, inputs, wanted } = await this.#part(missing, known);
      const given = Object.fromEntries(inputs.map((name) => [name, known.get(name)!]));
      const outputs = await this.#run(session, given);
      wanted.forEach((name) => found.set(name, outputs[outputName(name)]!));
    }
    return found;
  }

  #part(wanted: string[], known: Map<string, Tensor>): Promise<Part> {
    const key = JSON.stringify([wanted, [...known.keys()]]);
    if (!this.#parts.has(key)) {
      const given = [...known].map(([name, { type, dims }]) => ({ name, code: DTYPES[type]!.code, axes: dims.length }));
      const { bytes, inputs } = this.#graphOf().part(wanted, given);
      this.#parts.set(key, this.#start(bytes).then((session) => ({ session, inputs, wanted })));
    }
    return this.#parts.get(key)!;
  }

  #graphOf(): Graph {
    this.#graph ??= new Graph(this.#said.model);
    return this.#graph;
  }

  async #start(bytes: Uint8Array): Promise<Session> {
    try {
      return await InferenceSession.create(bytes, { executionProviders: [...this.#providers] });
    } catch (error) {
      throw new RefusedError(`ONNX Runtime Web does not take it: ${(error as Error).message}`);
    }
  }

  async #run(session: Session, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
    const turn = this.#last.then(() => session.run(feeds));
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } catch (error) {
      throw new RefusedError(`ONNX Runtime Web does not run it: ${(error as Error).message}`);
    }
  }
}

function parametersOf({ layer }: Call, tensor: Tensor): CircuitParameters {
  const [rows, columns] = tensor.dims as [number, number];
  const data = Float64Array.from(tensor.data as Float64Array);
  return { layer, rows, columns, data, row: (index) => data.slice(index * columns, (index + 1) * columns) };
}

/** Return the results of a circuit for each row of its parameters, in their dtype. */
function computed(call: Call, parameters: Tensor, compute: (call: Call, row: Float64Array) => number[]): Tensor {
  const given = parametersOf(call, parameters);
  const width = resultCount(call.circuit);
  const data = DTYPES[parameters.type]!.make(given.rows * width) as Float64Array;
  for (let row = 0; row < given.rows; row += 1) {
    const numbers = given.row(row);
    // What is NaN or infinite has no circuit: its results are NaN, as hybridx gives them on a device.
    data.set(numbers.every(Number.isFinite) ? compute(call, numbers) : new Array<number>(width).fill(Number.NaN), row * width);
  }
  return tensorIn(parameters.type, data, [given.rows, width]);
}

/** Return the largest error of the recorded numbers, relative to those larger than one. */
function worstOf(actual: Data, expected: Data, step: number): number {
  let worst = 0;
  for (let at = 0; at < expected.length; at += 1) {
    const [one, other] = [Number(actual[at * step]), Number(expected[at])];
    const error = Object.is(one, other) ? 0 : Math.abs(one - other) / Math.max(1, Math.abs(other));
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }
  return worst;
}
