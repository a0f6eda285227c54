/** Tensors as JSON holds them, in Node.js and in browsers. */
const KINDS = { float32: Float32Array, float64: Float64Array };

export function read(ort, { dtype, shape, data }) {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  return new ort.Tensor(dtype, new KINDS[dtype](bytes.buffer), shape);
}

export function write(tensor) {
  const { buffer, byteOffset, byteLength } = tensor.data;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const data = btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join(""));
  return { dtype: tensor.type, shape: [...tensor.dims], data };
}

/** Returns the outputs of a file with one input and one output, for several inputs. */
export async function run(ort, file, options, inputs) {
  const session = await ort.InferenceSession.create(file, options);
  const outputs = [];
  for (const input of inputs) {
    const results = await session.run({ [session.inputNames[0]]: read(ort, input) });
    outputs.push(write(results[session.outputNames[0]]));
  }
  await session.release();
  return outputs;
}
