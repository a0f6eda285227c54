/** Tensors that go into a model and come out of it. */
import type { Tensor as Given } from "onnxruntime-web";
import { RefusedError } from "../../reader/errors.mjs";
import { isListOf, isWhole } from "../../reader/json.mjs";
import { MOST_AXES } from "./limits.js";
import { Tensor } from "./engine.js";

/** The numbers of a tensor, row by row. */
export type Data =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array;

/** Numbers in lists, as deep as the tensor has axes. */
export type Nested = number | bigint | boolean | readonly Nested[];

/** What an input takes: nested lists, or a flat array of numbers whose shape follows from the input's. */
export type Rows = Nested | Data | readonly Data[] | { data: Data | ArrayLike<number | bigint | boolean>; dims: readonly number[] };

/** A result: its numbers row by row, and its shape. */
export interface Values {
  dtype: string;
  data: Data;
  dims: readonly number[];
  /** Return the numbers as lists, as deep as there are axes. */
  nested(): Nested;
}

/** What is known of an input or an output: an axis of any length has a name, or null. */
export interface Signature {
  name: string;
  dtype: string;
  shape: (number | string | null)[];
}

interface Dtype {
  code: number;
  /** What ONNX Runtime calls it. */
  type: Given.Type;
  make: (length: number) => Data;
  /** The least and the largest number, if it holds whole ones only. */
  whole?: [bigint, bigint];
}

const whole = (bits: bigint, isSigned: boolean): [bigint, bigint] =>
  isSigned ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];

/** By NumPy's name of a dtype, what it is to ONNX and to ONNX Runtime. */
export const DTYPES: Readonly<Record<string, Dtype>> = {
  float32: { code: 1, type: "float32", make: (length) => new Float32Array(length) },
  float64: { code: 11, type: "float64", make: (length) => new Float64Array(length) },
  uint8: { code: 2, type: "uint8", make: (length) => new Uint8Array(length), whole: whole(8n, false) },
  int8: { code: 3, type: "int8", make: (length) => new Int8Array(length), whole: whole(8n, true) },
  int16: { code: 5, type: "int16", make: (length) => new Int16Array(length), whole: whole(16n, true) },
  int32: { code: 6, type: "int32", make: (length) => new Int32Array(length), whole: whole(32n, true) },
  int64: { code: 7, type: "int64", make: (length) => new BigInt64Array(length), whole: whole(64n, true) },
  bool: { code: 9, type: "bool", make: (length) => new Uint8Array(length) },
};

/** Return NumPy's name of a dtype by its number in ONNX. */
export function dtypeOf(code: number): string | undefined {
  return Object.keys(DTYPES).find((name) => DTYPES[name]!.code === code);
}

/**
 * Return the tensor of an input, or refuse what does not fit it.
 *
 * @throws RefusedError naming the input, and what it takes.
 */
export function tensorOf(given: Rows, input: Signature): Given {
  const { flat, dims } = flattened(given, input);
  const fits = dims.length === input.shape.length && input.shape.every((length, axis) => typeof length !== "number" || length === dims[axis]);
  if (!fits) {
    throw new RefusedError(`input ${input.name} has shape (${dims.join(", ")}), and takes ${shown(input.shape)}`);
  }
  return tensorIn(input.dtype, cast(flat, input), dims);
}

/** Return a tensor of ONNX Runtime. */
export function tensorIn(dtype: string, data: Data, dims: readonly number[]): Given {
  return new Tensor(DTYPES[dtype]!.type as "float32", data as Float32Array, dims);
}

/** Return a tensor as results are given. */
export function valuesOf(tensor: Given): Values {
  const dtype = tensor.type;
  const data = tensor.data as Data;
  const dims = [...tensor.dims];
  return { dtype, data, dims, nested: () => nested(data, dims, dtype === "bool") };
}

