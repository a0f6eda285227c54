"""Products of matrices on one thread, so that a file does not depend on the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import OpenBLASController, threadpool_limits

_LOCK = threading.RLock()


@contextmanager
def one_thread() -> Iterator[None]:
    """While active, BLAS and torch compute on one thread; a second caller waits for the first.

    BLAS and torch add up in another order on another number of threads, and what is added up while
    a model is exported is written into the file: constants of circuits and of the graph, the
    self-test, the worst difference seen. It is also faster: OpenBLAS on two cores used four times
    the processor time for the matrices of a circuit of 10 wires.

    BLAS is limited in the whole process: other threads compute the same meanwhile, with less of
    the machine. Torch is limited in this thread and in those that first use torch meanwhile.
    """
    with _LOCK:
        # threadpoolctl ignores every thread but the first that limits OpenBLAS, without a word.
        OpenBLASController.clear_controlling_thread(force=True)
        threads = torch.get_num_threads()
        with threadpool_limits(limits=1, user_api="blas"):
            torch.set_num_threads(1)
            try:
                yield
            finally:
                torch.set_num_threads(threads)
