import { effect, signal } from "@preact/signals";
import { load, type Feeds, type Verdict } from "hybridx-web";
import { env } from "onnxruntime-web/wasm";
import { render } from "preact";
import { App } from "./app";
import { readEmbedded } from "./embedded";
import { Engine } from "./engine";
import { firstSample } from "./start";
import { reasonOf, type State, stateOf } from "./state";
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
  await tried(state);
  if (state.shown.value !== null) {
    performance.mark("hybridx-first-prediction");
  }
  // Not before the first prediction, which people wait for.
  await new Promise((next) => setTimeout(next));
  verdict.value = await model.verify().catch(reasonOf);
}

/** Wait until the first row is computed, or has failed. */
async function tried({ shown, failure }: State): Promise<void> {
  let stop = (): void => undefined;
  await new Promise<void>((next) => {
    stop = effect(() => {
      if (shown.value !== null || failure.value !== "") {
        next();
      }
    });
  });
  stop();
}

function Failed({ reason }: { reason: string }) {
  return (
    <main class="failed">
      <h1>{document.title}</h1>
      <p role="alert">This page cannot run its model: {reason}</p>
    </main>
  );
}

const place = document.getElementById("page");
if (place !== null) {
  begin(place).catch((error: unknown) => {
    place.replaceChildren();
    render(<Failed reason={reasonOf(error)} />, place);
  });
}
