/** Inputs that are lists of whole numbers: a text of them. */
import { useSignal } from "@preact/signals";
import type { InputFacts } from "../facts";
import { hasBatch, withPart } from "../sample";
import type { State } from "../state";
import { unfit } from "../table";

interface Props {
  state: State;
  input: InputFacts;
}

export function TokensInput({ state, input }: Props) {
  const part = state.sample.value.get(input.name) ?? { data: [], dims: [] };
  const text = useSignal(part.data.join(" "));
  const wrong = useSignal("");
  const length = input.shape[hasBatch(input) ? 1 : 0];
  const id = `tokens-${input.name}`;
  return (
    <div class="editor">
      <label for={id}>
        Whole numbers with spaces between them{typeof length === "number" ? `, ${length} in all` : ", as many as you like"}
      </label>
      <textarea
        id={id}
        rows={3}
        spellcheck={false}
        inputMode="numeric"
        value={text.value}
        aria-invalid={wrong.value !== ""}
        aria-describedby={`${id}-wrong`}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          const words = text.value.split(/[\s,;]+/).filter((word) => word !== "");
          const bad = words.find((word) => !/^-?\d{1,15}$/.test(word) || unfit(Number(word), input.dtype) !== null);
          if (bad !== undefined) {
            wrong.value = `${JSON.stringify(bad)} is no number that the model takes.`;
          } else if (words.length === 0 || (typeof length === "number" && words.length !== length)) {
            wrong.value = `There are ${words.length} numbers, and the model takes ${typeof length === "number" ? length : "one at least"}.`;
          } else {
            wrong.value = "";
            state.set(withPart(state.sample.value, input.name, { data: words.map(Number), dims: [words.length] }));
          }
        }}
      />
      <p class="wrong" id={`${id}-wrong`} role="status">
        {wrong.value}
      </p>
    </div>
  );
}
