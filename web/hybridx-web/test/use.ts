/** How a program in TypeScript uses the package; tsc checks it, and the test of the packed package runs it. */
import {
  RefusedError,
  blochVectors,
  load,
  pace,
  probabilities,
  results,
  sample,
  type BlochVector,
  type Circuit,
  type Model,
  type Nested,
} from "hybridx-web";

export async function main(bytes: Uint8Array): Promise<string> {
  const model: Model = await load(bytes, { executionProviders: ["wasm"] });
  const { passed, worstError, tolerance } = await model.verify();
  const rows = { input: [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]] };
  const outputs = await model.predict(rows);
  const nested: Nested = outputs["output"]!.nested();
  const sampled = await model.predictWithShots(rows, 1000, 7);
  const [taken] = await model.circuitParameters(rows);
  const circuit: Circuit = model.circuits[0]!.circuit;
  const first: Float64Array = taken!.row(0);
  const vectors: BlochVector[] = blochVectors(circuit, first);
  const exact: number[] = results(circuit, first);
  const drawn = sample(circuit, first, 1000, 7);
  const chances: Float64Array = probabilities(circuit, first, [0, 1]);
  // @ts-expect-error a model has no such method
  model.train;
  // @ts-expect-error a text is no row
  const wrong = model.predict({ input: "text" }).catch((error: unknown) => error instanceof RefusedError);
  // @ts-expect-error a list of names cannot be changed
  model.columns?.push("more");
  return JSON.stringify({
    passed: passed && worstError <= tolerance,
    columns: model.columns?.slice(0, 3),
    shape: (nested as Nested[]).length,
    sampled: sampled["output"]!.dims,
    vectors: vectors.length,
    estimates: drawn.results.length === exact.length,
    chances: chances.reduce((sum, one) => sum + one, 0).toFixed(6),
    pace: pace(circuit),
    refused: await wrong,
  });
}
