/**
 * What a circuit computes, exactly but for rounding: as a state vector or, with noise, as a density
 * matrix. A state of n wires is `{ wires, re, im }` with 2^n amplitudes. A density matrix of n wires is
 * kept as a state of 2n wires: first those of its rows, then those of its columns.
 */
import { columnsOf, entropiesOf } from "./circuit.mjs";
import { derivative } from "./derivative.mjs";
import { entropyOf } from "./entropy.mjs";
import { expect } from "./errors.mjs";
import { PAULIS, matrixOfGate, zeros } from "./gates.mjs";

const MOST_AMPLITUDES = 2 ** 22;

// The matrices that make the eigenvectors of X and Y those of Z.
const TO_Z = {
  X: { size: 2, re: [Math.SQRT1_2, Math.SQRT1_2, Math.SQRT1_2, -Math.SQRT1_2], im: [0, 0, 0, 0] },
  Y: { size: 2, re: [Math.SQRT1_2, 0, Math.SQRT1_2, 0], im: [0, -Math.SQRT1_2, 0, Math.SQRT1_2] },
};

/**
 * Return the results of a circuit for one row of its parameters, a list of M numbers.
 *
 * @param circuit as `readCircuit` returns it.
 * @param row a list of P numbers, or of as many as a derivative takes.
 */
export function simulate(circuit, row) {
  expectRow(circuit, row);
  if (circuit.derivative > 0) {
    return derivative(circuit, row, simulate);
  }
  const state = evolve(circuit, row);
  const results = circuit.measurements.flatMap((one) => [...measure(one, state, circuit)]);
  expect(results.length === columnsOf(circuit), "its results are not the columns that it measures");
  return results;
}

/** Return the state at the end of a circuit that is no derivative: a density matrix, if it has a channel. */
export function stateOf(circuit, row) {
  expectRow(circuit, row);
  expect(circuit.derivative === 0, "a derivative has no state");
  return evolve(circuit, row);
}

function expectRow(circuit, row) {
  const isRow = Array.isArray(row) && row.length === circuit.columns && row.every(Number.isFinite);
  expect(isRow, `a row of parameters has ${circuit.columns} numbers`);
  expect(2 ** (circuit.wires * (circuit.hasChannel ? 2 : 1)) <= MOST_AMPLITUDES, "it is too wide for this simulator");
}

function evolve(circuit, row) {
  return circuit.hasChannel ? evolveMixed(circuit, row) : evolvePure(circuit, row);
}

function evolvePure(circuit, row) {
  let state = zeroState(circuit.wires);
  for (const operation of circuit.operations) {
    state = apply(matrixOf(operation, row), wiresOf(operation), state);
  }
  return state;
}

/** Every operation is rho -> sum of K rho K^dagger; one without noise has a single K. */
function evolveMixed(circuit, row) {
  let rho = zeroState(2 * circuit.wires);
  for (const operation of circuit.operations) {
    const wires = wiresOf(operation);
    const columns = wires.map((wire) => circuit.wires + wire);
    const all = operation.type === "channel" ? krausOf(operation, row) : [matrixOf(operation, row)];
    rho = sum(all.map((K) => apply(conjugate(K), columns, apply(K, wires, rho))));
  }
  return rho;
}

function wiresOf(operation) {
  return [...(operation.controls ?? []), ...operation.wires];
}

function angleOf(angle, row) {
  return typeof angle === "number" ? angle : angle.scale * row[angle.column] + angle.offset;
}

function matrixOf(operation, row) {
  switch (operation.type) {
    case "apply":
      return matrixOfGate(operation, operation.angle === null ? 0 : angleOf(operation.angle, row));
    case "unitary":
      return entriesOf(operation, row, 2 ** operation.wires.length);
    default: {
      // Its wires are in |0>, so that only the first column of the matrix matters.
      const matrix = zeros(2 ** operation.wires.length);
      for (let state = 0; state < matrix.size; state += 1) {
        matrix.re[state * matrix.size] = angleOf(operation.real[state], row);
        matrix.im[state * matrix.size] = angleOf(operation.imaginary[state] ?? 0, row);
      }
      return matrix;
    }
  }
}

