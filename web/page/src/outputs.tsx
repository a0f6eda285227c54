/** The outputs of the row that is shown: bars, or the numbers of an array. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { colourOf } from "./colours";
import { labelsOf, largest, softmax } from "./engine";
import type { OutputFacts } from "./facts";
import { shown, shownAs, ticks } from "./numbers";
import { nested, type Part } from "./sample";
import type { State } from "./state";

const MOST_BARS = 64;

export function Outputs({ state }: { state: State }) {
  const now = state.shown.value;
  return (
    <section class="card" id="outputs" aria-labelledby="outputs-title">
      <h2 id="outputs-title">Outputs</h2>
      {state.failure.value !== "" && (
        <p class="wrong" role="alert">
          The model does not run on this row: {state.failure.value}
        </p>
      )}
      {state.engine.outputs.map((output) => {
        const part = now?.outputs.get(output.name);
        return part === undefined ? null : <Output key={output.name} output={output} part={part} digits={state.digits.value} isAlone={state.engine.outputs.length === 1} />;
      })}
    </section>
  );
}

interface Props {
  output: OutputFacts;
  part: Part;
  digits: number;
  isAlone: boolean;
}

function Output({ output, part, digits, isAlone }: Props) {
  const isRaw = useSignal(false);
  const { data, dims } = part;
  const isRow = dims.length <= 1 && data.length <= MOST_BARS;
  const isLogits = output.meaning === "logits" && data.length > 1;
  const numbers = isLogits && !isRaw.value ? softmax(data) : data;
  const isShare = output.meaning === "probabilities" || (isLogits && !isRaw.value);
  const best = largest(data);
  const labels = labelsOf(output, data.length);
  const names = isShare ? numbers.map((one) => `${shown(100 * one, Math.max(2, digits - 1))} %`) : numbers.map((one) => shownAs(one, output.dtype, digits));
  return (
    <div class="output">
      {!isAlone && <h3><bdi>{output.name}</bdi></h3>}
      {isRow ? (
        <>
          {output.meaning !== "numbers" && data.length > 1 && (
            <p class="verdict" aria-live="polite">
              {best < 0 ? (
                "No class: the model gives NaN"
              ) : (
                <>
                  <span class="dot" style={{ background: colourOf(best) }} />
                  <bdi title={labels[best]}>{labels[best]}</bdi>
                  <span class="share">{isShare ? names[best] : ""}</span>
                </>
              )}
            </p>
          )}
          <Bars labels={labels} numbers={numbers} texts={names} isShare={isShare} best={output.meaning === "numbers" ? -1 : best} isColoured={output.meaning !== "numbers"} />
          {output.meaning === "numbers" && (
            <p class="hidden" aria-live="polite">
              {labels.slice(0, 8).map((label, at) => `${label} is ${names[at]}`).join(", ")}
            </p>
          )}
          {isLogits && (
            <label class="check">
              <input type="checkbox" checked={isRaw.value} onChange={(event) => (isRaw.value = event.currentTarget.checked)} />
              Show the logits that the model gives, without softmax
            </label>
          )}
        </>
      ) : (
        <ArrayOf part={part} dtype={output.dtype} digits={digits} />
      )}
    </div>
  );
}

interface BarsProps {
  labels: string[];
  numbers: readonly number[];
  texts: string[];
  isShare: boolean;
  best: number;
  isColoured: boolean;
}

function Bars({ labels, numbers, texts, isShare, best, isColoured }: BarsProps) {
  // The scale only grows, so that a bar that moves is a number that changes.
  const ends = useRef<[number, number]>([0, 0]);
  const finite = numbers.filter(Number.isFinite);
  const kept = isShare ? [0, 1] as const : [Math.min(ends.current[0], ...finite), Math.max(ends.current[1], ...finite)] as const;
  if (!isShare) {
    ends.current = [...kept];
  }
  const [least, most] = isShare ? kept : rounded(...kept);
  const place = (value: number): number => (100 * (value - least)) / (most - least);
  return (
    <ul class="bars">
      {labels.map((label, at) => {
        const value = numbers[at] ?? Number.NaN;
        const [from, to] = value < 0 ? [place(value), place(0)] : [place(0), place(value)];
        const isFinite = Number.isFinite(value);
        return (
          <li key={at} class={at === best ? "best" : ""}>
            <bdi class="name" title={label}>{label}</bdi>
            <span class="track" aria-hidden="true">
              {isFinite && <span class="bar" style={{ left: `${from}%`, width: `${Math.max(0.3, to - from)}%`, ...(isColoured ? { background: colourOf(at) } : {}) }} />}
              {least < 0 && <span class="zero" style={{ left: `${place(0)}%` }} />}
            </span>
            <span class="number">{texts[at]}</span>
          </li>
        );
      })}
      <li class="scale" aria-hidden="true">
        <span />
        <span class="track">
          {ticks(least, most, 3).map((one) => (
            <span key={one} style={{ left: `${place(one)}%` }}>{isShare ? `${Math.round(100 * one)} %` : shown(one, 3)}</span>
          ))}
        </span>
        <span />
      </li>
    </ul>
  );
}

/** Return round ends of a scale that holds zero and both numbers. */
function rounded(least: number, most: number): [number, number] {
  if (least === 0 && most === 0) {
    return [-1, 1];
  }
  const [low, high] = [Math.min(0, least), Math.max(0, most)];
  const marks = ticks(low, high, 4);
  const step = (marks[1] ?? 1) - (marks[0] ?? 0) || high - low;
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

function ArrayOf({ part, dtype, digits }: { part: Part; dtype: string; digits: number }) {
  const most = 2000;
  const short = part.data.slice(0, most).map((one) => shownAs(one, dtype, digits));
  const lists = part.data.length <= most ? JSON.stringify(nested({ ...part, data: short })) : `${JSON.stringify(short).slice(0, -1)},…`;
  const text = lists.replaceAll('"', "");
  return (
    <>
      <p class="quiet">An array of shape ({part.dims.join(", ")}), row by row:</p>
      <pre class="scroll" tabIndex={0} role="group" aria-label="Numbers of the output">{text.replaceAll("],[", "],\n[").replaceAll(",", ", ").replaceAll(", \n", ",\n")}</pre>
    </>
  );
}
