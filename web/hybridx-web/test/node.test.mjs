/** Every file in Node.js. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as hybridx from "hybridx-web";
import { EXPECTED, bytesOf } from "./cases.mjs";
import { faultsOf } from "./check.mjs";

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(`${name} is what Python says`, async () => {
    assert.deepEqual(await faultsOf(hybridx, bytesOf(name), expected), []);
  });
}

test("a wrong number of Python's is noticed", async () => {
  const [name, expected] = Object.entries(EXPECTED).find(([, one]) => one.hasBody && one.circuits[0].bloch !== undefined);
  for (const path of [["outputs", Object.keys(expected.outputs)[0]], ["circuits", 0, "parameters"], ["circuits", 0, "results"], ["circuits", 0, "bloch"]]) {
    const wrong = structuredClone(expected);
    path.reduce((one, key) => one[key], wrong).data[0] += 1e-3;
    assert.notDeepEqual(await faultsOf(hybridx, bytesOf(name), wrong), []);
  }
});
