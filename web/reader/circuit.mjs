/** A circuit from its JSON: "The circuit" in docs/file-format.md, and the laws of docs/circuit.md. */
import { expect } from "./errors.mjs";
import { GATES } from "./gates.mjs";
import { filled as filledIn, isObject, isWhole, parseJson } from "./json.mjs";

const FORMAT = 1;
const DERIVATIVE_FORMAT = 2;
const MOST_DERIVATIVES = 4;
const MOST_CHARACTERS = 64_000_000;
const MOST_DEEP = 16;
const MOST = { wires: 1_000, gates: 100_000, parameters: 100_000, terms: 100_000 };
const MOST_CHANNEL_WIRES = 4;
const MOST_KRAUS = 256;
const MOST_ENTROPY_WIRES = 3;
const COMPLETE = 1e-5;

// By the type of an operation and a measurement, the fields that it has, with what is meant if one
// is left out; undefined where it must be there.
const ENTRIES = { wires: undefined, real: undefined, imaginary: [] };
const OPERATIONS = {
  apply: { gate: undefined, wires: undefined, angle: null, adjoint: false, controls: [], control_values: [] },
  unitary: ENTRIES,
  prepare: ENTRIES,
  channel: ENTRIES,
};
const MEASUREMENTS = {
  expectation: { terms: undefined },
  variance: { terms: undefined },
  probabilities: { wires: undefined },
  state: {},
  density: { wires: undefined },
  purity: { wires: undefined },
  entropy: { wires: undefined, base: null },
  mutual: { first: undefined, second: undefined, base: null },
};

const LISTS = ["wires", "real", "imaginary", "controls", "control_values", "terms", "first", "second"];

/** Return the circuit of a JSON text, with all fields that the text leaves out. */
export function readCircuit(json) {
  expect(json.length <= MOST_CHARACTERS, "the JSON of a circuit is too long");
  expect(depthOf(json) <= MOST_DEEP, "the JSON of a circuit nests too deep");
  const document = parseJson(json, "the JSON of a circuit");
  expect(isObject(document), "its JSON is not a circuit");
  const isDerivative = document.format === DERIVATIVE_FORMAT;
  const known = `${FORMAT} and ${DERIVATIVE_FORMAT}`;
  expect(isDerivative || document.format === FORMAT, `its circuit has format ${document.format}; this reader knows ${known}`);
  const fields = { format: undefined, circuit: undefined, results: undefined };
  const { circuit: given, results, derivative = 0 } = filled(
    document,
    isDerivative ? { ...fields, derivative: undefined } : fields,
  );
  expect(isWhole(derivative) && derivative <= MOST_DERIVATIVES, "I16: how often it is differentiated");
  expect(!isDerivative || derivative >= 1, "a derivative is one at least");
  const circuit = filled(given, {
    wires: undefined,
    parameters: undefined,
    operations: undefined,
    measurements: undefined,
    shots: null,
  });
  expect(isWhole(circuit.wires) && circuit.wires >= 1 && circuit.wires <= MOST.wires, "I1: wires");
  expect(isWhole(circuit.parameters) && circuit.parameters <= MOST.parameters, "I2: parameters");
  expect(isList(circuit.operations) && circuit.operations.length <= MOST.gates, "its operations are no list");
  expect(isList(circuit.measurements) && circuit.measurements.length >= 1, "I8: a circuit measures something");
  expect(circuit.shots === null || (isWhole(circuit.shots) && circuit.shots >= 1), "I10: shots");
  circuit.operations = circuit.operations.map((one) => tagged(one, OPERATIONS));
  circuit.measurements = circuit.measurements.map((one) => tagged(one, MEASUREMENTS));
  circuit.hasChannel = circuit.operations.some((one) => one.type === "channel");
  checkOperations(circuit);
  circuit.measurements.forEach((one) => checkMeasurement(one, circuit));
  const terms = circuit.measurements.reduce((sum, one) => sum + (one.terms?.length ?? 0), 0);
  expect(terms <= MOST.terms, "it has too many Pauli words");
  const isEntropy = circuit.measurements.some((one) => entropiesOf(one).length > 0);
  expect(!isDerivative || !isEntropy, "I16: an entropy is not differentiated");
  circuit.derivative = derivative;
  circuit.measured = layout(circuit);
  circuit.results = isDerivative ? layoutOfBlocks(kindsOf(circuit).given) : circuit.measured;
  circuit.columns = kindsOf(circuit).taken.reduce((sum, { width }) => sum + width, 0);
  expect(isSameLayout(results, circuit.results), "its results are not the columns that it measures");
  return circuit;
}