/** Return numbers as lists, as deep as there are axes. */
export function nested(data: Data, dims: readonly number[], isBool: boolean): Nested {
  const one = (at: number): Nested => (isBool ? data[at] !== 0 : data[at]!);
  const inside = (axis: number, at: number): Nested => {
    if (axis === dims.length) {
      return one(at);
    }
    const step = dims.slice(axis + 1).reduce((product, length) => product * length, 1);
    return Array.from({ length: dims[axis]! }, (_, index) => inside(axis + 1, at + index * step));
  };
  return inside(0, 0);
}

type Flat = ArrayLike<number | bigint | boolean>;

function flattened(given: Rows, input: Signature): { flat: Flat; dims: number[] } {
  if (isTyped(given)) {
    return { flat: given, dims: lengthsOf(given.length, input) };
  }
  if (typeof given === "object" && given !== null && "data" in given) {
    if (!isListOf(given.dims, isWhole) || !isList(given.data)) {
      throw new RefusedError(`input ${input.name} has data and dims that are no lists of whole numbers`);
    }
    const size = given.dims.reduce((product, length) => product * length, 1);
    if (size !== given.data.length) {
      throw new RefusedError(`input ${input.name} has ${given.data.length} numbers, and shape (${given.dims.join(", ")})`);
    }
    return { flat: given.data, dims: [...given.dims] };
  }
  const dims: number[] = [];
  for (let one: unknown = given; isList(one); one = one[0]) {
    dims.push(one.length);
    if (dims.length > MOST_AXES) {
      throw new RefusedError(`the lists of input ${input.name} are deeper than ${MOST_AXES}`);
    }
  }
  const flat: (number | bigint | boolean)[] = [];
  const walk = (one: unknown, axis: number): void => {
    if (isList(one) ? one.length !== dims[axis] : axis !== dims.length) {
      throw new RefusedError(`the lists of input ${input.name} are not equally long`);
    }
    if (isList(one)) {
      for (let at = 0; at < one.length; at += 1) {
        walk(one[at], axis + 1);
      }
    } else {
      flat.push(one as number); // `cast` refuses what is none
    }
  };
  walk(given, 0);
  return { flat, dims };
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || isTyped(value);
}

function isTyped(value: unknown): value is Data {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** Return the shape of a flat array: that of the input, whose one open axis is as long as it must be. */
function lengthsOf(size: number, { name, shape }: Signature): number[] {
  const open = shape.filter((length) => typeof length !== "number").length;
  const fixed = shape.reduce<number>((product, length) => (typeof length === "number" ? product * length : product), 1);
  const isWhole = open === 0 ? size === fixed : fixed > 0 && size % fixed === 0;
  if (open > 1 || !isWhole) {
    throw new RefusedError(`input ${name} takes shape ${shown(shape)}; a flat array of ${size} numbers does not say which`);
  }
  return shape.map((length) => (typeof length === "number" ? length : size / fixed));
}

function cast(flat: Flat, { name, dtype }: Signature): Data {
  const { make, whole: range } = DTYPES[dtype]!;
  const data = make(flat.length);
  if (data.constructor === flat.constructor && dtype !== "bool") {
    return flat as Data;
  }
  const refuse = (value: unknown): never => {
    throw new RefusedError(`input ${name} is ${dtype}, and does not take ${String(value)}`);
  };
  for (let at = 0; at < flat.length; at += 1) {
    const value = flat[at]!;
    if (dtype === "bool") {
      const truth = Number(value);
      data[at] = truth === 0 || truth === 1 ? truth : refuse(value);
    } else if (range === undefined) {
      data[at] = typeof value === "number" || typeof value === "bigint" ? Number(value) : refuse(value);
    } else {
      const isWhole = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
      const number = isWhole ? BigInt(value) : refuse(value);
      const fits = number >= range[0] && number <= range[1];
      (data as { [at: number]: number | bigint })[at] = !fits ? refuse(value) : data instanceof BigInt64Array ? number : Number(number);
    }
  }
  return data;
}

/** Return a shape for people. */
export function shown(shape: Signature["shape"]): string {
  return `(${shape.map((length) => length ?? "any").join(", ")})`;
}
