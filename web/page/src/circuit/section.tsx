/** The circuits of the model, with what the row that is shown makes of them. */
import { useSignal } from "@preact/signals";
import { blochVectors, type BlochVector, type Circuit, type CircuitCall, type CircuitParameters, pace, results } from "hybridx-web";
import { useEffect, useMemo } from "preact/hooks";
import { Choice } from "../map";
import { counted, cut, level, shown } from "../numbers";
import { feedsOf } from "../sample";
import { reasonOf, type State } from "../state";
import { Bloch } from "./bloch";
import { Drawing, formula, measured, valueOf } from "./drawing";
import { nameOf } from "./layout";

const MOST_DRAWN = 400; // gates
const MOST_SPHERES = 24;
const MOST_NUMBERS = 64;

export function Circuits({ state }: { state: State }) {
  const { circuits } = state.engine.model;
  const parameters = useSignal<(CircuitParameters | null)[]>([]);
  const failure = useSignal("");
  const now = state.shown.value;
  useEffect(() => {
    let isOld = false;
    if (now !== null && circuits.length > 0) {
      state.engine.model.circuitParameters(feedsOf(state.engine.inputs, [now.sample])).then(
        (found) => {
          if (!isOld) {
            parameters.value = found;
            failure.value = "";
          }
        },
        (error: unknown) => {
          failure.value = reasonOf(error);
        },
      );
    }
    return () => {
      isOld = true;
    };
  }, [now]);
  if (circuits.length === 0) {
    return null;
  }
  return (
    <section class="card" id="circuits" aria-labelledby="circuits-title">
      <h2 id="circuits-title">{circuits.length === 1 ? "Quantum circuit" : "Quantum circuits"}</h2>
      <p class="quiet">Simulated here, with the parameters that the model computes for this row. Angles are in radians.</p>
      {failure.value !== "" && (
        <p class="wrong" role="alert">
          The parameters are not known: {failure.value}
        </p>
      )}
      {circuits.map((call, at) => (
        <OneCircuit key={at} state={state} call={call} found={parameters.value[at] ?? null} isOpen={at === 0} />
      ))}
    </section>
  );
}

interface Props {
  state: State;
  call: CircuitCall;
  found: CircuitParameters | null;
}

interface Simulated {
  results: number[] | null;
  vectors: BlochVector[] | null;
}

function OneCircuit({ isOpen: isOpenAtFirst, ...given }: Props & { isOpen: boolean }) {
  const { circuit, layer } = given.call;
  const isOpen = useSignal(isOpenAtFirst);
  return (
    <details class="one-circuit" open={isOpen.value} onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>
        <bdi class="layer" title={layer}>{cut(layer)}</bdi>
        <span class="quiet">
          {counted(circuit.wires, "wire")}, {counted(circuit.operations.length, "gate")}, {counted(circuit.columns, "parameter")}
          {circuit.hasChannel ? ", with noise" : ""}
        </span>
      </summary>
      {isOpen.value && <OpenCircuit {...given} />}
    </details>
  );
}

