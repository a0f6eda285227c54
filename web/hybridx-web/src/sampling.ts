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
  return drawn(circuit, parameters, shots, new Random(checkedSeed(seed)));
}

/** Draw shots with a given source of random numbers: see `sample`. */
export function drawn(circuit: Circuit, parameters: Parameters, shots: number, random: Random): Samples {
  if (!Number.isInteger(shots) || shots < 1 || shots > MOST_SHOTS) {
    throw new RefusedError(`shots are a whole number from 1 to ${MOST_SHOTS}, not ${shots}`);
  }
  const planned = groupsOf(circuit);
  checkWork(circuit);
  const state = stateOf(circuit, Array.from(parameters));
  const estimates: Estimate[] = circuit.measurements.map(() => ({ mean: 0, square: 0, counts: [] }));
  const groups = planned.map(({ letters, parts }) => {
    if (letters === null) {
      return ofSum(circuit, parts[0]!.measurement, state, shots, random, estimates);
    }
    const states = draw(outcomes(state, letters, circuit), shots, random);
    estimate(circuit, parts, states, estimates);
    return { letters, measurements: [...new Set(parts.map((one) => one.measurement))], states };
  });
  const results = circuit.measurements.flatMap((one, at) => resultsOf(one, estimates[at]!));
  return { results, groups };
}

/** Return a whole number that may be a seed. */
export function checkedSeed(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RefusedError(`a seed is a whole number from 0, not ${seed}`);
  }
  return seed;
}

/** Draw outcomes, each an index of the probabilities. */
function draw(probabilities: Float64Array, shots: number, random: Random): Uint32Array {
  const sums = new Float64Array(probabilities.length);
  let total = 0;
  probabilities.forEach((probability, at) => {
    total += Math.max(probability, 0); // rounding makes some of a density matrix negative
    sums[at] = total;
  });
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
  const words = circuit.measurements.reduce((sum, one) => sum + termsOf(one).length, 0);
  if (words > MOST_WORDS) {
    throw new RefusedError(`it measures ${words} Pauli words, of which ${MOST_WORDS} are sampled here`);
  }
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

/** Draw shots of a sum in its eigenbasis, and estimate its variance. */
function ofSum(circuit: Circuit, measurement: number, state: unknown, shots: number, random: Random, estimates: Estimate[]): SampleGroup {
  const { values, probabilities } = spectrumOf(termsOf(circuit.measurements[measurement]!), state, circuit);
  const states = draw(probabilities, shots, random);
  const found = estimates[measurement]!;
  for (const each of states) {
    found.mean += values[each]! / shots;
    found.square += values[each]! ** 2 / shots;
  }
  return { letters: null, measurements: [measurement], states };
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
