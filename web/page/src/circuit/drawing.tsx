/** A circuit as a picture, with the angles that it has now and the results that it gives. */
import type { Angle, Circuit, Measurement } from "hybridx-web";
import { level } from "../numbers";
import { type Glyph, laidOut, type Mark } from "./layout";

const PITCH = 58; // pixels between wires
const BOX = 40; // height of a box, and its least width
const NARROW = 24; // width of a column without boxes
const LETTER = 7.4; // width of a letter in a box
const GAP = 10; // between columns
const LEFT = 46;
const TOP = 34;

interface Placed extends Glyph {
  x: number;
  width: number;
}

/** Return where each glyph of a circuit stands, and how wide the picture is. */
function placed(circuit: Circuit): { glyphs: Placed[]; end: number } {
  const glyphs = laidOut(circuit);
  const widths: number[] = [];
  for (const { column, marks, angle } of glyphs) {
    const letters = Math.max(...marks.map(({ name }) => [...name].length), angle === null ? 0 : 6);
    const own = letters === 0 ? NARROW : Math.max(BOX, letters * LETTER + 8);
    widths[column] = Math.max(widths[column] ?? NARROW, own);
  }
  const starts: number[] = [];
  let end = LEFT + GAP;
  widths.forEach((width, column) => {
    starts[column] = end;
    end += width + GAP;
  });
  const each = glyphs.map((glyph) => {
    const [start, width] = [starts[glyph.column] ?? LEFT, widths[glyph.column] ?? BOX];
    return { ...glyph, x: start + width / 2, width };
  });
  return { glyphs: each, end };
}

interface Props {
  circuit: Circuit;
  /** Its name for those who do not see the picture. */
  title: string;
  /** One row of parameters, or null if it is not known. */
  parameters: readonly number[] | null;
  /** What it measures in that row, or null if that is not simulated. */
  results: readonly number[] | null;
}

