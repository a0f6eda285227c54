/** The files that `make test-web` writes, and what Python says of them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = process.env.HYBRIDX_CASES;
assert.ok(FOLDER, "these tests need files that Python writes: run `make test-web`");

/** By the name of a file, what is expected of it. */
export const EXPECTED = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8"));

/** Return the bytes of a file. */
export function bytesOf(name) {
  return new Uint8Array(readFileSync(join(FOLDER, name)));
}
