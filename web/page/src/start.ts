/** The row with which the page begins. */
import type { Model } from "hybridx-web";
import type { InputFacts } from "./facts";
import { hasBatch, type Part, type Sample } from "./sample";

const OPEN = 4; // length of an open axis that nothing tells

/** Return the first row: the starts of sliders, and the first row of the self-test for other inputs. */
export function firstSample(inputs: readonly InputFacts[], model: Model): Sample {
  return new Map(inputs.map((input) => [input.name, partOf(input, model)]));
}

function partOf(input: InputFacts, model: Model): Part {
  const own = hasBatch(input) ? input.shape.slice(1) : input.shape;
  if (input.kind === "table") {
    return { data: input.ranges.map(({ start }) => start), dims: own.map(Number) };
  }
  const tested = model.selfTest?.inputs[input.name];
  if (tested !== undefined) {
    const dims = hasBatch(input) ? tested.dims.slice(1) : tested.dims;
    const size = dims.reduce((product, length) => product * length, 1);
    return { data: Array.from(tested.data, Number).slice(0, size), dims };
  }
  const dims = own.map((length) => (typeof length === "number" ? length : OPEN));
  return { data: new Array<number>(dims.reduce((product, length) => product * length, 1)).fill(0), dims };
}
