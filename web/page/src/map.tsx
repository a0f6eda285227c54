/** What the model says over a plane of two inputs. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { colourOf, mixed, type Rgb, rgbOf, scaled } from "./colours";
import { type Engine, labelsOf, largest, softmax } from "./engine";
import type { OutputFacts, Range } from "./facts";
import { cut, shown, stepOf, ticks } from "./numbers";
import { isWhole, replaced, type Sample } from "./sample";
import { reasonOf, type State } from "./state";

const GRIDS = [12, 24, 48, 96]; // cells on a side, one after another
const PATIENCE = 700; // ms after which a map is not made finer by itself
const SLICE = 24; // ms of work between two pictures, about

/** A number of the inputs that a slider moves. */
interface Axis {
  input: string;
  at: number;
  name: string;
  range: Range;
  isWhole: boolean;
}

function axesOf(engine: Engine): Axis[] {
  return engine.inputs.flatMap(({ name, dtype, kind, columns, ranges }) =>
    kind === "table" ? columns.map((column, at) => ({ input: name, at, name: column, range: ranges[at] ?? { least: -1, most: 1, start: 0 }, isWhole: isWhole(dtype) })) : [],
  );
}

/** What a map shows: the class of an output, or one of its numbers. */
interface Subject {
  output: OutputFacts;
  at: number | null;
  name: string;
}

function subjectsOf(state: State): Subject[] {
  const outputs = state.shown.value?.outputs;
  return state.engine.outputs.flatMap((output): Subject[] => {
    const part = outputs?.get(output.name);
    if (part === undefined || part.dims.length > 1 || part.data.length > 64) {
      return [];
    }
    const isClass = output.meaning !== "numbers" && part.data.length > 1;
    const numbers = labelsOf(output, part.data.length).map((name, at) => ({ output, at, name: isClass ? `${name}, as a number` : name }));
    return isClass ? [{ output, at: null, name: "the class" }, ...numbers] : numbers;
  });
}

interface Grid {
  side: number;
  /** By cell, row by row from the top: the class and its share, or a number. */
  values: Float64Array;
  classes: Int32Array | null;
  least: number;
  most: number;
}

export function canMap(state: State): boolean {
  return axesOf(state.engine).length >= 2 && subjectsOf(state).length > 0;
}

