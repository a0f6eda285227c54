/** Inputs of any form: their numbers as JSON. */
import { useSignal } from "@preact/signals";
import type { InputFacts } from "../facts";
import { flattened, misfit, nested, type Part, withPart } from "../sample";
import type { State } from "../state";
import { unfit } from "../table";

const MOST_SHOWN = 20_000; // numbers in the editor

interface Props {
  state: State;
  input: InputFacts;
}

export function ArrayInput({ state, input }: Props) {
  const part = state.sample.value.get(input.name) ?? { data: [], dims: [] };
  const isLong = part.data.length > MOST_SHOWN;
  const text = useSignal(isLong ? "" : written(part, input.dtype));
  const wrong = useSignal("");
  const id = `array-${input.name}`;
  const take = (given: string): void => {
    const found = read(given, input);
    wrong.value = typeof found === "string" ? found : "";
    if (typeof found !== "string") {
      state.set(withPart(state.sample.value, input.name, found));
    }
  };
  return (
    <div class="editor">
      <label for={id}>
        One row of numbers as JSON, shape ({part.dims.join(", ")})
        {isLong && ` — ${part.data.length.toLocaleString("en")} numbers are too many to show; give others here or as a file`}
      </label>
      <textarea
        id={id}
        spellcheck={false}
        rows={Math.min(12, Math.max(3, text.value.split("\n").length))}
        value={text.value}
        aria-invalid={wrong.value !== ""}
        aria-describedby={`${id}-wrong`}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          take(text.value);
        }}
      />
      <p class="wrong" id={`${id}-wrong`} role="status">
        {wrong.value}
      </p>
      <label class="button">
        Open a JSON file
        <input
          type="file"
          accept=".json,application/json"
          onChange={async (event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = ""; // so that the same file can be opened again
            if (file !== undefined) {
              const given = await file.text();
              text.value = given.length > 10 * MOST_SHOWN ? "" : given;
              take(given);
            }
          }}
        />
      </label>
    </div>
  );
}

function read(text: string, input: InputFacts): Part | string {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return "This is not JSON yet.";
  }
  const found = flattened(given);
  if (typeof found === "string") {
    return `This is no array: ${found}.`;
  }
  const wrong = misfit(input, found.dims);
  if (wrong !== null) {
    return `This does not fit: ${wrong}.`;
  }
  const bad = found.data.find((value) => unfit(value, input.dtype) !== null);
  return bad === undefined ? found : `${bad} does not fit: ${unfit(bad, input.dtype)}.`;
}

/** Return numbers as JSON, the innermost lists on lines of their own. */
function written(part: Part, dtype: string): string {
  return JSON.stringify(nested({ ...part, data: dtype === "float32" ? part.data.map(shortest) : part.data }))
    .replaceAll("],[", "],\n[")
    .replaceAll(",", ", ")
    .replaceAll(", \n", ",\n");
}

/** Return the number with the fewest digits that is the same in float32. */
function shortest(value: number): number {
  return [6, 7, 8].map((digits) => Number(value.toPrecision(digits))).find((one) => Math.fround(one) === Math.fround(value)) ?? Number(value.toPrecision(9));
}
