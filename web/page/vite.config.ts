/** Builds the page as one HTML file, whose content security policy names its script and its style by their hashes. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const OUT = fileURLToPath(new URL("../../hybridx/web_page/built/", import.meta.url));
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
      page.source = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, "")
        .replace(/\s*<link rel="stylesheet"[^>]*>/, "")
        .replace('<meta charset="utf-8">', (found) => `${found}\n<meta http-equiv="Content-Security-Policy" content="${policy}">`)
        .replace("<title>hybridx</title>", "<title>@TITLE@</title>")
        .replace("</head>", () => `<style>${style}</style>\n</head>`)
        .replace("</body>", () => `@DATA@<script type="module">${script}</script>\n</body>`);
      page.fileName = "page.html";
      delete bundle["index.html"];
      bundle["page.html"] = page;
      for (const one of [...chunks, ...styles]) {
        delete bundle[one.fileName];
      }
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
