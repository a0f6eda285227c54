/** Every golden file of ONNX, and what it computes. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { load, results } from "hybridx-web";

const GOLDEN = new URL("../../../exported/golden/", import.meta.url);
const FILES = ["onnx-1", "onnx-2", "onnx-3"].flatMap((folder) =>
  readdirSync(new URL(folder, GOLDEN)).map((name) => `${folder}/${name}`),
);

export function bytesOf(name) {
  return new Uint8Array(readFileSync(new URL(name, GOLDEN)));
}

for (const name of FILES.filter((one) => !one.endsWith("no_body.onnx"))) {
  test(`${name} passes its self-test, and its circuits give what their nodes get`, async () => {
    const model = await load(bytesOf(name));
    const { passed, worstError } = await model.verify();
    assert.ok(passed, `the error is ${worstError}`);
    const rows = Object.fromEntries(Object.entries(model.selfTest.inputs).map(([key, { data, dims }]) => [key, { data, dims }]));
    const taken = await model.circuitParameters(rows);
    assert.equal(taken.length, model.circuits.length);
    for (const [at, one] of taken.entries()) {
      assert.equal(one.columns, model.circuits[at].circuit.columns);
      assert.ok(results(model.circuits[at].circuit, one.row(0)).every(Number.isFinite));
    }
    await model.release();
  });
}
