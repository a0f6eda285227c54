"""What is tried of a server: protocols, errors, readiness, load, counters, a device, its end."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import hybridx
from tests.documents.blocks import ROOT, blocks
from tests.integrations.models import expected, write_model
from tests.runtime.remote import rows
from tests.servers.client import CLIENTS_OF, WAYS, Answer, ask
from tests.servers.server import MODEL, SECONDS, Running, Server, environment

DOCS = ROOT / "docs" / "deploy"
USUAL_PORTS = {8080: "http", 8000: "http", 8081: "grpc", 8082: "metrics"}
NOT_TRIED = "not tried"
CLIENTS = 64
ROUNDING = 1e-6  # of float32, with numbers of at most one
BATCHES = (1, 3, 64)
SHOTS, QUEUE, OVERFLOW = 1000, 5, 16
# Of 1000 shots, six standard deviations: one of a million right answers is further off.
SPREAD = 6 / np.sqrt(SHOTS)
# Rows of a request that a device takes about half a second for, and a tenth.
LONG, SHORT = 300, 60
# What a protocol says of a request that is wrong, of too many, and of a model that is not ready.
INVALID = {"400", "INVALID_ARGUMENT"}
BUSY = {"429", "RESOURCE_EXHAUSTED"}
UNREADY = {"400", "404", "503", "UNAVAILABLE", "NOT_FOUND", "INVALID_ARGUMENT"}


@dataclass(frozen=True)
class Cell:
    """What came of one thing that was tried.

    Attributes:
        is_so: the server does it.
        text: in a few words, for the page.
    """

    is_so: bool
    text: str


COLUMNS: Mapping[str, str] = {
    "JSON": "JSON",
    "binary": "binary HTTP",
    "gRPC": "gRPC",
    "errors": "wrong requests",
    "clients": f"{CLIENTS} clients at once",
    "ready": "live, and ready after the self-test",
    "spoilt": "never ready with a spoilt self-test",
    "device": "a device with shots",
    "queue": "full queue",
    "metrics": "counters",
    "drain": "drained at SIGTERM",
    "page": "the example of its page",
}
"""What is tried, in the order of the page."""


def try_server(server: Server, folder: Path) -> dict[str, Cell]:
    """Return what comes of each column.

    Args:
        server: which one.
        folder: an empty one.
    """
    cells: dict[str, Cell] = {}
    ways = _try_ways(server, folder, cells)
    _try_device(server, folder, ways, cells)
    _try_spoilt(server, folder, ways, cells)
    _try_page(server, folder / "page", cells)
    return {name: cells[name] for name in COLUMNS}


def _written(server: Server, folder: Path, dtype: str, **settings: object) -> Path:
    """Return a folder that `serve_config` has written."""
    path = write_model(folder / f"{MODEL}.onnx", dtype)
    shutil.rmtree(folder / "served", ignore_errors=True)
    report = hybridx.serve_config(
        path, folder / "served", server=server.name, name=MODEL, settings=settings
    )
    return Path(report.path)


def _try_ways(server: Server, folder: Path, cells: dict[str, Cell]) -> list[str]:
    """Try all ways with both dtypes, wrong requests and many clients; return the ways that work."""
    told: dict[str, list[str]] = {}
    works: dict[str, bool] = {}
    for dtype in ("float32", "float64"):
        place = _written(server, folder, dtype)
        session = hybridx.load(folder / f"{MODEL}.onnx")
        with Running(server, place) as running:
            running.until_ready()
            for way in WAYS[server.client]:
                answers = ask(running, way, [{"x": rows(n).astype(dtype)} for n in BATCHES])
                wanted = [session(rows(n).astype(dtype)) for n in BATCHES]
                is_so = all(map(_is_same, answers, wanted))
                works[way] = works.get(way, True) and is_so
                told.setdefault(way, []).append("" if is_so else _told(answers))
            if dtype == "float32":
                good = [way for way in works if works[way]]
                _try_errors(running, good, cells)
                _try_clients(running, good, session, cells)
    good = [way for way in works if works[way]]
    for column in ("JSON", "binary", "gRPC"):
        cells[column] = _way_cell(server, column, works, told)
    return good


def _way_cell(
    server: Server, column: str, works: Mapping[str, bool], told: Mapping[str, Sequence[str]]
) -> Cell:
    ways = [way for way, of in WAYS[server.client].items() if of == column]
    if not ways:
        return Cell(False, NOT_TRIED)
    first = next((way for way in ways if works[way]), None)
    if first is None:
        return Cell(False, next(filter(None, told[ways[0]])))
    also = "" if first == ways[0] else ", not by tritonclient"
    return Cell(True, f"equal to the last bit, float32 and float64{also}")


def _try_errors(running: Running, ways: Sequence[str], cells: dict[str, Cell]) -> None:
    x = rows(3)
    wrong = {
        "name": {"z": x},
        "shape": {"x": x[:, :1]},
        "dtype": {"x": x.astype(np.int64)},
        "text": {"x": np.array([[b"a", b"b"]], dtype=object)},
    }
    if {*ways} <= {*WAYS["http"]}:
        del wrong["dtype"]  # numbers of JSON have none
    found: dict[str, set[str]] = {}
    strange = []
    for way in ways:
        for what, request in wrong.items():
            (answer,) = ask(running, way, [request])
            found.setdefault(way, set()).add(answer.code)
            if answer.code not in INVALID or "HX4" not in answer.text or "/" in answer.text:
                strange.append(f"{way} {what}: {answer.code} {answer.text}")
    codes = sorted(set().union(*found.values()))
    cells["errors"] = Cell(not strange, "; ".join(strange) or " and ".join(codes))


def _try_clients(
    running: Running, ways: Sequence[str], session: hybridx.Session, cells: dict[str, Cell]
) -> None:
    before = running.counters()
    given = [rows(1 + index % 3, seed=index) for index in range(CLIENTS)]
    lost = []
    for way in ways:
        answers = ask(running, way, [{"x": one} for one in given])
        for one, answer in zip(given, answers, strict=True):
            if not _is_same(answer, session(one)):
                lost.append(f"{way}: {_told([answer])}")
    cells["clients"] = Cell(not lost, lost[0] if lost else "all right")
    after = running.counters()
    wanted = {
        'hybridx_requests_total{result="answered"}': CLIENTS * len(ways),
        "hybridx_rows_total": sum(map(len, given)) * len(ways),
    }
    grown = {name: after.get(name, 0) - before.get(name, 0) for name in wanted}
    is_so = grown == wanted and after.get("hybridx_seconds_total", 0) > 0
    cells["metrics"] = Cell(is_so, "scraped" if is_so else f"{grown}, not {wanted}")
    if running.server.joins and not lost:
        cells["clients"] = _joined_cell(running, session)


def _joined_cell(running: Running, session: hybridx.Session) -> Cell:
    """Send rows to be joined, with wrong ones among them, and count how often the file ran."""
    before = running.counters()
    given = [rows(1 + index % 3, seed=index) for index in range(CLIENTS)]
    wrong = range(0, CLIENTS, 8)
    sent = [{"x": one[:, :1] if index in wrong else one} for index, one in enumerate(given)]
    answers = ask(running, "joined", sent)
    for index, (one, answer) in enumerate(zip(given, answers, strict=True)):
        if index in wrong:
            is_so = answer.code in INVALID
        else:
            # The last bit may depend on the number of rows that run together.
            found = answer.outputs.get("y")
            is_so = found is not None and found.shape == (len(one), 2)
            is_so = is_so and bool(np.abs(found - session(one)).max() < ROUNDING)
        if not is_so:
            return Cell(False, f"joined: {_told([answer])}")
    after = running.counters()
    name = 'hybridx_requests_total{result="answered"}'
    runs = after[name] - before[name]
    counted = after["hybridx_rows_total"] - before["hybridx_rows_total"]
    right = [one for index, one in enumerate(given) if index not in wrong]
    if not 0 < runs < len(right) or counted != sum(map(len, right)):
        return Cell(False, f"{len(right)} requests joined to {runs:.0f} with {counted:.0f} rows")
    return Cell(True, "all right, joined too")


def _try_device(server: Server, folder: Path, ways: Sequence[str], cells: dict[str, Cell]) -> None:
    place = _written(
        server, folder, "float32", device="default.qubit", shots=SHOTS, seed=5, queue=QUEUE
    )
    with Running(server, place) as running:
        running.until_ready()
        seen = running.states
        is_so = (True, False) in seen and seen[-1] == (True, True) and (False, True) not in seen
        cells["ready"] = Cell(is_so, "yes" if is_so else str(seen))
        cells["device"] = _device_cell(running, ways[0])
        cells["queue"] = _queue_cell(running, ways)
        cells["drain"] = _drain_cell(running, ways)


def _device_cell(running: Running, way: str) -> Cell:
    before = running.counters()
    x = rows(40, seed=2)
    (answer,) = ask(running, way, [{"x": x}])
    if not answer.outputs:
        return Cell(False, _told([answer]))
    off = np.abs(answer.outputs["y"] - expected(x)).max()
    shots = running.counters()["hybridx_shots_total"] - before["hybridx_shots_total"]
    is_exact = np.array_equal(answer.outputs["y"], expected(x).astype(np.float32))
    # Each row is two circuits where results do not commute, or one.
    is_so = off < SPREAD and not is_exact and shots in (len(x) * SHOTS, 2 * len(x) * SHOTS)
    return Cell(is_so, "yes" if is_so else f"off by {off:.2f}, {shots:.0f} shots")


def _queue_cell(running: Running, ways: Sequence[str]) -> Cell:
    """Send more requests than may wait: some are answered, all others refused as too many."""
    codes: set[str] = set()
    for way in ways:
        requests = [{"x": rows(LONG, seed=index)} for index in range(OVERFLOW)]
        answers = ask(running, way, requests)
        refused = [one for one in answers if not one.outputs]
        right = [one for one in answers if one.outputs]
        for request, one in zip(requests, answers, strict=True):
            if one.outputs and np.abs(one.outputs["y"] - expected(request["x"])).max() > SPREAD:
                return Cell(False, f"{way}: wrong numbers under load")
        codes |= {one.code for one in refused}
        if not refused or len(right) <= QUEUE or not codes <= BUSY:
            return Cell(False, f"{way}: {len(right)} answered, {_told(refused)}")
    return Cell(True, " and ".join(sorted(codes)))


def _drain_cell(running: Running, ways: Sequence[str]) -> Cell:
    """Send as many requests as may wait by two ways, end the server, and count the answers."""
    # Where counters come late, requests take long enough to be seen waiting.
    count = SHORT + round(LONG * running.server.late)
    requests = [{"x": rows(count, seed=index)} for index in range(QUEUE + 1)]
    each = [(ways[0], ways[-1])[index % 2] for index in range(len(requests))]
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.extend(ask(running, each, requests)))
    running.wait("empty", lambda: running.scraped().get("hybridx_waiting") == 0)
    asking.start()
    running.wait("full", lambda: running.scraped().get("hybridx_waiting", 0) >= QUEUE - 1)
    running.terminate()
    asking.join()
    lost = [one for one in answers if not one.outputs]
    if lost:
        return Cell(False, f"{len(lost)} of {len(requests)} lost: {_told(lost)}")
    if len(answers) != len(requests) or running.state() != (False, False):
        return Cell(False, f"{len(answers)} of {len(requests)} answered, and it does not end")
    return Cell(True, f"{len(answers)} of {len(requests)} answered")


def _try_spoilt(server: Server, folder: Path, ways: Sequence[str], cells: dict[str, Cell]) -> None:
    place = _written(server, folder, "float32")
    write_model(place / "model.onnx", spoilt=0.01)
    with Running(server, place) as running:
        running.wait("refused", lambda: running.state()[0] and "HX601" in running.log)
        states = [running.state() for _ in range(5)]
        codes = {ask(running, way, [{"x": rows(1)}])[0].code for way in ways}
        ended = running.terminate()
        # On a device each test has a price.
        tests = running.log.count("the served file does not get ready")
        is_so = set(states) == {(True, False)} and codes <= UNREADY and tests == 1
    found = f"{states[-1]}, {codes}, tested {tests} times, ended {ended}"
    text = " and ".join(sorted(codes)) if is_so else found
    cells["spoilt"] = Cell(is_so, f"live, and requests get {text}" if is_so else text)


def _try_page(server: Server, folder: Path, cells: dict[str, Cell]) -> None:
    """Run what the page of a server asks it, and look for the numbers of a session."""
    folder.mkdir()
    shown = blocks(DOCS / f"{server.page or server.name}.md")
    first = next(one for one in shown if one.language == "python" and not one.title)
    exporting = [sys.executable, "-c", first.code]
    subprocess.run(exporting, cwd=folder, check=True, capture_output=True, timeout=SECONDS)
    place = folder / "served"
    hybridx.serve_config(folder / f"{MODEL}.onnx", place, server=server.name, name=MODEL)
    wanted = hybridx.load(folder / f"{MODEL}.onnx")(np.array([[0.1, 0.2, 0.3, 0.4]]))
    with Running(server, place) as running:
        running.until_ready()
        said = ""
        for one in shown:
            if not one.title:
                continue
            code = one.code
            for usual, port in USUAL_PORTS.items():
                code = code.replace(f"localhost:{usual}", f"127.0.0.1:{running.ports[port]}")
            (folder / one.title).write_text(code, encoding="utf-8")
            python = str(environment(CLIENTS_OF[server.client], alone=True))
            runs = {".py": [python], ".sh": ["bash"]}
            words = runs.get(Path(one.title).suffix)
            if words is not None:
                said = subprocess.run(
                    [*words, one.title],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=SECONDS,
                ).stdout
    found = [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", said)]
    # NumPy prints eight digits.
    is_so = all(any(abs(one - number) < 1e-6 for number in found) for one in wanted.flat)
    cells["page"] = Cell(is_so, "prints what a session gives" if is_so else said[:100])


def _is_same(answer: Answer, wanted: np.ndarray) -> bool:
    found = answer.outputs.get("y")
    return (
        found is not None
        and found.dtype == wanted.dtype
        and found.shape == wanted.shape
        and found.tobytes() == wanted.tobytes()
    )


def _told(answers: Sequence[Answer]) -> str:
    """Return what the refusals among answers say, in few words."""
    return next(_refusals(answers), "other numbers")


def _refusals(answers: Sequence[Answer]) -> Iterator[str]:
    for one in answers:
        if not one.outputs:
            # What a client says of an answer that it cannot read is long, and its status enough.
            text = "" if one.code.isdecimal() else " ".join(one.text.split())[:100]
            yield f"refused: {one.code} {text}".strip()
