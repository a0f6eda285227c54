/** Files on the disk, for Node.js; all else of this reader runs in browsers too. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Return the bytes of a file under the name "", or those of each file of a folder by its name. */
export function bytesOf(path) {
  if (!statSync(path).isDirectory()) {
    return new Map([["", new Uint8Array(readFileSync(path))]]);
  }
  const names = readdirSync(path).filter((name) => statSync(join(path, name)).isFile());
  return new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(path, name)))]));
}
