/** ONNX Runtime Web: in Node.js its build for Node.js, elsewhere the one that has WebAssembly alone. */
import type * as OnnxRuntime from "onnxruntime-web";
// @ts-expect-error ONNX Runtime Web declares its types under the name of the package alone.
import * as found from "#onnxruntime";

export const { InferenceSession, Tensor, env } = found as typeof OnnxRuntime;