function krausOf(channel, row) {
  const size = 2 ** channel.wires.length;
  const length = size * size;
  return Array.from({ length: channel.real.length / length }, (_, at) => {
    const [from, to] = [at * length, (at + 1) * length];
    const part = { real: channel.real.slice(from, to), imaginary: channel.imaginary.slice(from, to) };
    return entriesOf(part, row, size);
  });
}

function entriesOf({ real, imaginary }, row, size) {
  const matrix = zeros(size);
  real.forEach((entry, at) => {
    matrix.re[at] = angleOf(entry, row);
    matrix.im[at] = angleOf(imaginary[at] ?? 0, row);
  });
  return matrix;
}

function zeroState(wires) {
  const state = { wires, re: new Float64Array(2 ** wires), im: new Float64Array(2 ** wires) };
  state.re[0] = 1;
  return state;
}

function conjugate({ size, re, im }) {
  return { size, re, im: im.map((part) => -part) };
}

function sum(states) {
  const [first, ...others] = states;
  for (const other of others) {
    for (let at = 0; at < first.re.length; at += 1) {
      first.re[at] += other.re[at];
      first.im[at] += other.im[at];
    }
  }
  return first;
}

/** Return a state with a matrix applied to some of its wires, the first the most significant. */
function apply(matrix, wires, state) {
  const result = { wires: state.wires, re: new Float64Array(state.re.length), im: new Float64Array(state.im.length) };
  const places = offsets(wires, state.wires);
  const mask = places[places.length - 1];
  for (let base = 0; base < state.re.length; base += 1) {
    if ((base & mask) !== 0) {
      continue;
    }
    for (let row = 0; row < matrix.size; row += 1) {
      let [re, im] = [0, 0];
      for (let column = 0; column < matrix.size; column += 1) {
        const [from, at] = [base + places[column], row * matrix.size + column];
        re += matrix.re[at] * state.re[from] - matrix.im[at] * state.im[from];
        im += matrix.re[at] * state.im[from] + matrix.im[at] * state.re[from];
      }
      result.re[base + places[row]] = re;
      result.im[base + places[row]] = im;
    }
  }
  return result;
}

/** Return, for each basis state of some wires, its part of the index of a basis state of all wires. */
function offsets(wires, count) {
  return Array.from({ length: 2 ** wires.length }, (_, state) =>
    wires.reduce((index, wire, at) => {
      const bit = (state >> (wires.length - 1 - at)) & 1;
      return index + bit * 2 ** (count - 1 - wire);
    }, 0),
  );
}

function measure(measurement, state, circuit) {
  switch (measurement.type) {
    case "expectation":
      return [meanOf(measurement.terms, state, circuit)];
    case "variance":
      return [meanOfSquare(measurement.terms, state, circuit) - meanOf(measurement.terms, state, circuit) ** 2];
    case "probabilities": {
      const { size, re } = reduced(state, measurement.wires, circuit);
      return Array.from({ length: size }, (_, at) => re[at * size + at]);
    }
    case "state":
      return [...state.re, ...state.im];
    case "density": {
      const { re, im } = reduced(state, measurement.wires, circuit);
      return [...re, ...im];
    }
    case "purity": {
      const { re, im } = reduced(state, measurement.wires, circuit);
      return [re.reduce((total, part, at) => total + part * part + im[at] * im[at], 0)];
    }
    default: {
      const [first, ...others] = entropiesOf(measurement).map((wires) => entropyOf(smaller(state, wires, circuit)));
      const nats = others.length === 0 ? first : first + others[0] - others[1];
      return [nats / (measurement.base === null ? 1 : Math.log(measurement.base))];
    }
  }
}

