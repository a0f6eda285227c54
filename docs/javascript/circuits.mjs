// Shows what the circuit of a model file does: node circuits.mjs MODEL
import { readFileSync } from "node:fs";
import { blochVectors, load } from "hybridx-web";

const model = await load(readFileSync(process.argv[2]));
const { passed } = await model.verify();
console.log("self-test passed:", passed);

const rows = { input: [[0.1, 0.2, 0.3, 0.4]] };
const show = (numbers) => [...numbers].map((number) => number.toFixed(4)).join(" ");
const { output } = await model.predict(rows);
console.log("exact:", show(output.data));
const sampled = await model.predictWithShots(rows, 1000, 7);
console.log("1000 shots:", show(sampled.output.data));

const [taken] = await model.circuitParameters(rows);
const [{ layer, circuit }] = model.circuits;
console.log(layer, "takes", show(taken.row(0)));
for (const [wire, vector] of blochVectors(circuit, taken.row(0)).entries()) {
  console.log(`wire ${wire}:`, show(vector));
}
