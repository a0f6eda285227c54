/** The licences of all that is in the page. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const PACKAGES = ["preact", "@preact/signals", "@preact/signals-core"];

/** Return the notices of the page: its packages, and what ONNX Runtime is made of. */
export function notices(web: string, runtime: string): string {
  const text = (path: string): string => readFileSync(join(web, path), "utf-8").trim();
  const own = PACKAGES.map((name) => {
    const { version } = JSON.parse(text(`node_modules/${name}/package.json`)) as { version: string };
    return `${name} ${version}\n\n${text(`node_modules/${name}/LICENSE`)}`;
  });
  const engine = `${runtime}, by Microsoft\n\n${text("page/licences/onnxruntime.txt")}`;
  const parts = `What ONNX Runtime is made of, as its release says\n\n${text("page/licences/onnxruntime-third-parties.txt")}`;
  const line = `\n\n${"-".repeat(80)}\n\n`;
  return `${["This page holds the software below, beside that of hybridx (MIT licence).", ...own, engine, parts].join(line)}\n`;
}
