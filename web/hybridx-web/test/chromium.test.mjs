/** Every file in Chromium. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { open } from "./browser.mjs";
import { EXPECTED, bytesOf } from "./cases.mjs";

let opened;
before(async () => {
  opened = await open(bytesOf);
});
after(() => opened.close());

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(`${name} is what Python says`, async () => {
    const faults = await opened.page.evaluate(
      ([url, wanted]) => window.faultsOf(window.hybridx, url, wanted),
      [`/cases/${encodeURIComponent(name)}`, expected],
    );
    assert.deepEqual(faults, []);
  });
}

test("an address that has no file is refused", async () => {
  const answer = await opened.page.evaluate(() => window.hybridx.load("/cases/missing").catch((error) => [error instanceof window.hybridx.RefusedError, error.message]));
  assert.deepEqual(answer, [true, "/cases/missing answers 404 Not Found"]);
});

test("the page says nothing and asks nobody else", () => {
  const others = opened.said.filter((one) => !one.includes("404"));
  assert.deepEqual(others, []);
});
