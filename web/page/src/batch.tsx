/** Predictions for the rows of a CSV file. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { writeCsv } from "./csv";
import { type Engine, labelsOf, largest, type Row, softmax } from "./engine";
import { counted, listed, shown } from "./numbers";
import { reasonOf, type State } from "./state";
import { readTable, type Table } from "./table";

const MOST_SHOWN = 50; // rows in the page
const MOST_BAD = 20;
const SLICE = 40; // ms of work between two moments in which the page answers

interface Done {
  file: string;
  table: Table;
  header: string[];
  rows: (string | number)[][];
}

export function canBatch({ inputs, outputs }: Engine): boolean {
  return inputs.every(({ kind }) => kind === "table") && outputs.every(({ shape }) => shape !== null && shape.length <= 2);
}

export function Batch({ state }: { state: State }) {
  const { engine } = state;
  const done = useSignal<Done | null>(null);
  const failure = useSignal("");
  const progress = useSignal("");
  const isOver = useSignal(false);
  const stop = useRef<AbortController | null>(null);
  const run = async (file: File | undefined): Promise<void> => {
    if (file === undefined) {
      return;
    }
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    [done.value, failure.value] = [null, ""];
    try {
      const table = readTable(await file.text(), engine.inputs);
      if (typeof table === "string") {
        failure.value = table;
        return;
      }
      const rows = await predicted(engine, table, mine.signal, (count) => (progress.value = `${count.toLocaleString("en")} of ${counted(table.rows.length, "row")}`));
      if (rows !== null) {
        done.value = { file: file.name, table, ...rows };
      }
    } catch (error) {
      failure.value = reasonOf(error);
    } finally {
      if (stop.current === mine) {
        progress.value = "";
        stop.current = null;
      }
    }
  };
  const columns = engine.inputs.flatMap((input) => input.columns);
  const found = done.value;
  return (
    <section class="card" id="batch" aria-labelledby="batch-title">
      <h2 id="batch-title">Many rows at once</h2>
      <p class="quiet">
        A CSV file with the columns <bdi>{listed(columns)}</bdi>, or without a header in this order. It stays in this browser.
      </p>
      <div
        class={isOver.value ? "drop over" : "drop"}
        onDragOver={(event) => { event.preventDefault(); isOver.value = true; }}
        onDragLeave={() => (isOver.value = false)}
        onDrop={(event) => { event.preventDefault(); isOver.value = false; void run(event.dataTransfer?.files[0]); }}
      >
        <label class="button main">
          Open a CSV file
          <input type="file" accept=".csv,.tsv,.txt,text/csv" onChange={(event) => { void run(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }} />
        </label>
        <span class="quiet">or drop it here</span>
        {progress.value !== "" && (
          <button type="button" onClick={() => stop.current?.abort()}>
            Stop
          </button>
        )}
      </div>
      <p class={progress.value === "" ? "hidden" : ""} role="status">
        {progress.value === "" && found !== null ? `${counted(found.rows.length, "row")} predicted.` : progress.value}
      </p>
      {failure.value !== "" && (
        <p class="wrong" role="alert">
          {failure.value}
        </p>
      )}
      {found !== null && <Results done={found} digits={state.digits.value} />}
    </section>
  );
}

function Results({ done: { file, table, header, rows }, digits }: { done: Done; digits: number }) {
  return (
    <>
      {table.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
      {table.bad.length > 0 && (
        <div class="wrong" role="alert">
          <p>{table.bad.length === 1 ? "One row is left out:" : `${table.bad.length.toLocaleString("en")} rows are left out:`}</p>
          <ul>
            {table.bad.slice(0, MOST_BAD).map((one) => (
              <li key={one}>{one}</li>
            ))}
            {table.bad.length > MOST_BAD && <li>and {table.bad.length - MOST_BAD} more</li>}
          </ul>
        </div>
      )}
      {rows.length > 0 && (
        <>
          <div class="choices">
            <button type="button" class="main" onClick={() => download(`${file.replace(/\.[^.]*$/, "")}.predictions.csv`, writeCsv([header, ...rows]))}>
              Download {counted(rows.length, "row")} as CSV
            </button>
            {rows.length > MOST_SHOWN && <span class="quiet">The first {MOST_SHOWN} are shown.</span>}
          </div>
          <div class="scroll tall" tabIndex={0} role="region" aria-label="Predictions">
            <table>
              <thead>
                <tr>
                  {header.map((name, at) => (
                    <th key={at} scope="col" title={name}><bdi>{name}</bdi></th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.slice(0, MOST_SHOWN).map((row, at) => (
                  <tr key={at}>
                    {row.map((cell, place) => (
                      <td key={place}>{typeof cell === "number" ? (place === 0 ? cell : shown(cell, digits)) : <bdi>{cell}</bdi>}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </>
  );
}

async function predicted(engine: Engine, table: Table, stop: AbortSignal, tell: (count: number) => void): Promise<Pick<Done, "header" | "rows"> | null> {
  const rows: (string | number)[][] = [];
  const header = ["line", ...engine.inputs.flatMap((input) => input.columns)];
  let [atOnce, count] = [32, 0];
  while (count < table.rows.length) {
    const slice = table.rows.slice(count, count + atOnce);
    const before = performance.now();
    const found = await engine.predict(slice.map(({ sample }) => sample));
    const took = performance.now() - before;
    found.forEach((row, at) => {
      const given = slice[at];
      const numbers = engine.inputs.flatMap(({ name }) => given?.sample.get(name)?.data ?? []);
      const cells = cellsOf(engine, row);
      if (rows.length === 0) {
        header.push(...cells.map(([name]) => name));
      }
      rows.push([given?.line ?? 0, ...numbers, ...cells.map(([, cell]) => cell)]);
    });
    count += slice.length;
    tell(count);
    atOnce = Math.max(1, Math.min(4096, Math.round(atOnce * Math.min(4, SLICE / Math.max(1, took)))));
    await new Promise((next) => setTimeout(next));
    if (stop.aborted) {
      return null;
    }
  }
  return { header, rows };
}

/** Return what a row of the results says of the outputs, by the names of its columns. */
function cellsOf(engine: Engine, row: Row): [string, string | number][] {
  return engine.outputs.flatMap((output): [string, string | number][] => {
    const data = row.get(output.name)?.data ?? [];
    const labels = labelsOf(output, data.length);
    const isClass = output.meaning !== "numbers" && data.length > 1;
    const prefix = engine.outputs.length > 1 ? `${output.name}: ` : "";
    const numbers = data.map((value, at): [string, number] => [isClass ? `${prefix}${labels[at]}` : (labels[at] ?? ""), value]);
    if (!isClass) {
      return numbers;
    }
    const best = largest(data);
    const shares = output.meaning === "logits" ? softmax(data) : data;
    return [[`${prefix}class`, labels[best] ?? ""], [`${prefix}probability`, shares[best] ?? Number.NaN], ...numbers];
  });
}

function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  [link.href, link.download] = [address, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
