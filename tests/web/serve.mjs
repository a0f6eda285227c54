/**
 * Answers requests about files, a line of JSON each, for the tests:
 *
 *     {"path": path, "inputs": {…}, "shots": n, "seed": n}   the outputs of a run with shots, by name
 *     … and "planted": "apart"     by a wrong sampler: each measurement has shots of its own
 *     … and "planted": "turned"    by a wrong sampler: it has the wires in the other order
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { load, sample } from "../../web/hybridx-web/dist/hybridx-web/src/index.js";

const opened = new Map();

async function open(path) {
  if (!opened.has(path)) {
    opened.set(path, await load(new Uint8Array(readFileSync(path))));
  }
  return opened.get(path);
}

/** Return what wrong samplers give for a model that is one circuit and no more. */
const PLANTED = {
  apart: (circuit, row, shots, seed) =>
    circuit.measurements.flatMap((one, at) => sample(alone(circuit, [one]), row, shots, seed * 100 + at).results),
  turned: (circuit, row, shots, seed) => sample(turned(circuit), row, shots, seed).results,
};

function alone(circuit, measurements) {
  const width = measurements[0].type === "probabilities" ? 2 ** measurements[0].wires.length : 1;
  return { ...circuit, measurements, results: [{ offset: 0, shape: [], is_complex: false, width }] };
}

function turned(circuit) {
  const other = (wires) => wires.map((wire) => circuit.wires - 1 - wire);
  const measurements = circuit.measurements.map((one) =>
    "terms" in one ? { ...one, terms: one.terms.map(([c, letters, wires]) => [c, letters, other(wires)]) } : { ...one, wires: other(one.wires) },
  );
  return { ...circuit, measurements };
}

async function answer({ path, inputs, shots, seed, planted }) {
  const model = await open(path);
  if (planted === undefined) {
    const found = await model.predictWithShots(inputs, shots, seed);
    return Object.fromEntries(Object.entries(found).map(([name, one]) => [name, one.nested()]));
  }
  const [taken] = await model.circuitParameters(inputs);
  const rows = Array.from({ length: taken.rows }, (_, at) =>
    PLANTED[planted](model.circuits[0].circuit, taken.row(at), shots, seed * 100_000 + at),
  );
  return { [model.outputs[0].name]: rows };
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  } catch (error) {
    console.log(JSON.stringify({ broken: error.stack }));
  }
}
