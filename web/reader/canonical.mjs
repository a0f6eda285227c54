/** The canonical bytes of a message: "Canonical bytes" in docs/file-format.md. */
import { concat, encode } from "./protobuf.mjs";
import { SCHEMA } from "./onnx_schema.mjs";

// By the message and the field, the text by which a list is ordered.
const ORDERED_BY = {
  "NodeProto attribute": "name",
  "GraphProto initializer": "name",
  "GraphProto value_info": "name",
  "FunctionProto value_info": "name",
  "ModelProto opset_import": "domain",
  "FunctionProto opset_import": "domain",
};

const LISTS = ["float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data"];
// By the number of a tensor's type: the list that holds its numbers; for whole numbers also the bytes
// of one in `raw_data`, and whether it has a sign.
const STORED = {
  1: ["float_data"],
  14: ["float_data"],
  11: ["double_data"],
  15: ["double_data"],
  7: ["int64_data", 8, true],
  13: ["uint64_data", 8, false],
  12: ["uint64_data", 4, false],
  6: ["int32_data", 4, true],
  5: ["int32_data", 2, true],
  3: ["int32_data", 1, true],
  4: ["int32_data", 2, false],
  2: ["int32_data", 1, false],
  9: ["int32_data", 1, false],
  10: ["int32_data", 2, false],
  16: ["int32_data", 2, false],
};

/** Return the canonical bytes of a message. */
export function canonical(message) {
  return encode(normalised(message));
}

/** Return the canonical bytes of a tensor without its `raw_data`, and the bytes of `raw_data`. */
export function tensorInTwo(tensor) {
  const { kind, fields } = normalised(tensor);
  const numbers = fields.get("raw_data") ?? new Uint8Array();
  const head = new Map([...fields].filter(([name]) => name !== "raw_data"));
  return [encode({ kind, fields: head }), numbers];
}

/** Return things ordered by texts in bytes; equal ones stay in their order. */
export function orderedBy(messages, ...names) {
  return messages.toSorted((first, second) => {
    for (const name of names) {
      const order = compare(first.fields.get(name), second.fields.get(name));
      if (order !== 0) {
        return order;
      }
    }
    return 0;
  });
}

function normalised({ kind, fields }) {
  const kept = new Map();
  for (const field of SCHEMA[kind]) {
    const value = fields.get(field.name);
    if (value === undefined || field.name === "doc_string") {
      continue;
    }
    kept.set(field.name, field.kind in SCHEMA ? inner(kind, field, value) : value);
  }
  return kind === "TensorProto" ? withRawData({ kind, fields: kept }) : { kind, fields: kept };
}

function inner(kind, field, value) {
  if (!field.isList) {
    return normalised(value);
  }
  const by = field.name === "metadata_props" ? "key" : ORDERED_BY[`${kind} ${field.name}`];
  const list = value.map(normalised);
  return by === undefined ? list : orderedBy(list, by);
}

function withRawData(tensor) {
  const { kind, fields } = tensor;
  const [list, size, isSigned] = STORED[Number(fields.get("data_type") ?? 0n)] ?? [];
  const others = LISTS.filter((name) => name !== list && fields.has(name));
  if (list === undefined || fields.has("raw_data") || others.length > 0) {
    return tensor;
  }
  const numbers = (fields.get(list) ?? []).map((one) => (size ? littleEndian(one, size, isSigned) : one));
  if (numbers.includes(undefined)) {
    return tensor;
  }
  const kept = new Map([...fields].filter(([name]) => name !== list));
  return { kind, fields: kept.set("raw_data", concat(numbers)) };
}

/** Return the bytes of a whole number, or undefined if it does not fit. */
function littleEndian(number, size, isSigned) {
  const bits = 8 * size;
  const fits = isSigned ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number);
  if (BigInt.asUintN(64, fits) !== number) {
    return undefined;
  }
  return Uint8Array.from({ length: size }, (_, at) => Number((number >> BigInt(8 * at)) & 255n));
}

function compare(first = new Uint8Array(), second = new Uint8Array()) {
  const length = Math.min(first.length, second.length);
  for (let at = 0; at < length; at += 1) {
    if (first[at] !== second[at]) {
      return first[at] - second[at];
    }
  }
  return first.length - second.length;
}
