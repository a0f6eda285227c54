/** The rows of a CSV file as rows of a model whose inputs are tables. */
import { readCsv, readNumber } from "./csv";
import type { InputFacts } from "./facts";
import { hasBatch, isWhole, type Sample } from "./sample";

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
  const places = hasHeader ? placesByName(first.cells, wanted) : placesInOrder(first.cells.length, wanted);
  if (typeof places === "string") {
    return places;
  }
  const notes: string[] = [];
  if (!hasHeader) {
    notes.push("The file has no header, so its columns are taken in the order of the model's.");
  } else if (places.isByOrder) {
    notes.push(`None of the file's columns is called as one of the model's, so they are taken in their order: ${first.cells.join(", ")}.`);
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
    return `The file has two columns called ${twice}.`;
  }
  const missing = wanted.filter((name) => !header.includes(name));
  if (missing.length === 0) {
    return { at: wanted.map((name) => header.indexOf(name)), isByOrder: false };
  }
  if (missing.length === wanted.length && header.length === wanted.length) {
    return { at: wanted.map((_, at) => at), isByOrder: true };
  }
  return `The file has no column ${missing.slice(0, 5).join(", ")}. It has ${header.slice(0, 20).join(", ")}; the model takes ${wanted.join(", ")}.`;
}

function placesInOrder(count: number, wanted: readonly string[]): Places | string {
  return count === wanted.length
    ? { at: wanted.map((_, at) => at), isByOrder: false }
    : `The file has ${count} columns and no header; the model takes ${wanted.length}: ${wanted.join(", ")}.`;
}

function sampleOf(cells: readonly string[], places: readonly number[], inputs: readonly InputFacts[]): Sample | string {
  const sample: Record<string, Sample[string]> = {};
  let next = 0;
  for (const input of inputs) {
    const data: number[] = [];
    for (const column of input.columns) {
      const cell = cells[places[next] ?? -1];
      next += 1;
      const value = cell === undefined ? null : readNumber(cell);
      if (cell === undefined || cell === "") {
        return `it has no ${column}`;
      }
      if (value === null || !Number.isFinite(value)) {
        return `${column} is ${JSON.stringify(cell)}, no number`;
      }
      const wrong = unfit(value, input.dtype);
      if (wrong !== null) {
        return `${column} is ${cell}, ${wrong}`;
      }
      data.push(value);
    }
    sample[input.name] = { data, dims: hasBatch(input) ? input.shape.slice(1).map(Number) : input.shape.map(Number) };
  }
  return sample;
}

/** Return why an input of a dtype does not take a number, or null. */
export function unfit(value: number, dtype: string): string | null {
  if (dtype === "bool") {
    return value === 0 || value === 1 ? null : "and the model takes 0 or 1";
  }
  if (isWhole(dtype) && !Number.isInteger(value)) {
    return "no whole number";
  }
  return dtype === "uint8" && (value < 0 || value > 255) ? "and the model takes 0 to 255" : null;
}