/**
 * Return the probability of each outcome of a measurement of all wires, where each has its own basis:
 * outcome 0 of a wire is the eigenvalue 1 of X, Y or Z, and outcome 1 is -1. Wire 0 is the most significant.
 *
 * @param state of all wires, as `stateOf` returns it.
 * @param letters a text of X, Y and Z, one for each wire.
 */
export function outcomes(state, letters, circuit) {
  let turned = state;
  [...letters].forEach((letter, wire) => {
    if (letter !== "Z") {
      turned = apply(TO_Z[letter], [wire], turned);
      turned = circuit.hasChannel ? apply(conjugate(TO_Z[letter]), [circuit.wires + wire], turned) : turned;
    }
  });
  const size = 2 ** circuit.wires;
  const { re, im } = turned;
  return circuit.hasChannel
    ? Float64Array.from({ length: size }, (_, at) => re[at * size + at])
    : re.map((part, at) => part * part + im[at] * im[at]);
}

/** Return O applied to a state, or to the rows of a density matrix, for a sum of Pauli words O. */
function observe(terms, state) {
  const total = zeroState(state.wires);
  total.re[0] = 0;
  for (const [coefficient, letters, wires] of terms) {
    let changed = state;
    wires.forEach((wire, at) => {
      changed = apply(PAULIS[letters[at]], [wire], changed);
    });
    for (let at = 0; at < total.re.length; at += 1) {
      total.re[at] += coefficient * changed.re[at];
      total.im[at] += coefficient * changed.im[at];
    }
  }
  return total;
}

function meanOf(terms, state, circuit) {
  const observed = observe(terms, state);
  return circuit.hasChannel ? traceOf(observed, circuit) : inner(state, observed);
}

function meanOfSquare(terms, state, circuit) {
  const observed = observe(terms, state);
  return circuit.hasChannel ? traceOf(observe(terms, observed), circuit) : inner(observed, observed);
}

/** Return the real part of the inner product of two states. */
function inner(first, second) {
  return first.re.reduce((total, part, at) => total + part * second.re[at] + first.im[at] * second.im[at], 0);
}

function traceOf(rho, circuit) {
  const size = 2 ** circuit.wires;
  return Array.from({ length: size }, (_, at) => rho.re[at * size + at]).reduce((total, part) => total + part, 0);
}

/**
 * Return the density matrix of some wires, all others traced out: `{ size, re, im }`, row by row.
 *
 * @param state of all wires, as `stateOf` returns it.
 * @returns {{ size: number, re: Float64Array, im: Float64Array }}
 */
export function reduced(state, wires, circuit) {
  const count = circuit.wires;
  const others = Array.from({ length: count }, (_, wire) => wire).filter((wire) => !wires.includes(wire));
  const [places, rest] = [offsets(wires, count), offsets(others, count)];
  const found = zeros(places.length);
  places.forEach((row, from) =>
    places.forEach((column, to) => {
      const at = from * found.size + to;
      for (const other of rest) {
        const [a, b] = [row + other, column + other];
        if (circuit.hasChannel) {
          found.re[at] += state.re[a * 2 ** count + b];
          found.im[at] += state.im[a * 2 ** count + b];
        } else {
          found.re[at] += state.re[a] * state.re[b] + state.im[a] * state.im[b];
          found.im[at] += state.im[a] * state.re[b] - state.re[a] * state.im[b];
        }
      }
    }),
  );
  return found;
}

/** Return the density matrix of some wires, or of the others where these are fewer and have its entropy. */
function smaller(state, wires, circuit) {
  const others = Array.from({ length: circuit.wires }, (_, wire) => wire).filter((wire) => !wires.includes(wire));
  const isSmaller = !circuit.hasChannel && others.length < wires.length;
  return reduced(state, isSmaller ? others : wires, circuit);
}
