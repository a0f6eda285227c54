"""The real command line in a process of its own for each command, without the wait for torch.

This process imports everything once. For every line on stdin it forks, and the child becomes
`python -m hybridx ARGUMENTS`: its own memory, working directory, stdout, stderr and exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys

SLOW = ("torch", "torch.onnx", "pennylane", "onnxruntime", "onnxscript", "hybridx.cli.commands")


def main():
    for name in SLOW:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(request):
    os.chdir(request["folder"])
    for number, path in ((1, request["stdout"]), (2, request["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["hybridx", *request["arguments"]]
    sys.path.insert(0, "")
    runpy.run_module("hybridx", run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
