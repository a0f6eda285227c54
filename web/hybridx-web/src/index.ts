/** Runs hybridx files in browsers and Node.js, and shows and samples their quantum circuits. */
export { RefusedError } from "../../reader/errors.mjs";
export type { CircuitCall } from "./calls.js";
export {
  blochVectors,
  probabilities,
  resultCount,
  results,
  type Angle,
  type BlochVector,
  type Circuit,
  type Entries,
  type Gate,
  type Measurement,
  type Operation,
  type Parameters,
  type PauliTerm,
  type ResultPlace,
} from "./circuit.js";
export type { Digest, Recorded, SelfTest, Verification } from "./file.js";
export { Model, load, type CircuitParameters, type Feeds, type LoadOptions, type Verdict } from "./model.js";
export { MOST_SHOTS, sample, type SampleGroup, type Samples } from "./sampling.js";
export type { Data, Nested, Rows, Signature, Values } from "./values.js";
export { LIVE_WIRES, MOST_WIRES, pace } from "./work.js";
