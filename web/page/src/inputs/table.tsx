/** Inputs that are rows of a table: a slider and a number field for each column. */
import type { InputFacts, Range } from "../facts";
import { shown, stepOf } from "../numbers";
import { isWhole, replaced } from "../sample";
import type { State } from "../state";
import { unfit } from "../table";

const MOST_IN_FULL = 64; // sliders that stand below each other; more are scrolled

interface Props {
  state: State;
  input: InputFacts;
}

export function TableInput({ state, input }: Props) {
  const part = state.sample.value.get(input.name);
  return (
    <div class={input.columns.length > MOST_IN_FULL ? "many sliders" : "sliders"}>
      {input.columns.map((column, at) => {
        const range = input.ranges[at] ?? { least: -1, most: 1, start: 0 };
        const set = (value: number): void => state.set(replaced(state.sample.value, input.name, at, value));
        const id = `${input.name}-${at}`;
        return <Slider key={at} id={id} column={column} range={range} value={part?.data[at] ?? 0} dtype={input.dtype} set={set} />;
      })}
    </div>
  );
}

interface SliderProps {
  id: string;
  column: string;
  range: Range;
  value: number;
  dtype: string;
  set: (value: number) => void;
}

function Slider({ id, column, range, value, dtype, set }: SliderProps) {
  const step = isWhole(dtype) ? 1 : stepOf(range);
  const share = Math.min(1, Math.max(0, (value - range.least) / (range.most - range.least)));
  return (
    <div class="slider">
      <label for={id} class="name" title={column}>
        <bdi>{column}</bdi>
      </label>
      <input
        id={id}
        type="range"
        min={range.least}
        max={range.most}
        step={step}
        value={value}
        style={{ "--share": `${(100 * share).toFixed(2)}%` }}
        onInput={(event) => set(Number(event.currentTarget.value))}
      />
      <input
        type="number"
        aria-label={`${column}, as a number`}
        step={isWhole(dtype) ? 1 : "any"}
        value={value}
        onChange={(event) => {
          const number = event.currentTarget.valueAsNumber;
          if (Number.isFinite(number) && unfit(number, dtype) === null) {
            set(number);
          } else {
            event.currentTarget.value = String(value);
          }
        }}
      />
      <span class="ends" aria-hidden="true">
        <span>{shown(range.least, 3)}</span>
        <span>{shown(range.most, 3)}</span>
      </span>
    </div>
  );
}
