/** One row of the inputs, and rows made of it. */
import type { Rows } from "hybridx-web";
import type { InputFacts } from "./facts";

/** The numbers of one input in one row, and their shape without the batch. */
export interface Part {
  data: readonly number[];
  dims: readonly number[];
}

/** One row: a part for each input by its name. A Map, as a file may call an input `constructor`. */
export type Sample = ReadonlyMap<string, Part>;

const BATCH = "batch";
const MOST_AXES = 64;

export function hasBatch({ shape }: Pick<InputFacts, "shape">): boolean {
  return shape[0] === BATCH;
}

/** Return the inputs of a model for some rows; an input without a batch is that of the first row. */
export function feedsOf(inputs: readonly InputFacts[], rows: readonly Sample[]): Record<string, Rows> {
  const [first] = rows;
  const feeds = inputs.map((input): [string, Rows] => {
    const part = first?.get(input.name);
    if (part === undefined) {
      throw new Error(`there is no value of input ${input.name}`);
    }
    const all = (): Rows => ({ data: rows.flatMap((row) => row.get(input.name)?.data ?? []), dims: [rows.length, ...part.dims] });
    return [input.name, hasBatch(input) ? all() : part];
  });
  return Object.fromEntries(feeds);
}

/** Return a row with one number of one input replaced. */
export function replaced(sample: Sample, input: string, at: number, value: number): Sample {
  const part = sample.get(input);
  return part === undefined ? sample : withPart(sample, input, { ...part, data: part.data.with(at, value) });
}

/** Return a row with another part for one input. */
export function withPart(sample: Sample, input: string, part: Part): Sample {
  return new Map(sample).set(input, part);
}

/** Return the numbers of lists, or a text that says why they are no array. */
export function flattened(given: unknown): Part | string {
  const dims: number[] = [];
  for (let one = given; Array.isArray(one); one = one[0]) {
    dims.push(one.length);
    if (dims.length > MOST_AXES) {
      return `its lists are deeper than ${MOST_AXES}`;
    }
  }
  const data: number[] = [];
  const walk = (one: unknown, axis: number): string | null => {
    if (Array.isArray(one)) {
      if (one.length !== dims[axis]) {
        return "its lists are not equally long";
      }
      return one.reduce<string | null>((wrong, inner) => wrong ?? walk(inner, axis + 1), null);
    }
    if (axis !== dims.length) {
      return "its lists are not equally deep";
    }
    if (typeof one !== "number" && typeof one !== "boolean") {
      return `${JSON.stringify(one)} is no number`;
    }
    data.push(Number(one));
    return null;
  };
  return walk(given, 0) ?? { data, dims };
}

/** Return numbers as lists, as deep as the shape has axes. */
export function nested({ data, dims }: { data: readonly unknown[]; dims: readonly number[] }): unknown {
  const inside = (axis: number, at: number): unknown => {
    if (axis === dims.length) {
      return data[at];
    }
    const step = dims.slice(axis + 1).reduce((product, length) => product * length, 1);
    return Array.from({ length: dims[axis] ?? 0 }, (_, index) => inside(axis + 1, at + index * step));
  };
  return inside(0, 0);
}

/** Return whether a shape without its batch is one that an input takes; else what it takes. */
export function misfit(input: InputFacts, dims: readonly number[]): string | null {
  const own = hasBatch(input) ? input.shape.slice(1) : input.shape;
  const fits = own.length === dims.length && own.every((length, axis) => typeof length === "string" || length === dims[axis]);
  return fits ? null : `it has shape (${dims.join(", ")}), and the input takes (${own.join(", ")})`;
}

export function isWhole(dtype: string): boolean {
  return /^u?int/.test(dtype) || dtype === "bool";
}