/** Return how many columns the results of a circuit have. */
export function columnsOf(circuit) {
  return circuit.results.reduce((sum, one) => sum + one.width, 0);
}

/** Return the blocks of columns that a circuit or a derivative takes and gives: see "Derivatives". */
export function kindsOf(circuit) {
  let taken = [{ isAngle: true, width: circuit.parameters }];
  let given = [{ isAngle: false, width: circuit.measured.reduce((sum, one) => sum + one.width, 0) }];
  for (let times = 0; times < circuit.derivative; times += 1) {
    [taken, given] = [[...taken, ...given], taken];
  }
  return { taken, given };
}

function layoutOfBlocks(blocks) {
  let offset = 0;
  return blocks.map(({ width }) => {
    const result = { offset, shape: [width], is_complex: false, width };
    offset += width;
    return result;
  });
}

/** Return the sets of wires whose entropies a measurement is made of. */
export function entropiesOf(measurement) {
  switch (measurement.type) {
    case "entropy":
      return [measurement.wires];
    case "mutual":
      return [measurement.first, measurement.second, [...measurement.first, ...measurement.second]];
    default:
      return [];
  }
}

function layout(circuit) {
  let offset = 0;
  return circuit.measurements.map((measurement) => {
    const [shape, is_complex] = formOf(measurement, circuit.wires);
    const result = { offset, shape, is_complex, width: widthOf({ shape, is_complex }) };
    offset += result.width;
    return result;
  });
}

function formOf(measurement, wires) {
  switch (measurement.type) {
    case "probabilities":
      return [[2 ** measurement.wires.length], false];
    case "state":
      return [[2 ** wires], true];
    case "density":
      return [[2 ** measurement.wires.length, 2 ** measurement.wires.length], true];
    default:
      return [[], false];
  }
}

function widthOf({ shape, is_complex }) {
  return shape.reduce((product, length) => product * length, is_complex ? 2 : 1);
}

function isSameLayout(found, expected) {
  expect(isList(found), "its results are no list");
  const forms = found.map((one) => filled(one, { offset: undefined, shape: undefined, is_complex: false }));
  const texts = [forms, expected].map((list) =>
    JSON.stringify(list.map(({ offset, shape, is_complex }) => [offset, shape, is_complex])),
  );
  return texts[0] === texts[1];
}

function checkOperations(circuit) {
  const touched = new Set();
  for (const operation of circuit.operations) {
    checkOperation(operation, circuit);
    const wires = [...(operation.controls ?? []), ...operation.wires];
    const isFresh = operation.type !== "prepare" || wires.every((wire) => !touched.has(wire));
    expect(isFresh, "I12: an operation acts on wires before they are prepared");
    wires.forEach((wire) => touched.add(wire));
  }
}

function checkOperation(operation, circuit) {
  if (operation.type === "apply") {
    const gate = GATES.get(operation.gate);
    expect(gate !== undefined, `I3: ${operation.gate} is not in the gate table`);
    expect(operation.wires.length === gate.wires, `I4: wires of ${operation.gate}`);
    expect(operation.controls.length === operation.control_values.length, "I6: every control has one value");
    expect(operation.control_values.every((value) => typeof value === "boolean"), "I6: control values");
    expect(typeof operation.adjoint === "boolean", "adjoint is true or false");
    expect((operation.angle !== null) === gate.takesAngle, `I7: the angle of ${operation.gate}`);
    checkWires([...operation.controls, ...operation.wires], circuit);
    if (gate.takesAngle) {
      operation.angle = readAngle(operation.angle, circuit);
    }
    return;
  }
  checkWires(operation.wires, circuit);
  const { length } = operation.real;
  const count = operation.wires.length;
  expect([0, length].includes(operation.imaginary.length), "I11: as many imaginary as real parts");
  if (operation.type === "channel") {
    expect(count <= MOST_CHANNEL_WIRES && length <= MOST_KRAUS * 4 ** count, "I13: a channel is too large");
    expect(length > 0 && length % 4 ** count === 0, "I11: entries of Kraus operators");
  } else {
    expect(length === (operation.type === "unitary" ? 4 : 2) ** count, "I11: entries");
  }
  for (const part of ["real", "imaginary"]) {
    operation[part] = operation[part].map((angle) => readAngle(angle, circuit));
  }
  if (operation.type === "channel") {
    checkComplete(operation);
  }
}

