/** The model with what the page says of it: rows in, numbers out. */
import type { Model, Values } from "hybridx-web";
import type { Facts, InputFacts, OutputFacts } from "./facts";
import { feedsOf, hasBatch, type Part, type Sample } from "./sample";

/** By the name of an output, its numbers in one row. */
export type Row = ReadonlyMap<string, Part>;

export class Engine {
  readonly inputs: readonly InputFacts[];
  readonly outputs: readonly OutputFacts[];

  constructor(
    readonly facts: Facts,
    readonly model: Model,
  ) {
    this.inputs = facts.inputs;
    this.outputs = facts.outputs;
  }

  /** Whether rows run together: all inputs have a batch, and so have all outputs. */
  get isRowwise(): boolean {
    return [...this.inputs, ...this.outputs].every((one) => one.shape !== null && hasBatch({ shape: one.shape }));
  }

  /** Return the outputs for rows whose inputs have equal shapes. */
  async predict(rows: readonly Sample[]): Promise<Row[]> {
    if (this.isRowwise && rows.length > 0) {
      return apart(await this.model.predict(feedsOf(this.inputs, rows)), rows.length);
    }
    return this.oneByOne(rows, (row) => this.model.predict(feedsOf(this.inputs, [row])));
  }

  /** Return the outputs for rows with each circuit sampled so many times. */
  async sampled(rows: readonly Sample[], shots: number, seed: number): Promise<Row[]> {
    if (this.isRowwise) {
      return apart(await this.model.predictWithShots(feedsOf(this.inputs, rows), shots, seed), rows.length);
    }
    let next = seed;
    return this.oneByOne(rows, (row) => {
      next += 1;
      return this.model.predictWithShots(feedsOf(this.inputs, [row]), shots, next);
    });
  }

  private async oneByOne(rows: readonly Sample[], run: (row: Sample) => Promise<Record<string, Values>>): Promise<Row[]> {
    const found: Row[] = [];
    for (const row of rows) {
      const values = await run(row);
      const parts = this.outputs.map(({ name, shape }): [string, Part] => {
        const part = partOf(values[name]);
        return [name, shape !== null && hasBatch({ shape }) ? { ...part, dims: part.dims.slice(1) } : part];
      });
      found.push(new Map(parts));
    }
    return found;
  }
}

function partOf(values: Values | undefined): Part {
  return values === undefined ? { data: [], dims: [] } : { data: Array.from(values.data, Number), dims: values.dims };
}

/** Return the outputs of a batch row by row. */
function apart(values: Record<string, Values>, count: number): Row[] {
  const parts = Object.entries(values).map(([name, one]): [string, Part] => [name, partOf(one)]);
  return Array.from({ length: count }, (_, row) =>
    new Map(
      parts.map(([name, { data, dims }]) => {
        const width = data.length / count;
        return [name, { data: data.slice(row * width, (row + 1) * width), dims: dims.slice(1) }];
      }),
    ),
  );
}

/** Return probabilities of logits. */
export function softmax(logits: readonly number[]): number[] {
  const most = logits.reduce((best, one) => Math.max(best, one), -Infinity);
  const powers = logits.map((one) => Math.exp(one - most));
  const total = powers.reduce((sum, one) => sum + one, 0);
  return powers.map((one) => one / total);
}

/** Return the place of the largest number; -1 if there is a NaN, which is no number to compare with. */
export function largest(numbers: readonly number[]): number {
  return numbers.some(Number.isNaN) ? -1 : numbers.reduce((best, one, at) => (one > (numbers[best] ?? -Infinity) ? at : best), 0);
}

/** Return what the numbers of an output are called: classes, or their places. */
export function labelsOf(output: OutputFacts, count: number): string[] {
  return Array.from({ length: count }, (_, at) => output.classes[at] ?? (count === 1 ? output.name : `${output.name}[${at}]`));
}
