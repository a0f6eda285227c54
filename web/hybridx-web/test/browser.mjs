/** A page in Chromium that has the package, served from this folder's workspace. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { chromium } from "playwright-core";

const WEB = new URL("../../", import.meta.url);
const TYPES = { ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm" };
// Only what is on the list is served; the test files come from a folder of their own.
const SERVED = /^\/(hybridx-web\/dist|hybridx-web\/test|node_modules\/onnxruntime-web\/dist)\/[\w./-]+$/;
const PAGE = `<!doctype html><meta charset="utf-8">
<script type="importmap">{"imports": {
  "hybridx-web": "/hybridx-web/dist/hybridx-web/src/index.js",
  "#onnxruntime": "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"
}}</script>
<script type="module">
import * as hybridx from "hybridx-web";
import { faultsOf } from "/hybridx-web/test/check.mjs";
Object.assign(window, { hybridx, faultsOf });
</script>`;
// The package needs no eval, and nothing of another host.
const POLICY = "default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";

/**
 * Open a page.
 *
 * @param bytesOf the bytes of the file at `/cases/NAME`.
 */
export async function open(bytesOf) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url);
    response.setHeader("Content-Type", path === "/" ? "text/html" : (TYPES[extname(path)] ?? "application/octet-stream"));
    response.setHeader("Content-Security-Policy", POLICY);
    try {
      response.end(path === "/" ? PAGE : path.startsWith("/cases/") ? bytesOf(path.slice(7)) : served(path));
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  const page = await browser.newPage();
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction(() => window.faultsOf);
  const close = async () => {
    await browser.close();
    server.close();
  };
  return { page, said, close };
}

function served(path) {
  if (!SERVED.test(path) || path.includes("..")) {
    throw new Error(`not served: ${path}`);
  }
  return readFileSync(new URL(path.slice(1), WEB));
}
