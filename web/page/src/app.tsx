/** The page. */
import { type Signal, useSignal } from "@preact/signals";
import type { Verdict } from "hybridx-web";
import { About } from "./about";
import { Batch, canBatch } from "./batch";
import { Circuits } from "./circuit/section";
import type { InputFacts } from "./facts";
import { ArrayInput } from "./inputs/array";
import { ImageInput } from "./inputs/image";
import { TableInput } from "./inputs/table";
import { TokensInput } from "./inputs/tokens";
import { canMap, DecisionMap } from "./map";
import { counted, size } from "./numbers";
import { Outputs } from "./outputs";
import type { Sample } from "./sample";
import { Shots } from "./shots";
import type { State } from "./state";

const ORIGINS = {
  data: "Sliders run over the range of the data that the page was made with.",
  "self-test": "Sliders run over the range of the inputs in the model's self-test, which are random numbers.",
  nothing: "The file does not say in which range its inputs lie.",
};

interface Props {
  state: State;
  first: Sample;
  /** What the self-test says, or why it says nothing; null while it runs. */
  verdict: Signal<Verdict | string | null>;
}

export function App({ state, first, verdict }: Props) {
  const { facts, model } = state.engine;
  const hasMap = canMap(state);
  const hasBatch = canBatch(state.engine);
  const links: [string, string, boolean][] = [
    ["inputs", "Try it", true],
    ["circuits", model.circuits.length === 1 ? "Circuit" : "Circuits", model.circuits.length > 0],
    ["map", "Map", hasMap],
    ["shots", "Shots", model.circuits.length > 0],
    ["batch", "Many rows", hasBatch],
    ["about", "About", true],
  ];
  return (
    <>
      <a class="skip" href="#inputs">
        Skip to the inputs
      </a>
      <header>
        <div class="title">
          <Mark />
          <div>
            <h1>
              <bdi title={facts.title}>{facts.title}</bdi>
            </h1>
            <p class="quiet">
              {kindOf(state)}, {size(facts.file.size)}
            </p>
          </div>
        </div>
        {facts.description !== "" && <p class="lead"><bdi>{facts.description}</bdi></p>}
        <SelfTest verdict={verdict.value} />
      </header>
      <nav aria-label="Parts of this page">
        {links.map(([id, name, isThere]) => isThere && <a key={id} href={`#${id}`}>{name}</a>)}
        <div class="digits">
          <label for="digits">Digits</label>
          <select id="digits" value={state.digits.value} onChange={(event) => (state.digits.value = Number(event.currentTarget.value))}>
            {[2, 3, 4, 5, 6, 8, 10, 12, 16].map((one) => (
              <option key={one} value={one}>{one}</option>
            ))}
          </select>
        </div>
      </nav>
      <main>
        <div class="two">
          <section class="card" id="inputs" aria-labelledby="inputs-title">
            <div class="head">
              <h2 id="inputs-title">Inputs</h2>
              <button type="button" class="small" onClick={() => reset(state, first)}>
                Reset
              </button>
            </div>
            <Inputs state={state} />
            {facts.inputs.some(({ kind }) => kind === "table") && <p class="quiet note">{ORIGINS[facts.ranges_from]}</p>}
          </section>
          <Outputs state={state} />
        </div>
        <Circuits state={state} />
        {hasMap && <DecisionMap state={state} />}
        <Shots state={state} />
        {hasBatch && <Batch state={state} />}
        <About state={state} />
      </main>
    </>
  );
}

function Inputs({ state }: { state: State }) {
  const version = useSignal(0);
  resets.set(state, version);
  return (
    <div key={version.value}>
      {state.engine.inputs.map((input) => (
        <fieldset key={input.name} class={state.engine.inputs.length === 1 ? "alone" : ""}>
          <legend>
            <bdi>{input.name}</bdi>
          </legend>
          <Input state={state} input={input} />
        </fieldset>
      ))}
    </div>
  );
}

// What has to be drawn anew when the inputs are set from outside of their fields.
const resets = new WeakMap<State, Signal<number>>();

function reset(state: State, first: Sample): void {
  state.set(first);
  const version = resets.get(state);
  if (version !== undefined) {
    version.value += 1;
  }
}

function Input({ state, input }: { state: State; input: InputFacts }) {
  switch (input.kind) {
    case "table":
      return <TableInput state={state} input={input} />;
    case "image":
      return <ImageInput state={state} input={input} />;
    case "tokens":
      return <TokensInput state={state} input={input} />;
    default:
      return <ArrayInput state={state} input={input} />;
  }
}

function SelfTest({ verdict }: { verdict: Verdict | string | null }) {
  if (verdict === null) {
    return (
      <p class="badge" role="status">
        Running the self-test…
      </p>
    );
  }
  if (typeof verdict === "string") {
    return (
      <p class="badge care" role="status">
        <b>No self-test here:</b> {verdict}
      </p>
    );
  }
  const { passed, worstError, tolerance } = verdict;
  return (
    <p class={passed ? "badge good" : "badge bad"} role="status">
      <b>{passed ? "✓ Self-test passed" : "✗ Self-test failed"}</b> in this browser: largest error {worstError.toExponential(1)}, tolerance {tolerance.toExponential(0)}
    </p>
  );
}

function kindOf({ engine }: State): string {
  const { circuits } = engine.model;
  const wires = [...new Set(circuits.map(({ circuit }) => circuit.wires))].sort((first, second) => first - second);
  if (circuits.length === 0) {
    return "A classical model";
  }
  const on = wires.length === 1 ? counted(wires[0] ?? 0, "wire") : `${wires[0]} to ${wires.at(-1)} wires`;
  return `A hybrid model with ${circuits.length === 1 ? "a quantum circuit" : `${circuits.length} quantum circuits`} on ${on}`;
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 40 40" width="40" height="40" aria-hidden="true">
      <circle cx="20" cy="20" r="15" />
      <ellipse cx="20" cy="20" rx="15" ry="5" />
      <path d="M20 20L29 10.5" />
      <circle class="tip" cx="29" cy="10.5" r="3" />
    </svg>
  );
}
