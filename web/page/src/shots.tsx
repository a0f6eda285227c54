/** What a device that takes shots would give: the same row again and again. */
import { useSignal } from "@preact/signals";
import { colourOf } from "./colours";
import { labelsOf, largest, type Row, softmax } from "./engine";
import type { OutputFacts } from "./facts";
import { counted, shown, ticks } from "./numbers";
import { Choice } from "./map";
import { reasonOf, type State } from "./state";

const SHOTS = [10, 30, 100, 300, 1000, 3000, 10_000, 100_000];
const RUNS = 100;
const BINS = 28;
const PATIENCE = 4000; // ms for all runs

interface Drawn {
  shots: number;
  seed: number;
  exact: Row;
  runs: Row[];
}

/** Return why shots cannot be drawn, or null. */
function refusal(state: State): string | null {
  const hidden = state.engine.model.circuits.find((one) => one.notShown !== null);
  return hidden === undefined ? null : `${hidden.layer}: ${hidden.notShown}`;
}

export function Shots({ state }: { state: State }) {
  const shots = useSignal(1000);
  const seed = useSignal(1);
  const drawn = useSignal<Drawn | null>(null);
  const isBusy = useSignal(false);
  const failure = useSignal("");
  const said = useSignal("");
  if (state.engine.model.circuits.length === 0) {
    return null;
  }
  const why = refusal(state);
  const draw = async (): Promise<void> => {
    const now = state.shown.value;
    if (now === null || isBusy.value) {
      return;
    }
    isBusy.value = true;
    failure.value = "";
    try {
      const runs: Row[] = [];
      const began = performance.now();
      // The first run tells how many fit into the time.
      for (let count = 1; runs.length < RUNS && performance.now() - began < PATIENCE; count = Math.min(RUNS - runs.length, 25)) {
        const before = performance.now();
        const rows = Array.from({ length: count }, () => now.sample);
        runs.push(...(await state.engine.sampled(rows, shots.value, seed.value * 1000 + runs.length)));
        if (performance.now() - before > PATIENCE / 2) {
          break;
        }
        await new Promise((next) => setTimeout(next));
      }
      drawn.value = { shots: shots.value, seed: seed.value, exact: now.outputs, runs };
      said.value = `${counted(runs.length, "run")} of ${counted(shots.value, "shot")} drawn with seed ${seed.value}.`;
    } catch (error) {
      failure.value = reasonOf(error);
    }
    isBusy.value = false;
  };
  const isStale = drawn.value !== null && state.shown.value?.outputs !== drawn.value.exact;
  return (
    <section class="card" id="shots" aria-labelledby="shots-title">
      <h2 id="shots-title">Sampling noise</h2>
      <p class="quiet">A quantum computer gives no exact means, but counts of some shots. Here the circuits are sampled from their exact distributions, {RUNS} times over for the row above.</p>
      {why !== null ? (
        <p class="quiet">This model is not sampled here: {why}</p>
      ) : (
        <div class="choices">
          <Choice label="Shots" value={SHOTS.indexOf(shots.value)} names={SHOTS.map((one) => one.toLocaleString("en"))} choose={(at) => (shots.value = SHOTS[at] ?? 1000)} />
          <div class="choice">
            <label for="seed">Seed</label>
            <input id="seed" type="number" min={0} max={1_000_000_000} step={1} value={seed.value} onChange={(event) => (seed.value = Math.max(0, Math.min(1e9, Math.round(event.currentTarget.valueAsNumber || 0))))} />
          </div>
          <button type="button" class="main" disabled={isBusy.value} onClick={() => void draw()}>
            Draw
          </button>
          <button type="button" disabled={isBusy.value || drawn.value === null} onClick={() => { seed.value += 1; void draw(); }}>
            Again, with the next seed
          </button>
        </div>
      )}
      <p class={said.value === "" ? "hidden" : "quiet"} role="status">
        {isBusy.value ? "Drawing…" : said.value}
        {isStale && " The row has changed since: draw again."}
      </p>
      {failure.value !== "" && (
        <p class="wrong" role="alert">
          Shots cannot be drawn: {failure.value}
        </p>
      )}
      {drawn.value !== null && state.engine.outputs.map((output) => <OutputNoise key={output.name} output={output} drawn={drawn.value as Drawn} digits={state.digits.value} />)}
    </section>
  );
}

