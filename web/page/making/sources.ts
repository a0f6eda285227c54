/** The sources of the page, and a hash by which a test knows that the built page is of these. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What the built page follows from, below `web/`; `tests/web_page/sources.py` computes the same. */
const SOURCES = [
  "hybridx-web/package.json",
  "hybridx-web/src",
  "page/making",
  "page/index.html",
  "page/licences",
  "page/package.json",
  "page/src",
  "page/vite.config.ts",
  "reader",
];

/** Return the SHA-256 of the names and the contents of all sources. */
export function hashOfSources(web: string): string {
  const names = SOURCES.flatMap((name) => filesIn(web, name)).sort();
  const hash = createHash("sha256");
  for (const name of names) {
    const content = createHash("sha256").update(readFileSync(join(web, name))).digest("hex");
    hash.update(`${name} ${content}\n`);
  }
  return hash.digest("hex");
}

function filesIn(web: string, name: string): string[] {
  return statSync(join(web, name)).isDirectory() ? readdirSync(join(web, name)).flatMap((one) => filesIn(web, `${name}/${one}`)) : [name];
}
