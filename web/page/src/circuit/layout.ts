/** A circuit in columns of marks on wires, as it is drawn. */
import type { Angle, Circuit, Operation } from "hybridx-web";

// Gates that are drawn as controls and another gate: how many controls, and that gate.
const CONTROLLED: Record<string, [number, string]> = {
  CNOT: [1, "PauliX"],
  CY: [1, "PauliY"],
  CZ: [1, "PauliZ"],
  CH: [1, "Hadamard"],
  CSWAP: [1, "SWAP"],
  CRX: [1, "RX"],
  CRY: [1, "RY"],
  CRZ: [1, "RZ"],
  ControlledPhaseShift: [1, "PhaseShift"],
  Toffoli: [2, "PauliX"],
  CCZ: [2, "PauliZ"],
};

const SHORT: Record<string, string> = {
  Identity: "I",
  PauliX: "X",
  PauliY: "Y",
  PauliZ: "Z",
  Hadamard: "H",
  PhaseShift: "P",
  IsingXX: "RXX",
  IsingYY: "RYY",
  IsingZZ: "RZZ",
  ISWAP: "iSWAP",
  IsingXY: "RXY",
  FermionicSWAP: "fSWAP",
  SingleExcitation: "G",
  SingleExcitationPlus: "G₊",
  SingleExcitationMinus: "G₋",
  DoubleExcitation: "G²",
  DoubleExcitationPlus: "G²₊",
  DoubleExcitationMinus: "G²₋",
  CPhaseShift00: "P00",
  CPhaseShift01: "P01",
  CPhaseShift10: "P10",
  GlobalPhase: "GP",
  prepare: "|ψ⟩",
  unitary: "U",
  channel: "ℰ",
};

type MarkKind = "box" | "control" | "anticontrol" | "not" | "swap";

export interface Mark {
  wire: number;
  kind: MarkKind;
  name: string;
}

/** The marks of one operation, from the top wire down, and the column in which they stand. */
export interface Glyph {
  column: number;
  operation: Operation;
  marks: Mark[];
  angle: Angle | null;
}

/** Return each operation with the column in which it is drawn: the first in which its wires are free. */
export function laidOut(circuit: Circuit): Glyph[] {
  const free = new Array<number>(circuit.wires).fill(0);
  return circuit.operations.flatMap((operation) => {
    const marks = marksOf(operation).sort((first, second) => first.wire - second.wire);
    const [top, bottom] = [marks[0], marks.at(-1)];
    if (top === undefined || bottom === undefined) {
      return [];
    }
    const span = Array.from({ length: bottom.wire - top.wire + 1 }, (_, at) => top.wire + at);
    const column = Math.max(...span.map((wire) => free[wire] ?? 0));
    span.forEach((wire) => {
      free[wire] = column + 1;
    });
    return [{ column, operation, marks, angle: operation.type === "apply" ? operation.angle : null }];
  });
}

/** Return the name of an operation as it stands in a box. */
export function nameOf(operation: Operation): string {
  if (operation.type !== "apply") {
    return SHORT[operation.type] ?? operation.type;
  }
  return `${SHORT[operation.gate] ?? operation.gate}${operation.adjoint ? "†" : ""}`;
}

function marksOf(operation: Operation): Mark[] {
  const boxes = (wires: readonly number[], name: string): Mark[] =>
    wires.map((wire) => ({ wire, kind: "box", name }));
  if (operation.type !== "apply") {
    return boxes(operation.wires, nameOf(operation));
  }
  const own = (wires: readonly number[], kind: MarkKind): Mark[] => wires.map((wire) => ({ wire, kind, name: "" }));
  const given = operation.controls.flatMap((wire, at) =>
    own([wire], operation.control_values[at] === false ? "anticontrol" : "control"),
  );
  const [count, base] = CONTROLLED[operation.gate] ?? [0, operation.gate];
  const controls = [...given, ...own(operation.wires.slice(0, count), "control")];
  const targets = operation.wires.slice(count);
  if (base === "PauliX" && controls.length > 0) {
    return [...controls, ...own(targets, "not")];
  }
  if (base === "PauliZ" && controls.length > 0) {
    return [...controls, ...own(targets, "control")];
  }
  if (base === "SWAP") {
    return [...controls, ...own(targets, "swap")];
  }
  const name = `${SHORT[base] ?? base}${operation.adjoint ? "†" : ""}`;
  return [...controls, ...boxes(targets, name)];
}