export function DecisionMap({ state }: { state: State }) {
  const axes = axesOf(state.engine);
  const subjects = subjectsOf(state);
  const across = useSignal(0);
  const up = useSignal(1);
  const subject = useSignal(0);
  const grid = useSignal<Grid | null>(null);
  const failure = useSignal("");
  const hovered = useSignal<[number, number] | null>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [x, y, what] = [axes[across.value], axes[up.value], subjects[subject.value]];
  const sample = state.sample.value;
  useEffect(() => {
    void strongest(state.engine, sample, axes, subjects[0]).then(([first, second]) => {
      [across.value, up.value] = [first, second];
    }, () => undefined); // the map itself says why the model does not run
  }, []);
  // The map depends on all inputs but the two that it runs over.
  const others = JSON.stringify(axes.map(({ input, at }) => (at === x?.at && input === x.input) || (at === y?.at && input === y.input) ? null : sample.get(input)?.data[at]));
  const noTables = state.engine.inputs.filter(({ kind }) => kind !== "table").map(({ name }) => sample.get(name));

  useEffect(() => {
    if (x === undefined || y === undefined || what === undefined) {
      return;
    }
    const stop = new AbortController();
    failure.value = "";
    compute(state.engine, sample, x, y, what, stop.signal, (next) => (grid.value = next)).catch((error: unknown) => {
      failure.value = reasonOf(error);
    });
    return () => stop.abort();
  }, [across.value, up.value, subject.value, others, ...noTables]);

  useEffect(() => {
    if (canvas.current !== null && grid.value !== null) {
      paint(canvas.current, grid.value);
    }
  }, [grid.value]);

  if (x === undefined || y === undefined || what === undefined) {
    return null;
  }
  const now: [number, number] = [sample.get(x.input)?.data[x.at] ?? 0, sample.get(y.input)?.data[y.at] ?? 0];
  const move = (to: [number, number]): void => state.set(replaced(replaced(sample, x.input, x.at, to[0]), y.input, y.at, to[1]));
  const pointed = (event: PointerEvent & { currentTarget: HTMLElement }): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    const [right, top] = [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height].map((one) => Math.min(1, Math.max(0, one))) as [number, number];
    return [valueAt(right, x), valueAt(top, y)];
  };
  const labels = labelsOf(what.output, Math.max(what.output.classes.length, 1));
  const here = hovered.value ?? now;
  const digits = state.digits.value;
  const row = state.shown.value?.outputs.get(what.output.name)?.data ?? [];
  // Of the row itself the model has said it exactly; elsewhere the nearest point of the grid is known.
  const said = hovered.value === null ? saidOf(pointOf(what, row), what.at === null, labels, digits) : grid.value === null ? "…" : saidOf(read(grid.value, here, x.range, y.range), what.at === null, labels, digits);
  return (
    <section class="card" id="map" aria-labelledby="map-title">
      <h2 id="map-title">Decision map</h2>
      <p class="quiet">What the model gives over two inputs, while the others stay as they are. Click, drag or use the arrow keys to move the row.</p>
      <div class="choices">
        <Choice label="Across" value={across.value} names={axes.map(({ name }) => name)} choose={(at) => { if (at === up.value) { up.value = across.value; } across.value = at; }} />
        <Choice label="Up" value={up.value} names={axes.map(({ name }) => name)} choose={(at) => { if (at === across.value) { across.value = up.value; } up.value = at; }} />
        <Choice label="Shows" value={subject.value} names={subjects.map(({ name }) => name)} choose={(at) => (subject.value = at)} />
      </div>
      {failure.value !== "" && <p class="wrong" role="alert">The map cannot be drawn: {failure.value}</p>}
      <div class="map">
      <div class="plane">
        <bdi class="y-name" title={y.name}>{y.name}</bdi>
        <div class="y-ticks" aria-hidden="true">
          {ticks(y.range.least, y.range.most, 5).map((one) => (
            <span key={one} style={{ bottom: `${shareOf(one, y.range)}%` }}>{shown(one, 3)}</span>
          ))}
        </div>
        <div
          class="picture"
          tabIndex={0}
          role="application"
          aria-roledescription="decision map"
          aria-label={`${what.name} by ${x.name} and ${y.name}; the arrow keys move the row`}
          onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); move(pointed(event)); }}
          onPointerMove={(event) => { const at = pointed(event); hovered.value = at; if (event.buttons & 1) { move(at); } }}
          onPointerLeave={() => (hovered.value = null)}
          onKeyDown={(event) => {
            const by = (KEYS[event.key] ?? null)?.map((one) => one * (event.shiftKey ? 5 : 1));
            if (by !== undefined) {
              event.preventDefault();
              move([stepped(now[0], by[0] ?? 0, x), stepped(now[1], by[1] ?? 0, y)]);
            }
          }}
        >
          <canvas ref={canvas} aria-hidden="true" />
          <span class="here" style={{ left: `${clamped(shareOf(now[0], x.range))}%`, bottom: `${clamped(shareOf(now[1], y.range))}%` }} />
        </div>
        <div class="x-ticks" aria-hidden="true">
          {ticks(x.range.least, x.range.most, 5).map((one) => (
            <span key={one} style={{ left: `${shareOf(one, x.range)}%` }}>{shown(one, 3)}</span>
          ))}
        </div>
        <bdi class="x-name" title={x.name}>{x.name}</bdi>
      </div>
        <div class="beside">
          <Legend grid={grid.value} labels={labels} digits={state.digits.value} name={what.name} />
          <dl class="reading">
            <div>
              <dt><bdi>{x.name}</bdi></dt>
              <dd>{shown(here[0], state.digits.value)}</dd>
            </div>
            <div>
              <dt><bdi>{y.name}</bdi></dt>
              <dd>{shown(here[1], state.digits.value)}</dd>
            </div>
            <div>
              <dt>{hovered.value === null ? "the row" : "at the pointer"}</dt>
              <dd><b>{said}</b></dd>
            </div>
          </dl>
        </div>
      </div>
    </section>
  );
}