function OutputNoise({ output, drawn, digits }: { output: OutputFacts; drawn: Drawn; digits: number }) {
  const exact = drawn.exact.get(output.name)?.data ?? [];
  const runs = drawn.runs.map((row) => row.get(output.name)?.data ?? []);
  if (exact.length > 16) {
    return <p class="quiet">The output {output.name} has {exact.length} numbers, too many to show here.</p>;
  }
  const isClass = output.meaning !== "numbers" && exact.length > 1;
  const labels = labelsOf(output, exact.length);
  const asShown = (row: readonly number[]): readonly number[] => (output.meaning === "logits" ? softmax(row) : row);
  const [truth, noisy] = [asShown(exact), runs.map(asShown)];
  const unknown = runs.filter((row) => largest(row) < 0).length;
  const counts = labels.map((_, at) => runs.filter((row) => largest(row) === at).length);
  return (
    <>
      {isClass && (
        <p class="verdicts">
          Class by run:{" "}
          {labels.map((label, at) =>
            (counts[at] ?? 0) > 0 ? (
              <span key={at} class="tally">
                <span class="swatch" style={{ background: colourOf(at) }} />
                <bdi title={label}>{label}</bdi> <b>{counts[at]}</b>
              </span>
            ) : null,
          )}
          {unknown > 0 && <span class="tally">no class <b>{unknown}</b></span>}{" "}
          <span class="quiet">of {runs.length}</span>
        </p>
      )}
      <div class="histograms">
        {labels.map((label, at) => (
          <Histogram key={at} label={isClass ? `${label}, ${output.meaning === "logits" ? "probability" : "output"}` : label} exact={truth[at] ?? 0} values={noisy.map((row) => row[at] ?? 0)} colour={isClass ? colourOf(at) : ""} digits={digits} />
        ))}
      </div>
    </>
  );
}

interface HistogramProps {
  label: string;
  exact: number;
  values: number[];
  colour: string;
  digits: number;
}

const [WIDTH, HEIGHT] = [300, 92];

function Histogram(given: HistogramProps) {
  const { label, exact, values, digits } = given;
  if ([exact, ...values].every(Number.isFinite)) {
    return <FiniteHistogram {...given} />;
  }
  return (
    <figure class="histogram">
      <figcaption>
        <bdi class="name" title={label}>{label}</bdi>
        <span class="quiet">
          exact {shown(exact, digits)}; {counted(values.filter((one) => !Number.isFinite(one)).length, "run")} of {values.length} NaN or infinite
        </span>
      </figcaption>
    </figure>
  );
}

function FiniteHistogram({ label, exact, values, colour, digits }: HistogramProps) {
  const [lowest, highest] = [Math.min(exact, ...values), Math.max(exact, ...values)];
  const pad = (highest - lowest) * 0.06 || Math.abs(exact) * 0.1 || 1;
  const [least, most] = [lowest - pad, highest + pad];
  const bins = new Array<number>(BINS).fill(0);
  values.forEach((value) => {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((value - least) / (most - least)) * BINS)));
    bins[bin] = (bins[bin] ?? 0) + 1;
  });
  const tallest = Math.max(...bins, 1);
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const spread = values.length < 2 ? 0 : Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (values.length - 1));
  const x = (value: number): number => ((value - least) / (most - least)) * WIDTH;
  const step = WIDTH / BINS;
  return (
    <figure class="histogram">
      <figcaption>
        <bdi class="name" title={label}>{label}</bdi>
        <span class="quiet">
          exact {shown(exact, digits)}; mean {shown(mean, digits)} ± {shown(spread, 2)}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT + 18}`} role="img" aria-label={`${label}: exact ${shown(exact, digits)}, ${values.length} runs with mean ${shown(mean, digits)} and standard deviation ${shown(spread, 2)}`}>
        {bins.map((count, at) => count > 0 && <rect key={at} class="bin" x={at * step + 0.5} y={HEIGHT - (count / tallest) * (HEIGHT - 16)} width={step - 1} height={(count / tallest) * (HEIGHT - 16)} style={colour === "" ? {} : { fill: colour }} />)}
        <line class="base" x1={0} x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        <line class="exact" x1={x(exact)} x2={x(exact)} y1={0} y2={HEIGHT} />
        <path class="spread" d={`M${x(mean - spread)} 4V12M${x(mean - spread)} 8H${x(mean + spread)}M${x(mean + spread)} 4V12`} />
        {ticks(least, most, 6).filter((one) => x(one) > 22 && x(one) < WIDTH - 22).map((one) => (
          <text key={one} x={x(one)} y={HEIGHT + 14} text-anchor="middle">{shown(one, 3)}</text>
        ))}
      </svg>
    </figure>
  );
}
