"""The file that hybridx wrote, on stock ONNX Runtime without other packages."""

from __future__ import annotations

import onnxruntime

from benchmarks.peers.serve import THREADS, Call, Task, serve


def prepare(task: Task) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(task.model, options)
    feed = {session.get_inputs()[0].name: task.rows}
    return lambda: session.run(None, feed)[0]


if __name__ == "__main__":
    serve(prepare, ("onnxruntime",))
