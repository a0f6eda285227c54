/**
 * What a device that takes shots gives for a circuit. Observables that commute letter by letter are
 * measured in the same shots, as PennyLane's default.qubit does; probabilities have shots of their own.
 */
import { outcomes, stateOf } from "../../reader/simulator.mjs";
import { RefusedError } from "../../reader/errors.mjs";
import type { Circuit, Measurement, Parameters, PauliTerm } from "./circuit.js";
import { checkWork } from "./work.js";
import { Random } from "./random.js";
import { MOST_WIRES_OF_SUM, spectrumOf, wiresOf } from "./spectrum.js";

/** Most shots of one group of measurements: each outcome takes 4 bytes. */
export const MOST_SHOTS = 10_000_000;

/** Most words of a circuit that are sampled; which of them commute is compared for each pair. */
const MOST_WORDS = 2_000;

/** Most outcomes of all groups, whose probabilities are kept: 8 bytes each. */
const MOST_OUTCOMES = 2 ** 25;

/** Shots in which all wires were measured, each in its own basis, or a sum of words in its eigenbasis. */
export interface SampleGroup {
  /** X, Y or Z for each wire; null of a sum whose variance is taken, as its words do not commute. */
  letters: string | null;
  /** Which of `circuit.measurements` these shots contribute to. */
  measurements: number[];
  /**
   * For each shot, the outcomes of all wires as the bits of a number, wire 0 the most significant. Of a sum in its
   * eigenbasis, which eigenvector.
   */
  states: Uint32Array;
}

export interface Samples {
  /** The estimate of each result of the circuit: M numbers. */
  results: number[];
  groups: SampleGroup[];
}

/** A word, and the measurement to which it contributes; -1 for the probabilities of one. */
interface Part {
  measurement: number;
  term: number;
}

/** What is measured in the same shots. */
interface Group {
  letters: string | null;
  parts: Part[];
}

/**
 * Draw shots of a circuit for a row of parameters.
 *
 * @param seed a whole number; equal seeds draw equal shots.
 * @throws RefusedError if a measurement has no estimate from shots, or the circuit is a derivative or too wide.
 */
export function sample(circuit: Circuit, parameters: Parameters, shots: number, seed: number): Samples {
  return new Sampler(circuit, shots).draw(parameters, new Random(checkedSeed(seed)));
}

/** Draws shots of a circuit for one row after another; for equal rows in turn it is simulated once. */
export class Sampler {
  readonly #circuit: Circuit;
  readonly #shots: number;
  readonly #groups: Group[];
  #row: number[] | undefined;
  #prepared: Prepared[] = [];

  /** @throws RefusedError as `sample` does. */
  constructor(circuit: Circuit, shots: number) {
    if (!Number.isInteger(shots) || shots < 1 || shots > MOST_SHOTS) {
      throw new RefusedError(`shots are a whole number from 1 to ${MOST_SHOTS}, not ${shots}`);
    }
    this.#circuit = circuit;
    this.#shots = shots;
    this.#groups = groupsOf(circuit);
    checkWork(circuit);
    const outcomes = this.#groups.length * 2 ** circuit.wires;
    if (outcomes > MOST_OUTCOMES) {
      throw new RefusedError(`its ${this.#groups.length} groups of measurements on ${circuit.wires} wires are too many to be sampled here`);
    }
  }

  draw(parameters: Parameters, random: Random): Samples {
    const row = Array.from(parameters);
    if (this.#row === undefined || row.length !== this.#row.length || row.some((one, at) => one !== this.#row![at])) {
      this.#prepared = this.#prepare(row);
      this.#row = row;
    }
    const { measurements } = this.#circuit;
    const estimates: Estimate[] = measurements.map(() => ({ mean: 0, square: 0, counts: [] }));
    const groups = this.#prepared.map(({ group: { letters, parts }, sums, values }) => {
      const states = drawn(sums, this.#shots, random);
      if (values === null) {
        estimate(this.#circuit, parts, states, estimates);
      } else {
        estimateOf(values, states, estimates[parts[0]!.measurement]!);
      }
      return { letters, measurements: [...new Set(parts.map((one) => one.measurement))], states };
    });
    return { results: measurements.flatMap((one, at) => resultsOf(one, estimates[at]!)), groups };
  }

