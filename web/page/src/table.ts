/** The rows of a CSV file as rows of a model whose inputs are tables. */
import { readCsv, readNumber } from "./csv";
import type { InputFacts } from "./facts";
import { cut, listed } from "./numbers";
import { hasBatch, isWhole, type Part, type Sample } from "./sample";

export interface Table {
  /** Of the rows that are good: their line in the file, and their numbers. */
  rows: { line: number; sample: Sample }[];
  /** What is wrong with each other row. */
  bad: string[];
  /** What should be known of how columns were chosen. */
  notes: string[];
}

const MOST_ROWS = 1_000_000;

/** Return the rows of a file, or a text that says why there are none. */
export function readTable(text: string, inputs: readonly InputFacts[]): Table | string {
  const lines = readCsv(text);
  const [first] = lines;
  if (first === undefined) {
    return "The file is empty.";
  }
  if (lines.length > MOST_ROWS) {
    return `The file has ${lines.length.toLocaleString("en")} rows. The page takes ${MOST_ROWS.toLocaleString("en")}: run it with hybridx run.`;
  }
  const wanted = inputs.flatMap(({ columns }) => columns);
  const hasHeader = first.cells.some((cell) => cell !== "" && readNumber(cell) === null);
  if (hasHeader && lines.length === 1) {
    return "The file has a header and no rows.";
  }
  const places = hasHeader ? placesByName(first.cells, wanted) : placesInOrder(first.cells.length, wanted);
  if (typeof places === "string") {
    return places;
  }
  const notes: string[] = [];
  if (!hasHeader) {
    notes.push("The file has no header, so its columns are taken in the order of the model's.");
  } else if (places.isByOrder) {
    notes.push(`None of the file's columns is called as one of the model's, so they are taken in their order: ${listed(first.cells)}.`);
  }
  const rows: Table["rows"] = [];
  const bad: string[] = [];
  for (const { line, cells } of hasHeader ? lines.slice(1) : lines) {
    const found = sampleOf(cells, places.at, inputs);
    if (typeof found === "string") {
      bad.push(`Line ${line}: ${found}`);
    } else {
      rows.push({ line, sample: found });
    }
  }
  return { rows, bad, notes };
}

interface Places {
  at: number[];
  isByOrder: boolean;
}

function placesByName(header: readonly string[], wanted: readonly string[]): Places | string {
  const twice = header.find((name, at) => wanted.includes(name) && header.indexOf(name) !== at);
  if (twice !== undefined) {
    return `The file has two columns called ${cut(twice)}.`;
  }
  const missing = wanted.filter((name) => !header.includes(name));
  if (missing.length === 0) {
    return { at: wanted.map((name) => header.indexOf(name)), isByOrder: false };
  }
  if (missing.length === wanted.length && header.length === wanted.length) {
    return { at: wanted.map((_, at) => at), isByOrder: true };
  }
  return `The file has no column ${listed(missing, 5)}. It has ${listed(header)}; the model takes ${listed(wanted)}.`;
}

function placesInOrder(count: number, wanted: readonly string[]): Places | string {
  return count === wanted.length
    ? { at: wanted.map((_, at) => at), isByOrder: false }
    : `The file has ${count} columns and no header; the model takes ${wanted.length}: ${listed(wanted)}.`;
}

function sampleOf(cells: readonly string[], places: readonly number[], inputs: readonly InputFacts[]): Sample | string {
  const sample = new Map<string, Part>();
  let next = 0;
  for (const input of inputs) {
    const data: number[] = [];
    for (const column of input.columns) {
      const cell = cells[places[next] ?? -1];
      next += 1;
      const value = cell === undefined ? null : readNumber(cell);
      if (cell === undefined || cell === "") {
        return `it has no ${cut(column)}`;
      }
      if (value === null || !Number.isFinite(value)) {
        return `${cut(column)} is ${JSON.stringify(cut(cell))}, no number`;
      }
      const wrong = unfit(value, input.dtype);
      if (wrong !== null) {
        return `${cut(column)} is ${cell}, ${wrong}`;
      }
      data.push(value);
    }
    sample.set(input.name, { data, dims: (hasBatch(input) ? input.shape.slice(1) : input.shape).map(Number) });
  }
  return sample;
}

// Of dtypes of whole numbers; of 64 bits only those are taken that a number of JavaScript holds exactly.
const RANGES = new Map<string, readonly [number, number]>([
  ["bool", [0, 1]],
  ["int8", [-(2 ** 7), 2 ** 7 - 1]],
  ["uint8", [0, 2 ** 8 - 1]],
  ["int16", [-(2 ** 15), 2 ** 15 - 1]],
  ["int32", [-(2 ** 31), 2 ** 31 - 1]],
  ["int64", [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]],
]);

/** Return the least and the largest number of a dtype. */
export function rangeOf(dtype: string): readonly [number, number] {
  return RANGES.get(dtype) ?? [-Infinity, Infinity];
}

/** Return why an input of a dtype does not take a number, or null. */
export function unfit(value: number, dtype: string): string | null {
  const [least, most] = rangeOf(dtype);
  if (value < least || value > most) {
    return `and the model takes ${least} to ${most}`;
  }
  if (isWhole(dtype) && !Number.isInteger(value)) {
    return "no whole number";
  }
  return dtype === "float32" && Number.isFinite(value) && !Number.isFinite(Math.fround(value)) ? "too large for float32" : null;
}