/** What is simulated and drawn of a circuit, which a page of many circuits does only for those that are looked at. */
function OpenCircuit({ state, call, found }: Props) {
  const { circuit } = call;
  const facts = state.engine.facts.circuits.find(({ name }) => name === call.name);
  const row = useSignal(0);
  const kept = useSignal<{ row: readonly number[]; simulated: Simulated } | null>(null);
  const place = Math.min(row.value, Math.max(0, (found?.rows ?? 1) - 1));
  const numbers = useMemo(() => (found === null || found.rows === 0 ? null : Array.from(found.row(place))), [found, place]);
  const speed = pace(circuit);
  const live = useMemo(() => (numbers === null || speed !== "live" ? null : simulated(circuit, numbers)), [numbers]);
  const isKept = kept.value !== null && numbers !== null && kept.value.row.every((one, at) => one === numbers[at]);
  const current = live ?? (isKept ? (kept.value?.simulated ?? null) : null);
  const title = `Circuit ${cut(call.layer)}`;
  return (
    <>
      {facts !== undefined && facts.notes.length > 0 && (
        <p class="quiet">
          <bdi>{cut(facts.notes.join("; "), 400)}</bdi>
        </p>
      )}
      {call.notShown !== null && <p class="quiet">Its parameters are not shown: {call.notShown}</p>}
      {circuit.derivative > 0 && <p class="quiet">This is the derivative of the circuit below, which has no state of its own.</p>}
      {found !== null && found.rows > 1 && (
        <Choice label="It runs several times for one row of the model. Shown is run" value={place} names={Array.from({ length: Math.min(found.rows, 1000) }, (_, at) => `${at + 1} of ${found.rows}`)} choose={(at) => (row.value = at)} />
      )}
      {circuit.operations.length <= MOST_DRAWN ? (
        <Drawing circuit={circuit} title={title} parameters={numbers} results={current?.results ?? null} />
      ) : (
        <p class="quiet">It has more than {MOST_DRAWN} gates, too many for a picture.</p>
      )}
      <Legend circuit={circuit} results={current?.results ?? null} digits={state.digits.value} />
      {speed === "on demand" && !isKept && numbers !== null && (
        <p>
          <button type="button" onClick={() => (kept.value = { row: numbers, simulated: simulated(circuit, numbers) })}>
            Simulate this circuit
          </button>{" "}
          <span class="quiet">{counted(circuit.wires, "wire")} take a while, so it is not done at each move.</span>
        </p>
      )}
      {speed === "never" && <p class="quiet">It has {counted(circuit.wires, "wire")}, too many to simulate in a browser: the outputs come from the compiled circuit in the file.</p>}
      {current?.vectors != null && (
        <>
          <h3>Bloch vectors at the end</h3>
          <p class="quiet">Of each wire, the others traced out. A vector shorter than 1 says that the wire is entangled{circuit.hasChannel ? " or noisy" : ""}.</p>
          <div class="spheres">
            {current.vectors.slice(0, MOST_SPHERES).map((vector, wire) => (
              <Bloch key={wire} wire={wire} vector={vector} decimals={Math.min(8, Math.max(2, state.digits.value - 1))} />
            ))}
          </div>
        </>
      )}
      {circuit.operations.length <= MOST_DRAWN && <Gates circuit={circuit} parameters={numbers} digits={state.digits.value} />}
    </>
  );
}

function simulated(circuit: Circuit, row: readonly number[]): Simulated {
  if (!row.every(Number.isFinite)) {
    return { results: null, vectors: null }; // as the model gives NaN for what it was given
  }
  return { results: results(circuit, row), vectors: circuit.derivative > 0 ? null : blochVectors(circuit, row) };
}

/** What is measured, where the picture has only a number for it. */
function Legend({ circuit, results, digits }: { circuit: Circuit; results: readonly number[] | null; digits: number }) {
  const isPlain = (index: number): boolean => {
    const one = circuit.measurements[index];
    return one?.type === "expectation" && one.terms.length === 1 && one.terms[0]?.[0] === 1 && one.terms[0][1].length === 1;
  };
  const lines = circuit.measurements.flatMap((one, index) => (isPlain(index) ? [] : [{ one, index, place: circuit.results[index] }]));
  if (lines.length === 0) {
    return null;
  }
  return (
    <ul class="measurements">
      {lines.slice(0, MOST_NUMBERS).map(({ one, index, place }) => {
        const values = results !== null && place !== undefined && circuit.derivative === 0 ? results.slice(place.offset, place.offset + Math.min(place.width, MOST_NUMBERS)) : [];
        return (
          <li key={index}>
            <b>M{index}</b> {measured(one)}
            {values.length > 0 && <span class="values"> {values.map((value) => shown(Math.abs(value) < 1e-12 ? 0 : value, digits)).join(", ")}{(place?.width ?? 0) > MOST_NUMBERS ? ", …" : ""}</span>}
          </li>
        );
      })}
    </ul>
  );
}

function Gates({ circuit, parameters, digits }: { circuit: Circuit; parameters: readonly number[] | null; digits: number }) {
  const isOpen = useSignal(false);
  return (
    <details class="gates" onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>All gates with their angles</summary>
      {isOpen.value && (
        <div class="scroll tall" tabIndex={0} role="group" aria-label="Gates">
          <table>
            <thead>
              <tr>
                <th scope="col">#</th>
                <th scope="col">gate</th>
                <th scope="col">wires</th>
                <th scope="col">angle</th>
                <th scope="col">radians</th>
              </tr>
            </thead>
            <tbody>
              {circuit.operations.map((operation, at) => {
                const angle = operation.type === "apply" ? operation.angle : null;
                const value = angle === null ? null : valueOf(angle, parameters);
                const controls = operation.type === "apply" ? operation.controls : [];
                return (
                  <tr key={at}>
                    <td>{at + 1}</td>
                    <td>{operation.type === "apply" ? `${operation.gate}${operation.adjoint ? "†" : ""}` : nameOf(operation)}</td>
                    <td>
                      {controls.length > 0 && `${controls.join(", ")} control `}
                      {operation.wires.join(", ")}
                    </td>
                    <td>{angle === null || typeof angle === "number" ? "" : formula(angle)}</td>
                    <td>{value === null ? "" : level(value, digits)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
