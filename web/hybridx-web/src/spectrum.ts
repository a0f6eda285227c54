/** Shots of a sum of Pauli words in its own eigenbasis. */
import { eigensystem } from "../../reader/entropy.mjs";
import { reduced } from "../../reader/simulator.mjs";
import type { Circuit, PauliTerm } from "./circuit.js";

/** The wires of the most that a sum may have: its matrix has 4 to their number of entries. */
export const MOST_WIRES_OF_SUM = 6;

/** What a measurement of a sum gives: values, and how probable each is. Equal values may stand apart. */
export interface Spectrum {
  values: number[];
  probabilities: Float64Array;
}

/** Return the wires of a sum in their order. */
export function wiresOf(terms: PauliTerm[]): number[] {
  return [...new Set(terms.flatMap(([, , wires]) => wires))].sort((one, other) => one - other);
}

/**
 * Return what a measurement of a sum gives.
 *
 * @param state of all wires, as the reader's `stateOf` returns it.
 */
export function spectrumOf(terms: PauliTerm[], state: unknown, circuit: Circuit): Spectrum {
  const wires = wiresOf(terms);
  const rho = reduced(state, wires, circuit);
  const { values, vectors } = eigensystem(matrixOf(terms, wires));
  const size = 2 ** wires.length;
  // The vectors (u, v) of one eigenvalue stand for twice as many directions u + iv as it has.
  const probabilities = vectors.map((vector) => {
    let sum = 0;
    for (let row = 0; row < size; row += 1) {
      for (let column = 0; column < size; column += 1) {
        const at = row * size + column;
        const [a, b, c, d] = [vector[row]!, vector[size + row]!, vector[column]!, vector[size + column]!];
        sum += (a * c + b * d) * rho.re[at]! - (a * d - b * c) * rho.im[at]!;
      }
    }
    return sum / 2;
  });
  return { values, probabilities: Float64Array.from(probabilities) };
}

/** Return the matrix of a sum on its wires, the first the most significant. */
function matrixOf(terms: PauliTerm[], wires: number[]): { size: number; re: Float64Array; im: Float64Array } {
  const size = 2 ** wires.length;
  const [re, im] = [new Float64Array(size * size), new Float64Array(size * size)];
  for (const [coefficient, letters, own] of terms) {
    const bits = own.map((wire) => 1 << (wires.length - 1 - wires.indexOf(wire)));
    const flipped = bits.reduce((all, bit, at) => (letters[at] === "Z" ? all : all | bit), 0);
    for (let column = 0; column < size; column += 1) {
      // Y takes |0> to i|1> and |1> to -i|0>.
      let [real, imaginary] = [coefficient, 0];
      bits.forEach((bit, at) => {
        if (letters[at] !== "X" && (column & bit) !== 0) {
          [real, imaginary] = [-real, -imaginary];
        }
        if (letters[at] === "Y") {
          [real, imaginary] = [-imaginary, real];
        }
      });
      const place = (column ^ flipped) * size + column;
      re[place]! += real;
      im[place]! += imaginary;
    }
  }
  return { size, re, im };
}
