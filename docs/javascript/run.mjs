// Runs a model file on two rows: node run.mjs MODEL
// In a browser, import "onnxruntime-web" instead; the rest stays as it is.
import * as ort from "onnxruntime-node";

const session = await ort.InferenceSession.create(process.argv[2]);
const rows = [
  [0.1, 0.2, 0.3, 0.4],
  [0.5, 0.6, 0.7, 0.8],
];
const input = new ort.Tensor("float32", Float32Array.from(rows.flat()), [rows.length, 4]);
const results = await session.run({ [session.inputNames[0]]: input });
const output = results[session.outputNames[0]];
console.log(output.dims.join(" x "), [...output.data].map((number) => number.toFixed(4)).join(" "));
