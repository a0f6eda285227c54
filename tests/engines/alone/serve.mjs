/**
 * Runs files on an engine: `node serve.mjs ENGINE FOLDER`, with the packages in FOLDER.
 *
 * Requests and answers are those of serve.py.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { run } from "./tensors.mjs";

const [engine, folder] = process.argv.slice(2);
const ort = await import(pathToFileURL(createRequire(`${folder}/package.json`).resolve(engine)));
const options = engine === "onnxruntime-web" ? { executionProviders: ["wasm"] } : {};
const answers = process.stdout.write.bind(process.stdout);
console.log = console.warn; // what an engine prints is no answer

for await (const line of createInterface({ input: process.stdin })) {
  const { path, inputs } = JSON.parse(line);
  let answer;
  try {
    answer = { outputs: await run(ort.default ?? ort, new Uint8Array(readFileSync(path)), options, inputs) };
  } catch (error) {
    answer = { refused: String(error) };
  }
  answers(`${JSON.stringify(answer)}\n`);
}
