/** The state of one wire as a vector in the Bloch sphere. */
import type { BlochVector } from "hybridx-web";
import { level } from "../numbers";

const RADIUS = 44;
const MIDDLE = 58;
const [AZIMUTH, ELEVATION] = [-0.55, 0.32]; // of the eye, in radians

/** Return a point of the unit ball on the picture: to the right, down, and towards the eye. */
function seen([x, y, z]: readonly [number, number, number]): [number, number, number] {
  const [sine, cosine] = [Math.sin(AZIMUTH), Math.cos(AZIMUTH)];
  const [across, ahead] = [cosine * y + sine * x, cosine * x - sine * y];
  const up = Math.cos(ELEVATION) * z - Math.sin(ELEVATION) * ahead;
  const near = Math.sin(ELEVATION) * z + Math.cos(ELEVATION) * ahead;
  return [MIDDLE + RADIUS * across, MIDDLE - RADIUS * up, near];
}

function path(points: [number, number, number][]): string {
  return points.map(([x, y], at) => `${at === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

/** Return the half of the equator that is near the eye, or the other. */
function equator(isNear: boolean): string {
  const start = -AZIMUTH + (isNear ? -Math.PI / 2 : Math.PI / 2);
  return path(
    Array.from({ length: 33 }, (_, at) => {
      const angle = start + (at / 32) * Math.PI;
      return seen([Math.cos(angle), Math.sin(angle), 0]);
    }),
  );
}

const [NEAR, FAR] = [equator(true), equator(false)];

interface Props {
  wire: number;
  vector: BlochVector;
  decimals: number;
}

export function Bloch({ wire, vector, decimals }: Props) {
  const [x, y, z] = vector;
  const length = Math.hypot(x, y, z);
  const [tipX, tipY, near] = seen(vector);
  const [footX, footY] = seen([x, y, 0]);
  const [middleX, middleY] = seen([0, 0, 0]);
  const numbers = [x, y, z].map((one) => level(one, decimals));
  return (
    <figure class="bloch">
      <svg viewBox="0 0 116 116" width="116" height="116" role="img" aria-label={`Bloch vector of wire ${wire}: x ${numbers[0]}, y ${numbers[1]}, z ${numbers[2]}`}>
        <circle class="ball" cx={MIDDLE} cy={MIDDLE} r={RADIUS} />
        <path class="far" d={FAR} />
        <path class="near" d={NEAR} />
        {[[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((axis, at) => {
          const [endX, endY] = seen(axis as unknown as BlochVector);
          return <line key={at} class="axis" x1={middleX} y1={middleY} x2={endX} y2={endY} />;
        })}
        {(["x", "y", "0"] as const).map((name, at) => {
          const [endX, endY] = seen([at === 0 ? 1.3 : 0, at === 1 ? 1.28 : 0, at === 2 ? 1.19 : 0]);
          return (
            <text key={name} class="name" x={endX} y={endY + 3} text-anchor="middle">
              {name}
            </text>
          );
        })}
        {length > 0.02 && (
          <>
            <path class="foot" d={`M${middleX} ${middleY}L${footX} ${footY}L${tipX} ${tipY}`} />
            <line class="vector" x1={middleX} y1={middleY} x2={tipX} y2={tipY} />
          </>
        )}
        <circle class="tip" cx={tipX} cy={tipY} r={near > 0 ? 4.6 : 3.6} />
      </svg>
      <figcaption>
        <b>wire {wire}</b>
        <span>
          {numbers.map((number, at) => (
            <span key={at}>{number}</span>
          ))}
        </span>
        <span class="quiet">length {level(length, decimals)}</span>
      </figcaption>
    </figure>
  );
}
