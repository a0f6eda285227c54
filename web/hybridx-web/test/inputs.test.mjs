/** What a model takes: rows are checked by name, shape and dtype. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedError, load } from "hybridx-web";
import { bytesOf } from "./cases.mjs";

const classifier = await load(bytesOf("golden-2-classifier.onnx")); // input: float32 (batch, 3)
const dtypes = await load(bytesOf("golden-2-dtypes.onnx")); // int32, bool, uint8 (batch, 1), float64 (batch)
const named = await load(bytesOf("golden-2-named.onnx")); // x (batch, 2), ids int64 (batch), parts_left (batch, 2)
const images = await load(bytesOf("golden-2-opset_20.onnx")); // ids int64 (batch, 3), image (batch, 2, 4, 4)
const fixed = await load(bytesOf("golden-2-fixed.onnx")); // signal (2, 1)

const RIGHT = { whole: [[1], [-2]], mask: [[true], [0]], small: [[7], [255]], precise: [0.5, 1] };

function inItself() {
  const list = [];
  list.push(list);
  return list;
}

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof RefusedError, error.stack);
    return error.message;
  }
  return null;
}

test("rows come as nested lists, flat typed arrays, or data with a shape", async () => {
  const given = [
    [[1, 2, 3], [4, 5, 6]],
    Float32Array.of(1, 2, 3, 4, 5, 6),
    Float64Array.of(1, 2, 3, 4, 5, 6),
    [Float32Array.of(1, 2, 3), Float32Array.of(4, 5, 6)],
    { data: [1, 2, 3, 4, 5, 6], dims: [2, 3] },
  ];
  const found = await Promise.all(given.map(async (input) => (await classifier.predict({ input })).output.nested()));
  assert.equal(found[0].length, 2);
  found.forEach((one) => assert.deepEqual(one, found[0]));
});

test("whole numbers, truth values and doubles reach the model", async () => {
  const { output_1, output_2, output_0 } = await dtypes.predict(RIGHT);
  const same = await dtypes.predict({ whole: [[1n], [-2n]], mask: Uint8Array.of(1, 0), small: Uint8Array.of(7, 255), precise: Float64Array.of(0.5, 1) });
  assert.deepEqual(output_2.nested(), [[true], [false]]);
  assert.equal(output_0.dtype, "float64");
  assert.deepEqual(same.output_1.nested(), output_1.nested());
  assert.deepEqual(same.output_0.nested(), output_0.nested());
  const ids = { x: [[1, 2]], parts_left: [[3, 4]] };
  const outputs = await Promise.all([[1], [1n], BigInt64Array.of(1n)].map((one) => named.predict({ ...ids, ids: one })));
  outputs.forEach((one) => assert.deepEqual(Object.values(one).map((each) => each.nested()), Object.values(outputs[0]).map((each) => each.nested())));
});

const REFUSED = [
  [() => classifier.predict({}), "input input is missing; it has input"],
  [() => classifier.predict({ input: [[1, 2, 3]], other: [1] }), "it has no input other; it has input"],
  [() => classifier.predict({ input: [[1, 2]] }), "input input has shape (1, 2), and takes (batch, 3)"],
  [() => classifier.predict({ input: [1, 2, 3] }), "input input has shape (3), and takes (batch, 3)"],
  [() => classifier.predict({ input: [[1, 2, 3], [4, 5]] }), "the lists of input input are not equally long"],
  [() => classifier.predict({ input: [[1, 2, [3]]] }), "the lists of input input are not equally long"],
  [() => classifier.predict({ input: [[1, 2, "3"]] }), "input input is float32, and does not take 3"],
  [() => classifier.predict({ input: [[1, 2, null]] }), "input input is float32, and does not take null"],
  [() => classifier.predict({ input: [[1, 2, undefined]] }), "input input is float32, and does not take undefined"],
  [() => classifier.predict({ input: null }), "input input has shape (), and takes (batch, 3)"],
  [() => classifier.predict({ input: Float32Array.of(1, 2) }), "input input takes shape (batch, 3); a flat array of 2 numbers does not say which"],
  [() => classifier.predict({ input: { data: [1, 2], dims: [1, 3] } }), "input input has 2 numbers, and shape (1, 3)"],
  [() => classifier.predict({ input: { data: [1, 2], dims: [-1, -2] } }), "input input has data and dims that are no lists of whole numbers"],
  [() => classifier.predict({ input: { data: [1, 2, 3] } }), "input input has data and dims that are no lists of whole numbers"],
  [() => classifier.predict(), "it takes an object that has the rows of each input by its name"],
  [() => classifier.predict({ input: new DataView(new ArrayBuffer(12)) }), "input input has shape (), and takes (batch, 3)"],
  [() => classifier.predict({ input: inItself() }), "the lists of input input are deeper than 64"],
  [() => load(), "load takes the bytes of a file, or its address"],
  [() => load("no address"), /^no address cannot be fetched: /],
  [() => load("http://127.0.0.1:9/model.onnx"), /^http:..127.0.0.1:9.model.onnx cannot be fetched: /],
  [() => dtypes.predict({ ...RIGHT, whole: [[0.5], [1]] }), "input whole is int32, and does not take 0.5"],
  [() => dtypes.predict({ ...RIGHT, whole: [[2 ** 31], [1]] }), "input whole is int32, and does not take 2147483648"],
  [() => dtypes.predict({ ...RIGHT, small: [[-1], [1]] }), "input small is uint8, and does not take -1"],
  [() => dtypes.predict({ ...RIGHT, mask: [[2], [1]] }), "input mask is bool, and does not take 2"],
  [() => dtypes.predict({ ...RIGHT, precise: [1] }), "axis batch is 2 of input whole, and 1 of precise"],
  [() => images.predict({ ids: [[1, 2, 3]], image: new Float32Array(33) }), "input image takes shape (batch, 2, 4, 4); a flat array of 33 numbers does not say which"],
  [() => fixed.predict({ signal: [[1], [2], [3]] }), "input signal has shape (3, 1), and takes (2, 1)"],
];

for (const [call, reason] of REFUSED) {
  test(`refused: ${reason}`, async () => {
    const said = await refusal(call);
    reason instanceof RegExp ? assert.match(said, reason) : assert.equal(said, reason);
  });
}

test("no rows are rows", async () => {
  const { output } = await classifier.predict({ input: { data: [], dims: [0, 3] } });
  assert.deepEqual(output.dims, [0, 2]);
});

test("many calls at once give what they give one by one", async () => {
  const rows = Array.from({ length: 20 }, (_, at) => ({ input: [[at, 1, 2]] }));
  const apart = [];
  for (const one of rows) {
    apart.push((await classifier.predict(one)).output.nested());
  }
  const together = await Promise.all(rows.map((one) => classifier.predict(one)));
  assert.deepEqual(together.map((one) => one.output.nested()), apart);
});

test("a page that has no SHA-256 says so", async () => {
  const { crypto } = globalThis;
  Object.defineProperty(globalThis, "crypto", { value: {}, configurable: true });
  try {
    assert.match(await refusal(() => load(bytesOf("golden-2-classifier.onnx"))), /https, localhost and files only/);
  } finally {
    Object.defineProperty(globalThis, "crypto", { value: crypto, configurable: true });
  }
});
