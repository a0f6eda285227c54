/** What was verified, versions and hashes. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { readNotices } from "./embedded";
import { counted, size } from "./numbers";
import type { State } from "./state";

export function About({ state }: { state: State }) {
  const { facts } = state.engine;
  const { file, digest, verification } = facts;
  return (
    <section class="card" id="about" aria-labelledby="about-title">
      <h2 id="about-title">About this model</h2>
      <h3>Verified</h3>
      <ul class="claims">
        {verification === null ? (
          <li class="care">Not compared with the model in PyTorch before it was written.</li>
        ) : (
          <li class="good">
            Compared with the model in PyTorch when it was exported, {verification.batches.length === 0 ? "without a batch" : `at batch ${verification.batches.join(", ")}`}: largest error {verification.worst.toExponential(1)}, tolerance {verification.tolerance.toExponential(0)}.
          </li>
        )}
        {digest.intact === null ? (
          <li class="care">The file is of an old format without a digest: no change of it is noticed.</li>
        ) : digest.intact ? (
          <li class="good">The file is as hybridx wrote it, as its digest says.</li>
        ) : (
          <li class="care">The file was changed after hybridx wrote it: {digest.difference}.</li>
        )}
        {facts.assumed.map((one) => (
          <li key={one} class="care">Assumed: {one}</li>
        ))}
        {facts.weights !== "" && <li class="care">Weights: {facts.weights}</li>}
      </ul>
      <h3>File</h3>
      <dl>
        <Fact name="file"><bdi>{file.name}</bdi>, {size(file.size)}, opset {file.opset}</Fact>
        <Fact name="written by">hybridx {file.version}</Fact>
        <Fact name="runs on">{facts.runtime}, WebAssembly on one thread, in this page</Fact>
        {facts.inputs.map((one) => (
          <Fact key={one.name} name="input"><bdi>{one.name}</bdi>: {one.dtype} ({one.shape.join(", ")})</Fact>
        ))}
        {facts.outputs.map((one) => (
          <Fact key={one.name} name="output"><bdi>{one.name}</bdi>: {one.dtype} ({one.shape?.join(", ") ?? "shape not stated"})</Fact>
        ))}
        {facts.circuits.map((one) => (
          <Fact key={one.name} name="circuit"><bdi>{one.layers.join(", ") || one.name}</bdi>: {one.strategy === "" ? "not compiled" : `compiled by ${one.strategy}`}</Fact>
        ))}
        {Object.entries(facts.metadata).map(([key, value]) => (
          <Fact key={key} name={key}><bdi>{value}</bdi></Fact>
        ))}
      </dl>
      <h3>Hashes</h3>
      <dl class="hashes">
        <Fact name="SHA-256 of the file"><code>{file.sha256}</code></Fact>
        <Fact name="digest of the model"><code>{digest.sha256}</code></Fact>
        {facts.circuits.map((one) => (
          <Fact key={one.name} name={one.layers[0] ?? one.name}><code>{one.sha256}</code></Fact>
        ))}
      </dl>
      <details>
        <summary>For scripts</summary>
        <p>In the console of this page, <code>await hybridx.predict({"{"}name: rows{"}"})</code> takes nested lists or typed arrays for each input by its name, {counted(facts.inputs.length, "input")} in all, and gives each output as <code>data</code>, <code>dims</code> and <code>dtype</code>. <code>hybridx.model</code> has the circuits.</p>
      </details>
      <Licences />
      <p class="quiet foot">Made by hybridx page, version {facts.made_by}. The page is one file, makes no requests and stores nothing.</p>
    </section>
  );
}

function Licences() {
  const text = useSignal("");
  const open = async (isOpen: boolean): Promise<void> => {
    if (isOpen && text.value === "") {
      text.value = await readNotices();
    }
  };
  return (
    <details onToggle={(event) => void open(event.currentTarget.open)}>
      <summary>Licences of the software in this page</summary>
      <pre class="scroll" tabIndex={0} role="region" aria-label="Licences">{text.value}</pre>
    </details>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt><bdi>{name}</bdi></dt>
      <dd>{children}</dd>
    </div>
  );
}
