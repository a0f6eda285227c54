/** How long a circuit takes in the reader's simulator. */
import { columnsOf } from "../../reader/circuit.mjs";
import { RefusedError } from "../../reader/errors.mjs";
import type { Circuit } from "./circuit.js";

/** Circuits of more wires are not simulated at each move of a slider; with noise, half as many wires. */
export const LIVE_WIRES = 12;

/** Circuits of more wires are not simulated; with noise, half as many wires. */
export const MOST_WIRES = 22;

// Multiplications of amplitudes: 10^7 take about 0.2 s.
const LIVE_WORK = 1e7;
const MOST_WORK = 5e9;
const MOST_RESULTS = 2 ** 24;
// The reduced density matrix of three wires.
const MOST_ENTROPY = 8;
// The reader differentiates by so many shifts of each angle at most.
const SHIFTS = 16;

/**
 * Return whether a circuit is quick enough to be simulated at each move of a slider (about 0.2 s), only on demand
 * (up to minutes), or never.
 */
export function pace(circuit: Circuit): "live" | "on demand" | "never" {
  const wires = stateWires(circuit);
  const work = workOf(circuit);
  if (wires > MOST_WIRES || work > MOST_WORK || columnsOf(circuit) > MOST_RESULTS) {
    return "never";
  }
  return wires > LIVE_WIRES || work > LIVE_WORK ? "on demand" : "live";
}

/** Refuse a circuit that is never simulated. */
export function checkWork(circuit: Circuit): void {
  if (pace(circuit) === "never") {
    throw new RefusedError(
      `a circuit of ${circuit.wires} wires and ${circuit.operations.length} operations takes too long to be simulated here`,
    );
  }
}

function stateWires(circuit: Circuit): number {
  return circuit.wires * (circuit.hasChannel ? 2 : 1);
}

/** Return about how many multiplications of amplitudes the results of a circuit take. */
function workOf(circuit: Circuit): number {
  const amplitudes = 2 ** stateWires(circuit);
  const isMixed = circuit.hasChannel;
  let [each, angles] = [0, 0];
  for (const one of circuit.operations) {
    const count = one.wires.length;
    const kraus = one.type === "channel" ? one.real.length / 4 ** count : 1;
    each += kraus * 2 ** count * (isMixed ? 2 : 1);
    angles += one.type === "apply" ? Number(one.angle !== null && typeof one.angle !== "number") : one.real.length + one.imaginary.length;
  }
  for (const one of circuit.measurements) {
    if (one.type === "expectation" || one.type === "variance") {
      each += one.terms.reduce((sum, [, letters]) => sum + 2 * letters.length + 1, 0) * (one.type === "variance" ? 3 : 1);
    } else if (one.type === "density") {
      each += 2 ** one.wires.length;
    } else if (one.type === "purity") {
      each += 2 ** (isMixed ? one.wires.length : Math.min(one.wires.length, circuit.wires - one.wires.length));
    } else {
      each += one.type === "probabilities" || one.type === "state" ? 1 : MOST_ENTROPY;
    }
  }
  return amplitudes * each * Math.max(1, SHIFTS * angles) ** circuit.derivative;
}