export function Drawing({ circuit, title, parameters, results }: Props) {
  const { glyphs, end } = placed(circuit);
  const ends = Array.from({ length: circuit.wires }, (_, wire) => labelsAt(wire, circuit, results));
  const right = end + 14 + Math.max(...ends.map((labels) => labels.join("  ").length)) * 8.4 + 4;
  const height = TOP + (circuit.wires - 1) * PITCH + 40;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, drawn`}>
      <svg class="circuit" viewBox={`0 0 ${right} ${height}`} width={right} height={height} role="img" aria-label={`${title}: ${circuit.wires} wires, ${circuit.operations.length} gates`}>
        {ends.map((labels, wire) => (
          <g key={wire}>
            <line class="wire" x1={LEFT} x2={end + 6} y1={y(wire)} y2={y(wire)} />
            <text class="ket" x={LEFT - 8} y={y(wire) + 4.5} text-anchor="end">
              {`${wire}: |0⟩`}
            </text>
            {labels.length > 0 && (
              <text class="measured" x={end + 14} y={y(wire) + 4.5}>
                {labels.join("  ")}
              </text>
            )}
          </g>
        ))}
        {glyphs.map((glyph, at) => (
          <GlyphOf key={at} glyph={glyph} parameters={parameters} />
        ))}
      </svg>
    </div>
  );
}

function GlyphOf({ glyph, parameters }: { glyph: Placed; parameters: readonly number[] | null }) {
  const { marks, angle, x } = glyph;
  const [top, bottom] = [marks[0]?.wire ?? 0, marks.at(-1)?.wire ?? 0];
  const kind = angle === null ? "fixed" : typeof angle === "number" ? "constant" : "variable";
  return (
    <g>
      {top !== bottom && <line class="link" x1={x} x2={x} y1={y(top)} y2={y(bottom)} />}
      {marks.map((mark, at) => (
        <MarkOf key={at} mark={mark} x={x} width={glyph.width} kind={kind} angle={angleText(angle, parameters)} />
      ))}
      <title>{described(glyph, parameters)}</title>
    </g>
  );
}

function MarkOf({ mark, x, width, kind, angle }: { mark: Mark; x: number; width: number; kind: string; angle: string }) {
  const at = y(mark.wire);
  switch (mark.kind) {
    case "control":
      return <circle class="control" cx={x} cy={at} r={5} />;
    case "anticontrol":
      return <circle class="anticontrol" cx={x} cy={at} r={5} />;
    case "not":
      return (
        <g class="not">
          <circle cx={x} cy={at} r={11} />
          <path d={`M${x - 11} ${at}H${x + 11}M${x} ${at - 11}V${at + 11}`} />
        </g>
      );
    case "swap":
      return <path class="swap" d={`M${x - 6} ${at - 6}L${x + 6} ${at + 6}M${x - 6} ${at + 6}L${x + 6} ${at - 6}`} />;
    default:
      return (
        <g class={`box ${kind}`}>
          <rect x={x - width / 2} y={at - BOX / 2} width={width} height={BOX} rx={6} />
          <text class="gate" x={x} y={at + (angle === "" ? 4.5 : -2)} text-anchor="middle">
            {mark.name}
          </text>
          {angle !== "" && (
            <text class="angle" x={x} y={at + 13} text-anchor="middle">
              {angle}
            </text>
          )}
        </g>
      );
  }
}

function y(wire: number): number {
  return TOP + wire * PITCH;
}

/** Return the value of an angle, in radians, or null if its parameter is not known. */
export function valueOf(angle: Angle, parameters: readonly number[] | null): number | null {
  if (typeof angle === "number") {
    return angle;
  }
  const value = parameters?.[angle.column];
  return value === undefined ? null : angle.scale * value + angle.offset;
}

function angleText(angle: Angle | null, parameters: readonly number[] | null): string {
  if (angle === null) {
    return "";
  }
  const value = valueOf(angle, parameters);
  return value === null ? `p${(angle as { column: number }).column}` : Math.abs(value) < 1000 ? level(value, 3) : value.toExponential(1);
}

/** Return an angle as a formula of the parameters. */
export function formula(angle: Angle): string {
  if (typeof angle === "number") {
    return `${angle}`;
  }
  const factor = angle.scale === 1 ? "" : angle.scale === -1 ? "−" : `${angle.scale} · `;
  const plus = angle.offset === 0 ? "" : angle.offset > 0 ? ` + ${angle.offset}` : ` − ${-angle.offset}`;
  return `${factor}p[${angle.column}]${plus}`;
}

function described({ operation, angle }: Glyph, parameters: readonly number[] | null): string {
  const name = operation.type === "apply" ? operation.gate : operation.type;
  const wires = `on ${operation.wires.length === 1 ? "wire" : "wires"} ${operation.wires.join(", ")}`;
  if (angle === null) {
    return `${name} ${wires}`;
  }
  const value = valueOf(angle, parameters);
  const said = typeof angle === "number" ? "" : `${formula(angle)}${value === null ? "" : " = "}`;
  return `${name} ${wires}, angle ${said}${value === null ? "" : `${value} rad`}`;
}

/** Return what is measured at a wire, with its mean where that is one number. */
function labelsAt(wire: number, circuit: Circuit, results: readonly number[] | null): string[] {
  return circuit.measurements.flatMap((measurement, index) => {
    if (!wiresOf(measurement, circuit).includes(wire)) {
      return [];
    }
    const place = circuit.results[index];
    const value = circuit.derivative > 0 || place === undefined || place.width !== 1 ? undefined : results?.[place.offset];
    const isSingle = measurement.type === "expectation" && measurement.terms.length === 1 && measurement.terms[0]?.[1].length === 1;
    const isPlain = isSingle && measurement.terms[0]?.[0] === 1;
    const name = isPlain ? `⟨${measurement.terms[0]?.[1]}⟩` : `M${index}`;
    return [value === undefined ? name : `${name} ${level(value, 3)}`];
  });
}

/** Return the wires that a measurement reads. */
function wiresOf(measurement: Measurement, circuit: Circuit): number[] {
  switch (measurement.type) {
    case "expectation":
    case "variance":
      return [...new Set(measurement.terms.flatMap(([, , wires]) => wires))];
    case "mutual":
      return [...measurement.first, ...measurement.second];
    case "state":
      return Array.from({ length: circuit.wires }, (_, wire) => wire);
    default:
      return measurement.wires;
  }
}

/** Return a measurement in words. */
export function measured(measurement: Measurement): string {
  switch (measurement.type) {
    case "expectation":
    case "variance": {
      const terms = measurement.terms.map(([coefficient, letters, wires]) => {
        const word = [...letters].map((letter, at) => `${letter}${wires[at]}`).join(" ") || "1";
        return coefficient === 1 ? word : `${coefficient} ${word}`;
      });
      const more = terms.length > 12 ? ` + ${terms.length - 12} more` : "";
      return `${measurement.type === "variance" ? "variance" : "mean"} of ${terms.slice(0, 12).join(" + ")}${more}`;
    }
    case "mutual":
      return `mutual information of wires ${measurement.first.join(", ")} and ${measurement.second.join(", ")}`;
    case "state":
      return "the state of all wires";
    default:
      return `${measurement.type === "density" ? "density matrix" : measurement.type} of wires ${measurement.wires.join(", ")}`;
  }
}
