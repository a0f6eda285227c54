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
  X: { size: 2, columns: 2, re: [Math.SQRT1_2, Math.SQRT1_2, Math.SQRT1_2, -Math.SQRT1_2], im: [0, 0, 0, 0] },
  Y: { size: 2, columns: 2, re: [Math.SQRT1_2, 0, Math.SQRT1_2, 0], im: [0, -Math.SQRT1_2, 0, Math.SQRT1_2] },
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
    state = apply(matrixOf(operation, row), operation.wires, state, operation);
  }
  return state;
}

/** Every operation is rho -> sum of K rho K^dagger; one without noise has a single K. */
function evolveMixed(circuit, row) {
  const inColumns = (wires) => wires.map((wire) => circuit.wires + wire);
  let rho = zeroState(2 * circuit.wires);
  for (const operation of circuit.operations) {
    const { wires, controls = [], control_values } = operation;
    const all = operation.type === "channel" ? krausOf(operation, row) : [matrixOf(operation, row)];
    const columns = { controls: inColumns(controls), control_values };
    rho = sum(all.map((K) => apply(conjugate(K), inColumns(wires), apply(K, wires, rho, operation), columns)));
  }
  return rho;
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
      const matrix = zeros(2 ** operation.wires.length, 1);
      operation.real.forEach((entry, state) => {
        matrix.re[state] = angleOf(entry, row);
        matrix.im[state] = angleOf(operation.imaginary[state] ?? 0, row);
      });
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

function conjugate(matrix) {
  return { ...matrix, im: matrix.im.map((part) => -part) };
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

/**
 * Return a state with a matrix applied to some of its wires, the first the most significant. With controls, it is
 * applied where each of these has its value.
 */
function apply(matrix, wires, state, { controls = [], control_values = [] } = {}) {
  const [re, im] = [state.re.slice(), state.im.slice()];
  const places = offsets(wires, state.wires);
  const bits = controls.map((wire) => 2 ** (state.wires - 1 - wire));
  const mask = bits.reduce((all, bit) => all | bit, places[places.length - 1]);
  const wanted = bits.reduce((all, bit, at) => (control_values[at] ? all | bit : all), 0);
  const { size, columns } = matrix;
  for (let base = 0; base < re.length; base += 1) {
    if ((base & mask) !== wanted) {
      continue;
    }
    for (let row = 0; row < size; row += 1) {
      let real = 0;
      let imaginary = 0;
      for (let column = 0; column < columns; column += 1) {
        const from = base + places[column];
        const at = row * columns + column;
        real += matrix.re[at] * state.re[from] - matrix.im[at] * state.im[from];
        imaginary += matrix.re[at] * state.im[from] + matrix.im[at] * state.re[from];
      }
      re[base + places[row]] = real;
      im[base + places[row]] = imaginary;
    }
  }
  return { wires: state.wires, re, im };
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
    case "probabilities":
      return [...probabilitiesOf(state, measurement.wires, circuit)];
    case "state":
      return [...state.re, ...state.im];
    case "density": {
      const { re, im } = reduced(state, measurement.wires, circuit);
      return [...re, ...im];
    }
    case "purity": {
      // A state without noise has the same purity on both sides of a cut.
      const { re, im } = smaller(state, measurement.wires, circuit);
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
  return probabilitiesOf(turned, [...letters].map((_, wire) => wire), circuit);
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

/**
 * Return the probability of each basis state of some wires, the first the most significant.
 *
 * @param state of all wires, as `stateOf` returns it.
 * @returns {Float64Array}
 */
export function probabilitiesOf(state, wires, circuit) {
  const size = 2 ** circuit.wires;
  const found = new Float64Array(2 ** wires.length);
  for (let at = 0; at < size; at += 1) {
    const place = wires.reduce((index, wire) => 2 * index + ((at >> (circuit.wires - 1 - wire)) & 1), 0);
    const [re, im] = [state.re[at], state.im[at]];
    found[place] += circuit.hasChannel ? state.re[at * size + at] : re * re + im * im;
  }
  return found;
}

/** Return the density matrix of some wires, or of the others where these are fewer and have its eigenvalues. */
function smaller(state, wires, circuit) {
  const others = Array.from({ length: circuit.wires }, (_, wire) => wire).filter((wire) => !wires.includes(wire));
  const isSmaller = !circuit.hasChannel && others.length < wires.length;
  return reduced(state, isSmaller ? others : wires, circuit);
}
