"""`docs/deploy/index.md`: what servers of others do with files, from the kept results."""

# ruff: noqa: E501 - a row of a table is a line

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hybridx.integrations.refusals import PROTOCOLS
from tests.servers.results import FOLDERS, Result, read
from tests.servers.server import Server, servers
from tests.servers.trial import CLIENTS, COLUMNS, NOT_TRIED, SHOTS, Cell

PAGE = Path(__file__).parents[2] / "docs" / "deploy" / "index.md"

TOP = """\
# Servers

A model file runs in the servers that people already have. `hybridx serve-config model.onnx
--server NAME -o FOLDER` writes what such a server reads. It runs the file on its self-test first, and
writes all of the folder or nothing. hybridx has no server of its own; without any of these, ONNX
Runtime and a few lines make [a service](../service.md).

| server | what is written | what runs the file | page |
|---|---|---|---|
| MLServer | settings, the file | hybridx, on a device too | [MLServer](mlserver.md) |
| KServe | a manifest, a Dockerfile, the file | hybridx, on a device too | [KServe](kserve.md) |
| Triton | a model repository with the file as it is | its backend of ONNX Runtime | [Triton](triton.md) |
| BentoML | a service, the file | hybridx, on a device too | [BentoML](bentoml.md) |
| Ray Serve | a configuration, the file | hybridx, on a device too | [Ray Serve](ray-serve.md) |
| OpenVINO Model Server | a list of models, the file with its circuits inlined | OpenVINO | [OpenVINO](openvino.md) |
"""

MIDDLE = """
## What each server does

`make test-servers` starts these servers on folders that `serve-config` has written, asks them by
other people's clients, and writes these tables. Numbers are compared with those of a session of hybridx, in float32 and in float64, with
1, 3 and 64 rows. {clients} clients send different rows at once. A full queue and SIGTERM are tried while requests wait
for `default.qubit` with {shots} shots.
"""

UNSTARTED = """
## What is not started here

Triton, OpenVINO Model Server and a cluster are no packages of Python, and were not tried. Of their folders this is checked,
by others' code:

"""

BOTTOM = """
## What is the same in all servers of Python

**Who runs the server decides** where circuits run: device, shots, seed, budget, queue and time
limit stand in the server's settings, and no request can change them. `serve-config` takes them as options. Every setting is also an
environment variable: `HYBRIDX_SERVE_SHOTS=1000`.

| setting | by default | what it does |
|---|---|---|
| `device`, `shots`, `seed`, `options`, `fallback`, `retries` | compiled circuits | as [`hybridx run`](../devices.md) has them |
| `max_circuits`, `max_shots` | none | requests that would exceed it are refused, and nothing of them is sent; the self-test counts |
| `queue` | 128 | how many requests wait; one more is refused |
| `seconds` | 60 | how long a request may wait and run. One that waits then is not run. One that runs on the device is not stopped, and its result is lost |
| `rows` | 100,000 | the most rows of a request |
| `workers` | one for each core | how many requests run at a time; on a device always one |
| `threads`, `provider` | all cores, the best | of ONNX Runtime |
| `isolated`, `accept_unchecked`, `accept_changes`, `key`, `signature` | | as `hybridx run` has them |

**Ready means tested.** A server is live at once. Its model is ready when the file has passed its
self-test; on a device that samples, a test of its statistics. A file that fails never gets ready, and the log says why.

**Errors** have the code of the protocol, and a sentence without paths, secrets or messages of a device, which go to the
log of the server:

| | HTTP | gRPC |
|---|---|---|
{errors}

**Counters** stand where the server has its own for Prometheus: `hybridx_requests_total` by result, `hybridx_rows_total`, `hybridx_seconds_total`,
`hybridx_submissions_total`, `hybridx_circuits_total`, `hybridx_shots_total`, `hybridx_waiting` and `hybridx_ready`.

**One process.** A device, a queue and a budget belong to a process. A server with several processes has
each of them as often.
"""

ERRORS = {
    "invalid": "names, shapes, dtypes, numbers or too many rows",
    "busy": "the queue is full",
    "spent": "the budget is used up",
    "unready": "the model is not ready, or the server ends",
    "late": "the time limit",
    "failed": "anything else; the log says what",
}


CHECKED = {
    "triton": "Triton",
    "kserve": "KServe on Kubernetes",
    "openvino": "OpenVINO Model Server",
}


def page(rows: Mapping[str, Server] | None = None, kept: Mapping[str, Result] | None = None) -> str:
    """Return the page.

    Args:
        rows: the servers by their names, by default those of `servers.toml`.
        kept: what came of each, by default the kept results.
    """
    known = servers() if rows is None else rows
    results = read() if kept is None else kept
    tried = [name for name in known if name in results and not results[name].not_tried]
    parts = [TOP, MIDDLE.format(clients=CLIENTS, shots=f"{SHOTS:,}"), "\n"]
    heads = [f"{known[name].title} {results[name].version}" for name in tried]
    parts += [_row("", *heads), _row("---", *("---" for _ in heads))]
    parts.append(_row("tried", *(f"{results[name].date}, {results[name].on}" for name in tried)))
    for column, title in COLUMNS.items():
        parts.append(_row(title, *(_told(results[name].cells[column]) for name in tried)))
    remarks = [
        f"* {known[name].title}: {known[name].remark}\n" for name in tried if known[name].remark
    ]
    remarks += [
        f"* {known[name].title} {one.version} is not tried: {one.not_tried}\n"
        for name, one in results.items()
        if one.not_tried
    ]
    if remarks:
        parts += ["\n", *remarks]
    folders = results.get(FOLDERS)
    if folders is not None:
        parts += [UNSTARTED, _row("", f"checked, {folders.date}"), _row("---", "---")]
        parts += [_row(CHECKED[name], _told(cell)) for name, cell in folders.cells.items()]
    errors = "".join(
        _row(ERRORS[kind], str(http), f"`{grpc}`") for kind, (http, grpc) in PROTOCOLS.items()
    )
    parts.append(BOTTOM.format(errors=errors.rstrip("\n")))
    return "".join(parts)


def _told(cell: Cell) -> str:
    return cell.text if cell.is_so or cell.text == NOT_TRIED else f"**no**: {cell.text}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(one.replace('|', '/') for one in cells)} |\n"
