/**
 * Protobuf messages of the ONNX schema. A message is `{ kind, fields }`: the name of the message, and
 * a Map from the name of each field that is present to its value, or to the list of its values.
 * Whole numbers are BigInts of 64 bits without a sign, texts and bytes are Uint8Arrays; `float` and
 * `double` are the bytes that stand in the file, so that no number is rounded.
 */
import { RefusedError, expect } from "./errors.mjs";
import { SCHEMA } from "./onnx_schema.mjs";

const MOST_DEEP = 100; // as protobuf's own readers
const MOST_VALUES = 10_000_000; // each is an object of its own here; weights are a single one each
const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH = 2;
const FOUR_BYTES = 5;

/** Return the message that some bytes encode; fields that the schema does not know are left out. */
export function parse(bytes, kind, depth = 0, budget = { values: MOST_VALUES }) {
  expect(depth < MOST_DEEP, "its messages nest too deep");
  const fields = new Map();
  const reader = new Reader(bytes);
  while (!reader.isAtEnd()) {
    const tag = reader.varint();
    const wire = Number(tag & 7n);
    const content = reader.content(wire);
    const field = SCHEMA[kind].find((one) => BigInt(one.number) === tag >> 3n);
    const values = field === undefined ? [] : valuesOf(field, wire, content, depth, budget);
    budget.values -= values.length;
    expect(budget.values >= 0, "it has too many values");
    for (const value of values) {
      put(kind, fields, field, value);
    }
  }
  return { kind, fields };
}

/** Return a new message. `fields` are values or lists by the names of the fields; undefined is none. */
export function message(kind, fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { kind, fields: new Map(given.map(([name, value]) => [name, asBytes(value)])) };
}

/** Return the values of a list of a message. */
export function all(message, name) {
  return message.fields.get(name) ?? [];
}

/** Return a text of a message, or an empty one. */
export function text(message, name) {
  return decodeText(message.fields.get(name) ?? new Uint8Array());
}

/** Return a copy of a message without some of its fields. */
export function without(message, names) {
  const kept = [...message.fields].filter(([name]) => !names.includes(name));
  return { kind: message.kind, fields: new Map(kept) };
}

/** Return a copy of a message with only some of its fields. */
export function only(message, names) {
  const kept = [...message.fields].filter(([name]) => names.includes(name));
  return { kind: message.kind, fields: new Map(kept) };
}

/** Return the text of bytes in UTF-8. */
export function decodeText(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RefusedError("a text in it is not UTF-8");
  }
}

/** Return the bytes of a message: fields in the order of their numbers, numbers as short as possible. */
export function encode(message) {
  const parts = [];
  for (const field of SCHEMA[message.kind]) {
    const value = message.fields.get(field.name);
    if (value === undefined) {
      continue;
    }
    if (field.isPacked) {
      const packed = concat(value.map((one) => contentOf(field, one)));
      if (packed.length > 0) {
        parts.push(tagOf(field.number, LENGTH), varintOf(BigInt(packed.length)), packed);
      }
      continue;
    }
    for (const one of field.isList ? value : [value]) {
      const content = contentOf(field, one);
      parts.push(tagOf(field.number, wireOf(field)));
      if (wireOf(field) === LENGTH) {
        parts.push(varintOf(BigInt(content.length)));
      }
      parts.push(content);
    }
  }
  return concat(parts);
}

/** Return byte arrays one behind the other. */
export function concat(parts) {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function asBytes(value) {
  if (typeof value === "string") {
    return new TextEncoder().encode(value);
  }
  if (typeof value === "number") {
    return BigInt.asUintN(64, BigInt(value));
  }
  return Array.isArray(value) ? value.map(asBytes) : value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  isAtEnd() {
    return this.at === this.bytes.length;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte] = this.take(1);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        return BigInt.asUintN(64, value);
      }
    }
    throw new RefusedError("its bytes are no protobuf");
  }

  take(length) {
    const end = this.at + length;
    expect(end <= this.bytes.length, "its bytes are no protobuf, or end too soon");
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }

  content(wire) {
    switch (wire) {
      case VARINT:
        return this.varint();
      case EIGHT_BYTES:
        return this.take(8);
      case LENGTH:
        return this.take(Number(this.varint()));
      case FOUR_BYTES:
        return this.take(4);
      default:
        throw new RefusedError("its bytes are no protobuf of ONNX");
    }
  }
}

function wireOf(field) {
  if (field.kind === "float") {
    return FOUR_BYTES;
  }
  if (field.kind === "double") {
    return EIGHT_BYTES;
  }
  return isWhole(field.kind) ? VARINT : LENGTH;
}

function isWhole(kind) {
  return kind.startsWith("int") || kind.startsWith("uint") || kind.startsWith("enum");
}

/** Return the values of a field in the bytes: several where a list is packed. */
function valuesOf(field, wire, content, depth, budget) {
  const own = wireOf(field);
  if (wire === own) {
    return [valueOf(field, content, depth, budget)].filter((value) => value !== undefined);
  }
  if (wire !== LENGTH || !field.isList) {
    return []; // Protobuf takes a field of another type for one that it does not know.
  }
  const values = [];
  const reader = new Reader(content);
  while (!reader.isAtEnd()) {
    values.push(valueOf(field, reader.content(own), depth, budget));
    expect(values.length <= budget.values, "it has too many values");
  }
  return values.filter((value) => value !== undefined);
}

function valueOf(field, content, depth, budget) {
  if (field.kind in SCHEMA) {
    return parse(content, field.kind, depth + 1, budget);
  }
  if (field.kind === "int32") {
    return BigInt.asUintN(64, BigInt.asIntN(32, content));
  }
  if (field.kind.startsWith("enum") && content > BigInt(field.kind.slice(4))) {
    return undefined;
  }
  return content;
}

/** Put a value into fields as protobuf does: the last one counts, and messages are merged. */
function put(kind, fields, field, value) {
  if (field.isList) {
    if (!fields.has(field.name)) {
      fields.set(field.name, []);
    }
    fields.get(field.name).push(value);
    return;
  }
  for (const other of SCHEMA[kind]) {
    if (field.group !== undefined && other.group === field.group && other !== field) {
      fields.delete(other.name);
    }
  }
  const there = fields.get(field.name);
  fields.set(field.name, there !== undefined && field.kind in SCHEMA ? merged(there, value) : value);
}

function merged(first, second) {
  return parse(concat([encode(first), encode(second)]), first.kind);
}

function contentOf(field, value) {
  if (field.kind in SCHEMA) {
    return encode(value);
  }
  return isWhole(field.kind) ? varintOf(value) : value;
}

function tagOf(number, wire) {
  return varintOf(BigInt((number << 3) | wire));
}

function varintOf(value) {
  const bytes = [];
  let rest = value;
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
