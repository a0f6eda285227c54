/**
 * A derivative of a circuit, exact but for rounding: "Derivatives" in docs/file-format.md.
 *
 * As a function of one angle, each result is a trigonometric polynomial, whose frequencies are at most
 * 2 and multiples of 1/2, or at most 4 where it is a square of others. So its derivative is a sum of
 * results at shifted angles. As a function of one entry of a matrix it is a polynomial of degree 4 at
 * most, and a derivative itself is linear in each cotangent.
 */
import { kindsOf } from "./circuit.mjs";

const SQUARES = ["variance", "purity"];
const LINEAR = [[0.5, 1], [-0.5, -1]];
const QUARTIC = [[0.5, 4 / 3], [-0.5, -4 / 3], [1, -1 / 6], [-1, 1 / 6]];

/**
 * Return the results of a derivative for one row of its columns.
 *
 * @param circuit as `readCircuit` returns it.
 * @param row a list of as many numbers as it takes columns.
 * @param simulate returns the results of a circuit that is no derivative.
 */
export function derivative(circuit, row, simulate) {
  const { places, operations } = apart(circuit);
  const plain = { ...circuit, operations, parameters: places.length, columns: places.length, derivative: 0 };
  plain.results = circuit.measured;
  const { taken, given } = kindsOf(circuit);
  const columns = blocks(row, taken.map(({ width }) => width)).flatMap((block, number) =>
    taken[number].isAngle ? places.map((place) => place.scale * block[place.column]) : block,
  );
  places.forEach((place, column) => {
    columns[column] += place.offset;
  });
  const rule = trigonometric(circuit.measurements.some(({ type }) => SQUARES.includes(type)) ? 8 : 4);
  const rules = places.map(({ isEntry }) => (isEntry ? QUARTIC : rule));
  const found = at(circuit.derivative, columns, { plain, rules, simulate, results: given });
  const apartWidths = given.map(({ isAngle, width }) => (isAngle ? places.length : width));
  return blocks(found, apartWidths).flatMap((block, number) =>
    given[number].isAngle ? joined(block, places, circuit.parameters) : block,
  );
}

/** Return the circuit with a column of its own for each angle and entry, and what these columns are. */
function apart({ operations }) {
  const places = [];
  const own = (angle, isEntry) => {
    if (typeof angle === "number" || angle === null) {
      return angle;
    }
    places.push({ ...angle, isEntry });
    return { column: places.length - 1, scale: 1, offset: 0 };
  };
  return {
    operations: operations.map((one) =>
      one.type === "apply"
        ? { ...one, angle: own(one.angle, false) }
        : { ...one, real: one.real.map((entry) => own(entry, true)), imaginary: one.imaginary.map((entry) => own(entry, true)) },
    ),
    places,
  };
}

function at(order, columns, circuit) {
  if (order === 0) {
    return circuit.simulate(circuit.plain, columns);
  }
  const { rules } = circuit;
  const count = widthOf(order - 1, circuit);
  const cotangents = columns.slice(count);
  return Array.from({ length: count }, (_, column) =>
    (rules[column] ?? LINEAR).reduce((sum, [shift, factor]) => {
      const moved = columns.slice(0, count);
      moved[column] += shift;
      const results = at(order - 1, moved, circuit);
      return sum + factor * results.reduce((product, result, place) => product + result * cotangents[place], 0);
    }, 0),
  );
}

/** Return how many columns a derivative of an order takes where each angle has one of its own. */
function widthOf(order, { plain, rules }) {
  let [taken, given] = [rules.length, plain.results.reduce((sum, { width }) => sum + width, 0)];
  for (let times = 0; times < order; times += 1) {
    [taken, given] = [taken + given, taken];
  }
  return taken;
}

/** Return the shifts and factors of a polynomial of as many frequencies, all multiples of 1/2. */
function trigonometric(size) {
  return Array.from({ length: 2 * size }, (_, place) => {
    const angle = ((2 * place + 1) * Math.PI) / (2 * size);
    const factor = (place % 2 === 0 ? 1 : -1) / (4 * size * Math.sin(angle / 2) ** 2);
    return [2 * angle, factor / 2];
  });
}

function joined(block, places, count) {
  const sums = new Array(count).fill(0);
  places.forEach(({ column, scale }, place) => {
    sums[column] += scale * block[place];
  });
  return sums;
}

function blocks(row, widths) {
  let first = 0;
  return widths.map((width) => row.slice(first, (first += width)));
}
