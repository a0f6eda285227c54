/** What `hybridx page` has put into this page, each in a script element that no browser runs. */
import type { Facts } from "./facts";

/** Return the licences of what is in this page. */
export async function readNotices(): Promise<string> {
  notices ??= unzipped(fromBase64(textOf("hybridx-notices")));
  return new TextDecoder().decode(await notices);
}

let notices: Promise<Uint8Array> | undefined;

/** Return the facts, the bytes of the model and those of ONNX Runtime's WebAssembly. */
export async function readEmbedded(): Promise<{ facts: Facts; model: Uint8Array<ArrayBuffer>; runtime: Uint8Array<ArrayBuffer> }> {
  const facts = JSON.parse(textOf("hybridx-facts")) as Facts;
  const runtime = await unzipped(fromBase64(textOf("hybridx-runtime")));
  return { facts, model: fromBase64(textOf("hybridx-model")), runtime };
}

function textOf(id: string): string {
  const element = document.getElementById(id);
  const text = element?.textContent ?? "";
  element?.remove(); // megabytes that nobody reads again
  return text.trim();
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const quick = (Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (quick !== undefined) {
    return quick.call(Uint8Array, text);
  }
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) {
    bytes[at] = letters.charCodeAt(at);
  }
  return bytes;
}

async function unzipped(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
