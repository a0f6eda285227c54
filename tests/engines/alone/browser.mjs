/**
 * Runs files by WebGPU in Chromium: `node browser.mjs CHROMIUM FOLDER`, with the packages in FOLDER.
 *
 * Requests and answers are those of serve.py. `"alone": true` in a request leaves out the provider
 * that helps with what WebGPU lacks.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";

const [chromium, folder] = process.argv.slice(2);
const { chromium: browsers } = createRequire(`${folder}/package.json`)("playwright-core");
const TYPES = { ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
const PAGE = `<!doctype html><script type="module">
import * as ort from "/ort/ort.webgpu.min.mjs";
import { run } from "/tensors.mjs";
ort.env.logLevel = "error";
window.run = async (data, alone, inputs) => {
  const file = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const extra = alone ? { session: { disable_cpu_ep_fallback: "1" } } : {};
  return run(ort, file, { executionProviders: ["webgpu"], extra }, inputs);
};
</script>`;

function bodyOf(url) {
  if (url === "/") {
    return PAGE;
  }
  const name = normalize(url);
  return name.startsWith("/ort/")
    ? readFileSync(join(folder, "node_modules/onnxruntime-web/dist", name.slice(5)))
    : readFileSync(new URL("tensors.mjs", import.meta.url));
}

const server = createServer((request, response) => {
  response.setHeader("Content-Type", TYPES[extname(request.url)] ?? "text/html");
  response.end(bodyOf(request.url));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const browser = await browsers.launch({
  executablePath: chromium,
  args: [
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-webgpu-adapter=swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
  ],
});
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.waitForFunction(() => window.run);
const adapter = await page.evaluate(async () => {
  const found = await navigator.gpu?.requestAdapter();
  return found ? `${found.info.vendor} ${found.info.architecture}` : null;
});

for await (const line of createInterface({ input: process.stdin })) {
  const { path, alone, inputs } = JSON.parse(line);
  let answer;
  try {
    if (adapter === null) {
      throw new Error("Chromium finds no adapter for WebGPU");
    }
    const data = readFileSync(path).toString("base64");
    const outputs = await page.evaluate(([one, by, given]) => window.run(one, by, given), [data, alone, inputs]);
    answer = { outputs };
  } catch (error) {
    answer = { refused: String(error.message ?? error) };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
server.close();