const KEYS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

interface ChoiceProps {
  label: string;
  value: number;
  names: string[];
  choose: (at: number) => void;
}

export function Choice({ label, value, names, choose }: ChoiceProps) {
  const id = useId();
  return (
    <div class="choice">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => choose(Number(event.currentTarget.value))}>
        {names.map((name, at) => (
          <option key={at} value={at}>{cut(name)}</option>
        ))}
      </select>
    </div>
  );
}

function Legend({ grid, labels, digits, name }: { grid: Grid | null; labels: string[]; digits: number; name: string }) {
  if (grid === null) {
    return null;
  }
  if (grid.classes !== null) {
    const found = new Set(grid.classes);
    return (
      <ul class="legend">
        {labels.map((label, at) => (
          <li key={at} class={found.has(at) ? "" : "absent"}>
            <span class="swatch" style={{ background: colourOf(at) }} />
            <bdi title={label}>{label}</bdi>
            {!found.has(at) && <span class="quiet"> nowhere here</span>}
          </li>
        ))}
        <li class="quiet">paler where the model is less sure</li>
      </ul>
    );
  }
  if (grid.least > grid.most) {
    return <p class="quiet">The model gives no finite number here.</p>;
  }
  const stops = Array.from({ length: 11 }, (_, at) => `rgb(${scaled(at / 10).map(Math.round).join(" ")})`);
  return (
    <div class="colourbar">
      <span>{shown(grid.least, digits)}</span>
      <span class="ramp" role="img" aria-label={`${name} from ${shown(grid.least, digits)}, dark blue, to ${shown(grid.most, digits)}, yellow`} style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }} />
      <span>{shown(grid.most, digits)}</span>
    </div>
  );
}

/** Return the two inputs that change a subject most from end to end, in their order. */
async function strongest(engine: Engine, sample: Sample, axes: readonly Axis[], what: Subject | undefined): Promise<[number, number]> {
  const ends = axes.flatMap(({ input, at, range }) => [range.least, range.most].map((end) => replaced(sample, input, at, end)));
  const found = await engine.predict(ends);
  const numbers = found.map((row) => {
    const data = what === undefined ? [] : (row.get(what.output.name)?.data ?? []);
    return what?.at != null ? data.slice(what.at, what.at + 1) : what?.output.meaning === "logits" ? softmax(data) : data;
  });
  const changes = axes.map((_, at) => Math.hypot(...(numbers[2 * at] ?? []).map((one, place) => one - (numbers[2 * at + 1]?.[place] ?? one))));
  const order = axes.map((_, at) => at).sort((first, second) => (changes[second] ?? 0) - (changes[first] ?? 0) || first - second);
  const [first = 0, second = 1] = order.slice(0, 2).sort((one, other) => one - other);
  return [first, second];
}

