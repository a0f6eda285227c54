/** What a file must do in any engine. It runs in Node.js and in browsers. */

/**
 * Return what is wrong with a file: a list of sentences, empty if all is right.
 *
 * @param hybridx the package under test.
 * @param bytes the file.
 * @param expected what Python says of it: see `tests/web/cases.py`.
 */
export async function faultsOf(hybridx, bytes, expected) {
  const faults = [];
  const equal = (what, found, wanted) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      faults.push(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
    }
  };
  const close = (what, found, wanted, tolerance) => {
    equal(`the shape of ${what}`, found.dims, wanted.dims);
    const error = worst(found.data, wanted.data);
    if (!(error <= tolerance)) {
      faults.push(`${what} is wrong by ${error}`);
    }
  };
  const model = await hybridx.load(bytes);
  equal("columns", model.columns, expected.columns);
  equal("classes", model.classes, expected.classes);
  equal("inputs", model.inputs, expected.signature);
  equal("what was changed", model.digest.changed ?? [], []);
  const names = ({ name, layer, wires }) => ({ name, layer, wires });
  equal("circuits", model.circuits.map(names), expected.circuits.map(names));

  if (expected.hasBody) {
    const found = await model.predict(expected.inputs);
    const again = await model.predict(
      Object.fromEntries(Object.entries(expected.inputs).map(([name, one]) => [name, nestedOf(one)])),
    );
    equal("names of outputs", Object.keys(found).sort(), Object.keys(expected.outputs).sort());
    for (const [name, wanted] of Object.entries(expected.outputs)) {
      equal(`the dtype of ${name}`, found[name].dtype, wanted.dtype);
      close(name, found[name], wanted, expected.tolerance);
      equal(`${name} of nested lists`, [...found[name].data].map(String), [...again[name].data].map(String));
    }
  } else {
    equal("a prediction without bodies", await refused(hybridx, () => model.predict(expected.inputs)), true);
  }
  if (model.selfTest !== null) {
    const { passed, worstError } = await model.verify();
    equal(`the self-test, with an error of ${worstError},`, passed, true);
  }

  const taken = await model.circuitParameters(expected.inputs);
  for (const [at, wanted] of expected.circuits.entries()) {
    const { circuit, notShown, layer } = model.circuits[at];
    equal(`whether the parameters of ${layer} are shown`, taken[at] === null, wanted.parameters === null);
    equal(`why ${layer} is not shown`, notShown === null, wanted.parameters !== null);
    if (taken[at] === null || wanted.parameters === null) {
      continue;
    }
    const { rows, columns, data } = taken[at];
    close(`the parameters of ${layer}`, { dims: [rows, columns], data }, wanted.parameters, expected.tolerance);
    for (const [row, one] of rowsOf(wanted.parameters).entries()) {
      close(`row ${row} of the results of ${layer}`, flat(hybridx.results(circuit, one)), flat(rowsOf(wanted.results)[row]), 1e-9);
      if (wanted.bloch !== undefined) {
        close(`row ${row} of the Bloch vectors of ${layer}`, flat(hybridx.blochVectors(circuit, one).flat()), flat(rowsOf(wanted.bloch)[row]), 1e-9);
      }
    }
  }
  await model.release();
  return faults;
}

async function refused(hybridx, call) {
  try {
    await call();
    return false;
  } catch (error) {
    return error instanceof hybridx.RefusedError;
  }
}

function worst(found, wanted) {
  if (found.length !== wanted.length) {
    return Infinity;
  }
  const errors = wanted.map((one, at) => Math.abs(Number(found[at]) - Number(one)) / Math.max(1, Math.abs(Number(one))));
  return errors.reduce((most, one) => (one <= most ? most : one), 0); // NaN is kept
}

function flat(numbers) {
  return { dims: [numbers.length], data: [...numbers] };
}

function rowsOf({ dims: [count, width], data }) {
  return Array.from({ length: count }, (_, row) => data.slice(row * width, (row + 1) * width));
}

function nestedOf({ dims, data }) {
  const inside = (axis, at) => {
    const step = dims.slice(axis + 1).reduce((product, length) => product * length, 1);
    return axis === dims.length ? data[at] : Array.from({ length: dims[axis] }, (_, index) => inside(axis + 1, at + index * step));
  };
  return inside(0, 0);
}
