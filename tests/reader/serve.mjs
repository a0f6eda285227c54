/**
 * Answers requests, a line of JSON each, for the tests:
 *
 *     {"describe": path}                     what the file is
 *     {"path": path, "name": name, "rows": […]}   the results of a circuit of a file
 *     {"circuit": json, "rows": […]}         the results of a circuit
 */
import { createInterface } from "node:readline";
import { readCircuit } from "../../web/reader/circuit.mjs";
import { RefusedError } from "../../web/reader/errors.mjs";
import { readFile } from "../../web/reader/model_file.mjs";
import { bytesOf } from "../../web/reader/on_disk.mjs";
import { simulate } from "../../web/reader/simulator.mjs";

const opened = new Map();

async function open(path) {
  if (!opened.has(path)) {
    opened.set(path, await readFile(bytesOf(path)));
  }
  return opened.get(path);
}

async function answer(request) {
  if ("describe" in request) {
    const { format, version, digest, changed, circuits } = await readFile(bytesOf(request.describe));
    return { format, version, digest, changed, circuits: [...circuits.keys()] };
  }
  const circuit =
    "circuit" in request ? readCircuit(request.circuit) : (await open(request.path)).circuits.get(request.name);
  return { results: request.rows.map((row) => simulate(circuit, row)) };
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  } catch (error) {
    const kind = error instanceof RefusedError ? "refused" : "broken";
    console.log(JSON.stringify({ [kind]: kind === "refused" ? error.message : error.stack }));
  }
}