async function compute(engine: Engine, sample: Sample, x: Axis, y: Axis, what: Subject, stop: AbortSignal, show: (grid: Grid) => void): Promise<void> {
  const began = performance.now();
  let rowsAtOnce = 48;
  for (const side of GRIDS) {
    if (performance.now() - began > PATIENCE) {
      return;
    }
    const values = new Float64Array(side * side);
    const classes = what.at === null ? new Int32Array(side * side) : null;
    for (let first = 0; first < side * side; first += 0) {
      const count = Math.min(rowsAtOnce, side * side - first);
      const rows = Array.from({ length: count }, (_, at) => {
        const cell = first + at;
        const right = ((cell % side) + 0.5) / side;
        const top = 1 - (Math.floor(cell / side) + 0.5) / side;
        const moved = replaced(sample, x.input, x.at, valueAt(right, x));
        return replaced(moved, y.input, y.at, valueAt(top, y));
      });
      const before = performance.now();
      const found = await engine.predict(rows);
      found.forEach((row, at) => {
        const { best, value } = pointOf(what, row.get(what.output.name)?.data ?? []);
        values[first + at] = value;
        if (classes !== null) {
          classes[first + at] = best;
        }
      });
      const took = performance.now() - before;
      rowsAtOnce = Math.max(1, Math.min(2048, Math.round(rowsAtOnce * Math.min(4, SLICE / Math.max(1, took)))));
      first += count;
      await new Promise((next) => setTimeout(next));
      if (stop.aborted) {
        return;
      }
    }
    const finite = values.filter(Number.isFinite);
    const [least, most] = finite.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
    show({ side, values, classes, least, most });
  }
}

function paint(canvas: HTMLCanvasElement, { side, values, classes, least, most }: Grid): void {
  [canvas.width, canvas.height] = [side, side];
  const pen = canvas.getContext("2d");
  if (pen === null) {
    return;
  }
  const picture = pen.createImageData(side, side);
  const count = classes === null ? 0 : Math.max(2, new Set(classes).size);
  values.forEach((value, cell) => {
    let colour: Rgb = [128, 128, 128];
    if (!Number.isFinite(value)) {
      // It stays grey.
    } else if (classes !== null) {
      const sure = Math.min(1, Math.max(0, (value - 1 / count) / (1 - 1 / count)));
      colour = mixed([255, 255, 255], rgbOf(classes[cell] ?? 0), 0.35 + 0.65 * sure);
    } else {
      colour = scaled(most > least ? (value - least) / (most - least) : 0.5);
    }
    picture.data.set([...colour.map(Math.round), 255], 4 * cell);
  });
  pen.putImageData(picture, 0, 0);
  canvas.classList.toggle("smooth", classes === null);
}

interface Point {
  best: number;
  value: number;
}

/** Return what a map says of the outputs of a row: a class with its share, or a number. */
function pointOf({ output, at }: Subject, numbers: readonly number[]): Point {
  if (at !== null) {
    return { best: 0, value: numbers[at] ?? Number.NaN };
  }
  const best = largest(numbers);
  return { best, value: (output.meaning === "logits" ? softmax(numbers) : numbers)[best] ?? Number.NaN };
}

function saidOf({ best, value }: Point, isClass: boolean, labels: string[], digits: number): string {
  if (isClass && best < 0) {
    return "no class";
  }
  return isClass ? `${labels[best]}, ${shown(100 * value, Math.max(2, digits - 1))} %` : shown(value, digits);
}

function read({ side, values, classes }: Grid, [x, y]: [number, number], across: Range, up: Range): Point {
  const column = Math.floor((clamped(shareOf(x, across)) / 100) * side * 0.999999);
  const row = Math.floor((1 - clamped(shareOf(y, up)) / 100) * side * 0.999999);
  const cell = row * side + column;
  return { best: classes?.[cell] ?? 0, value: values[cell] ?? Number.NaN };
}

function shareOf(value: number, { least, most }: Range): number {
  return (100 * (value - least)) / (most - least);
}

function clamped(share: number): number {
  return Math.min(100, Math.max(0, share));
}

function valueAt(share: number, { range: { least, most }, isWhole }: Axis): number {
  return onStep(least + share * (most - least), { least, most }, isWhole);
}

function stepped(value: number, by: number, { range: { least, most }, isWhole }: Axis): number {
  return onStep(Math.min(most, Math.max(least, value + (isWhole ? by : (by * (most - least)) / 50))), { least, most }, isWhole);
}

/** Return the nearest number that a slider of this range gives. */
function onStep(value: number, range: Pick<Range, "least" | "most">, isWhole: boolean): number {
  const step = isWhole ? 1 : stepOf(range);
  return Number((Math.round(value / step) * step).toPrecision(15));
}