  #prepare(row: number[]): Prepared[] {
    const circuit = this.#circuit;
    const state = stateOf(circuit, row);
    return this.#groups.map((group) => {
      if (group.letters !== null) {
        return { group, sums: running(outcomes(state, group.letters, circuit)), values: null };
      }
      const terms = termsOf(circuit.measurements[group.parts[0]!.measurement]!);
      const { values, probabilities } = spectrumOf(terms, state, circuit);
      return { group, sums: running(probabilities), values };
    });
  }
}

/** What is measured in the same shots, and how probable its outcomes are for a row. */
interface Prepared {
  group: Group;
  /** The sums of the probabilities up to each outcome. */
  sums: Float64Array;
  /** Of a sum in its eigenbasis, the value of each outcome. */
  values: number[] | null;
}

/** Return a whole number that may be a seed. */
export function checkedSeed(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RefusedError(`a seed is a whole number from 0, not ${seed}`);
  }
  return seed;
}

/** Return the sum of probabilities up to each. */
function running(probabilities: Float64Array): Float64Array {
  let total = 0;
  // Rounding makes some of a density matrix negative.
  return probabilities.map((probability) => (total += Math.max(probability, 0)));
}

/** Draw outcomes, each an index of the sums. */
function drawn(sums: Float64Array, shots: number, random: Random): Uint32Array {
  const total = sums[sums.length - 1]!;
  return Uint32Array.from({ length: shots }, () => {
    const wanted = random.next() * total;
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > wanted) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  });
}

interface Estimate {
  mean: number;
  square: number;
  counts: number[];
}

function termsOf(measurement: Measurement): PauliTerm[] {
  return measurement.type === "expectation" || measurement.type === "variance" ? measurement.terms : [];
}

/** Return the words that are measured in the same shots. */
function groupsOf(circuit: Circuit): Group[] {
  if (circuit.derivative > 0) {
    throw new RefusedError("a derivative has no shots of its own: it is a sum over many circuits");
  }
  const words = circuit.measurements.reduce((sum, one) => sum + termsOf(one).length, 0);
  if (words > MOST_WORDS) {
    throw new RefusedError(`it measures ${words} Pauli words, of which ${MOST_WORDS} are sampled here`);
  }
  const single: Part[] = [];
  const sums: Part[][] = [];
  const plain: Part[] = [];
  const inEigenbasis: number[] = [];
  circuit.measurements.forEach((one, measurement) => {
    const parts = termsOf(one).map((_, term) => ({ measurement, term }));
    if (one.type === "probabilities") {
      plain.push({ measurement, term: -1 });
    } else if (one.type !== "expectation" && one.type !== "variance") {
      throw new RefusedError(`shots give no estimate of ${one.type === "mutual" ? "mutual information" : one.type}`);
    } else if (parts.length === 1) {
      single.push(...parts);
    } else if (one.type === "variance" && !areCommuting(one.terms)) {
      const count = wiresOf(one.terms).length;
      if (count > MOST_WIRES_OF_SUM) {
        throw new RefusedError(`the variance of a sum on ${count} wires is not sampled here: ${MOST_WIRES_OF_SUM} are the most`);
      }
      inEigenbasis.push(measurement);
    } else {
      sums.push(parts);
    }
  });
  const wordOf = ({ measurement, term }: Part): PauliTerm => termsOf(circuit.measurements[measurement]!)[term]!;
  const groups = [
    ...partition(single, wordOf),
    ...(plain.length > 0 ? [plain] : []),
    ...sums.flatMap((parts) => partition(parts, wordOf)),
  ].map((parts): Group => ({ letters: lettersOf(parts, wordOf, circuit.wires), parts }));
  return [...groups, ...inEigenbasis.map((measurement): Group => ({ letters: null, parts: [{ measurement, term: 0 }] }))];
}

