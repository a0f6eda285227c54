/** A quantum circuit as a file holds it, and what it computes: the second reader, with types. */
import { columnsOf } from "../../reader/circuit.mjs";
import { checkWork } from "./work.js";
import { probabilitiesOf, reduced, simulate, stateOf } from "../../reader/simulator.mjs";

/** A number, or `scale * parameters[column] + offset`; in radians, where it is an angle. */
export type Angle = number | { column: number; scale: number; offset: number };

/** A gate of the gate table of the file format. */
export interface Gate {
  type: "apply";
  gate: string;
  wires: number[];
  angle: Angle | null;
  adjoint: boolean;
  controls: number[];
  control_values: boolean[];
}

/** A matrix, amplitudes or Kraus operators by their entries; `imaginary` is empty where all are real. */
export interface Entries {
  type: "unitary" | "prepare" | "channel";
  wires: number[];
  real: Angle[];
  imaginary: Angle[];
}

export type Operation = Gate | Entries;

/** A coefficient, letters of X, Y and Z, and the wire of each letter. */
export type PauliTerm = [coefficient: number, letters: string, wires: number[]];

export type Measurement =
  | { type: "expectation" | "variance"; terms: PauliTerm[] }
  | { type: "probabilities" | "density" | "purity"; wires: number[] }
  | { type: "state" }
  | { type: "entropy"; wires: number[]; base: number | null }
  | { type: "mutual"; first: number[]; second: number[]; base: number | null };

/** Where a result stands among the columns of `results`. */
export interface ResultPlace {
  offset: number;
  shape: number[];
  is_complex: boolean;
  width: number;
}

/** A checked circuit. */
export interface Circuit {
  wires: number;
  /** How many columns the angles of the circuit use. */
  parameters: number;
  /** How many numbers a row of parameters has; more than `parameters` for a derivative. */
  columns: number;
  operations: Operation[];
  measurements: Measurement[];
  /** How often a device should sample, if the model says so. */
  shots: number | null;
  /** How often it was differentiated: the results are those of a vector-Jacobian product. */
  derivative: number;
  hasChannel: boolean;
  results: ResultPlace[];
}

/** A row of parameters: as many numbers as `circuit.columns`. */
export type Parameters = ArrayLike<number>;

/**
 * Return the exact results of a circuit: M numbers.
 *
 * @throws RefusedError if the row has another length, or the circuit is too wide.
 */
export function results(circuit: Circuit, parameters: Parameters): number[] {
  checkWork(circuit);
  return simulate(circuit, Array.from(parameters));
}

/** Return how many results a circuit has. */
export function resultCount(circuit: Circuit): number {
  return columnsOf(circuit);
}

/** The means of X, Y and Z. */
export type BlochVector = [x: number, y: number, z: number];

/**
 * Return, for each wire, the Bloch vector of its state at the end, with the other wires traced out.
 * It has length 1 if the wire is entangled with nothing and there is no noise, and is shorter otherwise.
 *
 * @throws RefusedError if the circuit is a derivative or too wide.
 */
export function blochVectors(circuit: Circuit, parameters: Parameters): BlochVector[] {
  checkWork(circuit);
  const state = stateOf(circuit, Array.from(parameters));
  return Array.from({ length: circuit.wires }, (_, wire) => {
    const { re, im } = reduced(state, [wire], circuit);
    return [2 * re[1]!, -2 * im[1]!, re[0]! - re[3]!];
  });
}

/**
 * Return the probability of each basis state of some wires, the first the most significant.
 *
 * @throws RefusedError if the circuit is a derivative or too wide.
 */
export function probabilities(circuit: Circuit, parameters: Parameters, wires: number[]): Float64Array {
  checkWork(circuit);
  return probabilitiesOf(stateOf(circuit, Array.from(parameters)), wires, circuit);
}
