/**
 * Reads files of hybridx on Node.js, without hybridx.
 *
 *     node main.mjs describe FILE …        prints what each file is, a line of JSON for each
 *     node main.mjs run FILE CIRCUIT       simulates a circuit of the file: for each row of parameters,
 *                                          a line of JSON from stdin, it prints a line of results
 *
 * A file is one of an ONNX model, an archive of torch, or the folder of a bundle. It ends with 3 if it
 * refuses what it is given, and with 2 if it was called otherwise.
 */
import { createInterface } from "node:readline";
import { columnsOf } from "./circuit.mjs";
import { RefusedError } from "./errors.mjs";
import { readFile } from "./model_file.mjs";
import { bytesOf } from "./on_disk.mjs";
import { simulate } from "./simulator.mjs";

function described(path, { format, version, digest, changed, circuits }) {
  const each = [...circuits].map(([name, circuit]) => [
    name,
    { wires: circuit.wires, parameters: circuit.columns, columns: columnsOf(circuit) },
  ]);
  return { path, format, version, digest: digest.sha256, changed, circuits: Object.fromEntries(each) };
}

async function main([command, ...words]) {
  if (command === "describe" && words.length > 0) {
    for (const path of words) {
      console.log(JSON.stringify(described(path, await readFile(bytesOf(path)))));
    }
    return 0;
  }
  if (command === "run" && words.length === 2) {
    const { circuits } = await readFile(bytesOf(words[0]));
    const circuit = circuits.get(words[1]);
    if (circuit === undefined) {
      throw new RefusedError(`it has no circuit ${words[1]}; it has ${[...circuits.keys()].join(", ")}`);
    }
    for await (const line of createInterface({ input: process.stdin })) {
      console.log(JSON.stringify(simulate(circuit, JSON.parse(line))));
    }
    return 0;
  }
  console.error("usage: main.mjs describe FILE …\n       main.mjs run FILE CIRCUIT < ROWS");
  return 2;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isOfTheUser = error instanceof RefusedError || error instanceof SyntaxError || "syscall" in error;
  if (!isOfTheUser) {
    throw error;
  }
  console.error(`refused: ${error.message}`);
  process.exitCode = 3;
}
