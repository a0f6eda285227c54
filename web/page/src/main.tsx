import { signal } from "@preact/signals";
import { load, type Feeds, type Verdict } from "hybridx-web";
import { env } from "onnxruntime-web/wasm";
import { render } from "preact";
import { App } from "./app";
import { readEmbedded } from "./embedded";
import { Engine } from "./engine";
import { firstSample } from "./start";
import { reasonOf, stateOf } from "./state";
import "./style.css";

async function begin(place: HTMLElement): Promise<void> {
  const { facts, model: bytes, runtime } = await readEmbedded();
  document.title = facts.title;
  // A page from a disk may share no memory between threads.
  env.wasm.numThreads = 1;
  const model = await load(bytes, { wasmBinary: runtime });
  const first = firstSample(facts.inputs, model);
  const state = stateOf(new Engine(facts, model), first);
  const verdict = signal<Verdict | string | null>(null);
  place.replaceChildren();
  render(<App state={state} first={first} verdict={verdict} />, place);
  Object.assign(window, { hybridx: Object.freeze({ model, predict: (rows: Feeds) => model.predict(rows) }) });
  const stop = state.shown.subscribe((shown) => {
    if (shown !== null) {
      performance.mark("hybridx-first-prediction");
      // Not before the first prediction, which people wait for.
      setTimeout(() => {
        stop();
        model.verify().then(
          (found) => (verdict.value = found),
          (error: unknown) => (verdict.value = reasonOf(error)),
        );
      });
    }
  });
}

const place = document.getElementById("page");
if (place !== null) {
  begin(place).catch((error: unknown) => {
    place.textContent = `This page cannot run its model: ${reasonOf(error)}`;
    place.setAttribute("role", "alert");
    place.className = "failed";
  });
}