/** Put words into few groups of words that commute letter by letter: first those that disturb most others. */
function partition(parts: Part[], wordOf: (part: Part) => PauliTerm): Part[][] {
  const disturbs = parts.map((one) => parts.map((other) => !commute(wordOf(one), wordOf(other))));
  const degree = disturbs.map((row) => row.filter(Boolean).length);
  const order = parts.map((_, at) => at).sort((one, other) => degree[other]! - degree[one]! || one - other);
  const groups: number[][] = [];
  for (const at of order) {
    const group = groups.find((members) => members.every((other) => !disturbs[at]![other]));
    if (group === undefined) {
      groups.push([at]);
    } else {
      group.push(at);
    }
  }
  return groups.map((members) => members.map((at) => parts[at]!));
}

function areCommuting(terms: PauliTerm[]): boolean {
  return terms.every((one, at) => terms.slice(0, at).every((other) => commute(one, other)));
}

/** Return whether two words have the same letter on each wire that both have. */
function commute([, letters, wires]: PauliTerm, [, others, otherWires]: PauliTerm): boolean {
  return wires.every((wire, at) => {
    const there = otherWires.indexOf(wire);
    return there < 0 || others[there] === letters[at];
  });
}

function lettersOf(parts: Part[], wordOf: (part: Part) => PauliTerm, count: number): string {
  const found = new Array<string>(count).fill("Z");
  for (const part of parts) {
    if (part.term >= 0) {
      const [, letters, wires] = wordOf(part);
      wires.forEach((wire, at) => {
        found[wire] = letters[at]!;
      });
    }
  }
  return found.join("");
}

/** Add to an estimate what some shots say, each of which has a value. */
function estimateOf(values: number[], states: Uint32Array, found: Estimate): void {
  for (const each of states) {
    found.mean += values[each]! / states.length;
    found.square += values[each]! ** 2 / states.length;
  }
}

/** Add to the estimates of measurements what some shots say of their words. */
function estimate(circuit: Circuit, parts: Part[], states: Uint32Array, estimates: Estimate[]): void {
  const byMeasurement = new Map<number, PauliTerm[]>();
  for (const { measurement, term } of parts) {
    const one = circuit.measurements[measurement]!;
    if (one.type === "probabilities") {
      estimates[measurement]!.counts = frequencies(states, one.wires, circuit.wires);
    } else {
      byMeasurement.set(measurement, [...(byMeasurement.get(measurement) ?? []), termsOf(one)[term]!]);
    }
  }
  for (const [measurement, terms] of byMeasurement) {
    const words = terms.map(([coefficient, , wires]) => ({ coefficient, mask: maskOf(wires, circuit.wires) }));
    let [sum, squares] = [0, 0];
    for (const state of states) {
      let value = 0;
      for (const { coefficient, mask } of words) {
        value += isOdd(state & mask) ? -coefficient : coefficient;
      }
      sum += value;
      squares += value * value;
    }
    estimates[measurement]!.mean += sum / states.length;
    estimates[measurement]!.square += squares / states.length;
  }
}

function resultsOf(measurement: Measurement, { mean, square, counts }: Estimate): number[] {
  switch (measurement.type) {
    case "probabilities":
      return counts;
    case "variance":
      return [Math.max(square - mean * mean, 0)];
    default:
      return [mean];
  }
}

/** Return how often each basis state of some wires was found, as a part of all shots. */
function frequencies(states: Uint32Array, wires: number[], count: number): number[] {
  const found = new Array<number>(2 ** wires.length).fill(0);
  for (const state of states) {
    const index = wires.reduce((bits, wire) => bits * 2 + ((state >>> (count - 1 - wire)) & 1), 0);
    found[index]! += 1;
  }
  return found.map((times) => times / states.length);
}

function maskOf(wires: number[], count: number): number {
  return wires.reduce((mask, wire) => mask | (1 << (count - 1 - wire)), 0);
}

function isOdd(bits: number): boolean {
  let rest = bits;
  rest ^= rest >>> 16;
  rest ^= rest >>> 8;
  rest ^= rest >>> 4;
  rest ^= rest >>> 2;
  rest ^= rest >>> 1;
  return (rest & 1) === 1;
}