function checkComplete({ wires, real, imaginary }) {
  if ([...real, ...imaginary].some((entry) => typeof entry !== "number")) {
    return;
  }
  const size = 2 ** wires.length;
  const im = imaginary.length > 0 ? imaginary : real.map(() => 0);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      let [re, rest] = [row === column ? -1 : 0, 0];
      for (let at = 0; at < real.length; at += size) {
        const [a, b] = [at + row, at + column];
        re += real[a] * real[b] + im[a] * im[b];
        rest += real[a] * im[b] - im[a] * real[b];
      }
      expect(Math.hypot(re, rest) <= COMPLETE, "I13: the sum of K^dagger K is the identity");
    }
  }
}

function checkMeasurement(measurement, circuit) {
  for (const term of measurement.terms ?? []) {
    expect(isList(term) && term.length === 3, "a term is a coefficient, letters and wires");
    const [coefficient, letters, wires] = term;
    expect(Number.isFinite(coefficient), "I9: a coefficient is finite");
    expect(typeof letters === "string" && /^[XYZ]*$/.test(letters), "I9: a Pauli word has letters X, Y and Z");
    expect(isList(wires) && letters.length === wires.length, "I9: a Pauli word has a wire for each letter");
    checkWires(wires, circuit);
  }
  const sets = [...(measurement.wires === undefined ? [] : [measurement.wires]), ...entropiesOf(measurement)];
  for (const wires of sets) {
    checkWires(wires, circuit);
    expect(wires.length >= 1, "I9: it measures at least one wire");
  }
  expect(measurement.type !== "state" || !circuit.hasChannel, "I14: a circuit with a channel has no state");
  for (const wires of entropiesOf(measurement)) {
    const others = circuit.hasChannel ? circuit.wires : circuit.wires - wires.length;
    expect(Math.min(wires.length, others) <= MOST_ENTROPY_WIRES, "I15: an entropy of too many wires");
  }
  const { base } = measurement;
  const isBase = base === undefined || base === null || (Number.isFinite(base) && base > 0 && base !== 1);
  expect(isBase, "I15: the base of a logarithm is positive and not 1");
}

function checkWires(wires, circuit) {
  expect(isList(wires) && wires.every((wire) => isWhole(wire) && wire < circuit.wires), "I5: wires exist");
  expect(new Set(wires).size === wires.length, "I5: wires are distinct");
}

function readAngle(given, circuit) {
  if (!isObject(given)) {
    expect(Number.isFinite(given), "I7: an angle is finite");
    return given;
  }
  const angle = filled(given, { column: undefined, scale: 1, offset: 0 });
  expect(isWhole(angle.column) && angle.column < circuit.parameters, "I7: a column exists");
  expect(Number.isFinite(angle.scale) && Number.isFinite(angle.offset), "I7: an angle is finite");
  return angle;
}

function tagged(given, kinds) {
  expect(isObject(given) && Object.hasOwn(kinds, given.type), `there is no type ${given?.type}`);
  const found = filled(given, { type: undefined, ...kinds[given.type] });
  expect(LISTS.every((name) => !Object.hasOwn(found, name) || isList(found[name])), "its lists are no lists");
  return found;
}

/** Return how deep the brackets of a JSON text nest. */
function depthOf(json) {
  let [depth, deepest] = [0, 0];
  for (const [token] of json.matchAll(/"[^"\\]*(?:\\[^][^"\\]*)*"?|[[\]{}]/g)) {
    depth += token === "[" || token === "{" ? 1 : token === "]" || token === "}" ? -1 : 0;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

function filled(given, fields) {
  return filledIn(given, fields, "a circuit");
}

function isList(value) {
  return Array.isArray(value);
}
