/** What the page shows now. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Engine, Row } from "./engine";
import type { Sample } from "./sample";

export interface State {
  engine: Engine;
  /** The row that the inputs show. */
  sample: Signal<Sample>;
  digits: Signal<number>;
  /** The last row that was computed, with its outputs; null before the first. */
  shown: ReadonlySignal<{ sample: Sample; outputs: Row } | null>;
  /** Why the model does not run on the row. */
  failure: ReadonlySignal<string>;
  set(sample: Sample): void;
}

/** Return the state of a page; each row that is set is computed, but for those that another follows at once. */
export function stateOf(engine: Engine, first: Sample): State {
  const sample = signal(first);
  const shown = signal<{ sample: Sample; outputs: Row } | null>(null);
  const failure = signal("");
  let isRunning = false;
  const run = async (): Promise<void> => {
    if (isRunning) {
      return;
    }
    isRunning = true;
    let done: Sample | null = null;
    while (done !== sample.value) {
      done = sample.value;
      try {
        const [outputs] = await engine.predict([done]);
        shown.value = outputs === undefined ? null : { sample: done, outputs };
        failure.value = "";
      } catch (error) {
        failure.value = reasonOf(error);
      }
      // Lets the browser draw, and take the next move of a slider.
      await new Promise((next) => requestAnimationFrame(next));
    }
    isRunning = false;
  };
  const set = (next: Sample): void => {
    sample.value = next;
    void run();
  };
  set(first);
  return { engine, sample, shown, failure, digits: signal(4), set };
}

/** Return why something failed, for people. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
