/** Builds the page as one HTML file, whose content security policy names its script and its style by their hashes. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { notices } from "./making/notices.ts";
import { hashOfSources } from "./making/sources.ts";

const OUT = fileURLToPath(new URL("../../hybridx/web_page/built/", import.meta.url));
const RUNTIME = "ort-wasm-simd-threaded.wasm";
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Put script and style into the HTML; `hybridx page` fills in the rest at the marks. */
function oneFile(): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_, bundle) {
      const page = bundle["index.html"];
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const styles = Object.values(bundle).filter((one) => one.fileName.endsWith(".css"));
      if (page?.type !== "asset" || chunks.length !== 1 || styles.length !== 1 || styles[0]?.type !== "asset") {
        throw new Error(`expected a page, a script and a style, not ${Object.keys(bundle).join(", ")}`);
      }
      // No parser of HTML may find an end or a comment in the script. In literals the meaning stays; elsewhere none occurs.
      const script = `\n${chunks[0]!.code.trim().replaceAll(/<(?=\/script|!--|script)/gi, "\\x3C")}\n`;
      const style = `\n${String(styles[0].source).trim()}\n`;
      const policy = [
        "default-src 'none'",
        `script-src '${hashOf(script)}' 'wasm-unsafe-eval'`,
        `style-src '${hashOf(style)}'`,
        "img-src data: blob:",
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
      ].join("; ");
      const source = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/, "")
        .replace('<meta charset="utf-8">', (found) => `${found}\n<meta http-equiv="Content-Security-Policy" content="${policy}">`)
        .replace("<title>hybridx</title>", "<title>@TITLE@</title>")
        .replace("</head>", () => `<style>${style}</style>\n</head>`)
        .replace("</body>", () => `@DATA@<script type="module">${script}</script>\n</body>`);
      for (const name of Object.keys(bundle)) {
        delete bundle[name];
      }
      this.emitFile({ type: "asset", fileName: "page.html", source });
      const engine = JSON.parse(readFileSync(at("../node_modules/onnxruntime-web/package.json"), "utf-8")) as { version: string };
      const runtime = `onnxruntime-web ${engine.version}`;
      const wasm = readFileSync(at(`../node_modules/onnxruntime-web/dist/${RUNTIME}`));
      const zipped = (content: string | Uint8Array): Uint8Array => gzipSync(content, { level: 9 });
      this.emitFile({ type: "asset", fileName: `${RUNTIME}.gz`, source: zipped(wasm) });
      this.emitFile({ type: "asset", fileName: "NOTICES.txt.gz", source: zipped(notices(at(".."), runtime)) });
      const record = { runtime, sources: hashOfSources(at("..")), wasm: createHash("sha256").update(wasm).digest("hex") };
      this.emitFile({ type: "asset", fileName: "built.json", source: `${JSON.stringify(record, null, 2)}\n` });
    },
  };
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

export default defineConfig({
  root: at("."),
  resolve: { alias: { "hybridx-web": at("../hybridx-web/src/index.ts") } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: OUT,
    emptyOutDir: false,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  plugins: [oneFile()],
});
