"""The servers of `servers.toml`, started on folders that `hybridx serve-config` has written."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from tests.fresh_machine import ROOT, fresh, made
from tests.rows import read_rows

HERE = Path(__file__).parent
FOLDER = ROOT / ".servers"
SECONDS = 90
MODEL = "iris"
PORTS = ("http", "grpc", "metrics")


class NotTriedError(Exception):
    """A server cannot be had on this machine, and the message says why."""


@dataclass(frozen=True)
class Server:
    """A row of `servers.toml`, which says what the fields are."""

    name: str
    title: str
    package: str
    client: Literal["v2", "http"]
    live: str
    ready: str
    metrics: str = ""
    path: str = ""
    joins: str = ""
    patience: float = SECONDS
    targets: str = ""
    prefix: str = ""
    late: float = 0.0
    page: str = ""
    lacks: tuple[str, ...] = ()
    remark: str = ""

    @property
    def version(self) -> str:
        """The version of its package."""
        wanted = f"{self.package}=="
        (found,) = (one for one in pins(self.name) if one.lower().startswith(wanted))
        return found[len(wanted) :]


def servers() -> dict[str, Server]:
    """Return the rows by their names."""
    return read_rows(HERE / "servers.toml", Server)


def pins(name: str) -> list[str]:
    """Return what pip installs into an environment."""
    return (HERE / f"{name}.txt").read_text(encoding="utf-8").split()


def environment(name: str, *, alone: bool = False) -> Path:
    """Return the Python of an environment, which is made if its pins are new.

    Args:
        name: of its pins.
        alone: without hybridx.

    Raises:
        NotTriedError: pip cannot make it here.
    """
    python = made(FOLDER / name, sys.executable, pins(name), alone=alone)
    if python is None:
        raise NotTriedError("pip cannot install it here")
    return python


def free_ports() -> dict[str, int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in PORTS]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return dict(zip(PORTS, found, strict=True))


def command(
    server: Server, folder: Path, ports: Mapping[str, int]
) -> tuple[list[str], dict[str, str]]:
    """Return the words that start a server on a folder, and the variables that it needs.

    What the folder says of ports and paths is that of a container, and is changed here.
    """
    python = environment(server.name)
    match server.name:
        case "mlserver":
            settings = folder / "settings.json"
            said = json.loads(settings.read_text())
            said |= {f"{name}_port": port for name, port in ports.items()} | {"host": "127.0.0.1"}
            settings.write_text(json.dumps(said))
            return [str(python.with_name("mlserver")), "start", str(folder)], {}
        case "kserve":
            lines = (folder / "settings.env").read_text().splitlines()
            said = dict(line.split("=", 1) for line in lines)
            said["HYBRIDX_SERVE_MODEL"] = str(folder / "model.onnx")
            options = [f"--http_port={ports['http']}", f"--grpc_port={ports['grpc']}"]
            module = ["-m", "hybridx.integrations.kserve", f"--model_name={MODEL}"]
            return [str(python), *module, *options], said
        case "bentoml":
            words = f"serve service:Model --working-dir {folder} --host 127.0.0.1 --port"
            bin = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
            return [str(python.with_name("bentoml")), *words.split(), str(ports["http"])], {
                "BENTOML_DO_NOT_TRACK": "True",
                "PATH": bin,
            }
        case "ray":
            settings = folder / "serve.yaml"
            said = settings.read_text().replace("0.0.0.0", "127.0.0.1")
            settings.write_text(said.replace("port: 8000", f"port: {ports['http']}"))
            module = ["-m", "hybridx.integrations.ray_serve", str(settings)]
            return [str(python), *module], {"RAY_metrics_report_interval_ms": "1000"}
        case name:
            raise NotImplementedError(name)


class Running:
    """A server that runs; a context manager, which kills it and all that it started at the end.

    Attributes:
        ports: where it listens.
        states: whether it was live and ready, each pair once, as they were seen one after another.
    """

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.ports = server, free_ports()
        self.states: list[tuple[bool, bool]] = []
        self._folder = folder

    def __enter__(self) -> Self:
        words, variables = command(self.server, self._folder, self.ports)
        self._home = tempfile.TemporaryDirectory()
        self._log = Path(self._home.name) / "log"
        own = {"OMP_NUM_THREADS": "1", "TMPDIR": self._home.name}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                words,
                cwd=self._folder,
                env=fresh(os.environ, Path(self._home.name)) | own | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        while left := with_home(self._home.name):  # one may start another meanwhile
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.02)
        self._home.cleanup()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str, port: str = "http", patience: float = SECONDS) -> tuple[int, str]:
        """Return the status of a path, and the text; 0 where nobody answers."""
        return _get(f"127.0.0.1:{self.ports[port]}{path}", patience)

    def state(self) -> tuple[bool, bool]:
        """Return whether it is live and ready, and remember what was seen."""
        live = self.get(self.server.live)[0] == 200
        path, patience = self.server.ready.format(name=MODEL), self.server.patience
        ready = self.get(path, patience=patience)[0] == 200
        if self.states[-1:] != [(live, ready)]:
            self.states.append((live, ready))
        return live, ready

    def wait(self, what: str, is_so: Any) -> None:
        """Wait until something is so.

        Raises:
            TimeoutError: it takes too long, or the server has ended.
        """
        end = time.monotonic() + SECONDS
        while not is_so():
            if self.process.poll() is not None:
                raise TimeoutError(f"it ended before {what}:\n{self.log[-3000:]}")
            if time.monotonic() > end:
                raise TimeoutError(f"not {what} in {SECONDS} s:\n{self.log[-3000:]}")
            time.sleep(0.02)

    def until_ready(self) -> None:
        """Wait until the model is ready."""
        self.wait("ready", lambda: self.state()[1])

    def counters(self) -> dict[str, float]:
        """Return the counters of hybridx when all that was answered so far is in them."""
        time.sleep(self.server.late)
        return self.scraped()

    def scraped(self) -> dict[str, float]:
        """Return the counters that a scrape shows now, by name and result."""
        line = re.compile(rf"^{self.server.prefix}(hybridx_\w+)(?:{{(.*)}})? (\S+)$", re.MULTILINE)
        found = {}
        for address in self._addresses():
            for name, labels, value in line.findall(_get(address, SECONDS)[1]):
                result = re.search(r'result="\w+"', labels)
                found[f"{name}{{{result[0]}}}" if result else name] = float(value)
        return found

    def _addresses(self) -> list[str]:
        """Return where counters are scraped."""
        if not self.server.targets:
            port, _, path = self.server.metrics.partition("/")
            return [f"127.0.0.1:{self.ports[port]}/{path or 'metrics'}"]
        groups = json.loads((Path(self._home.name) / self.server.targets).read_text())
        return [f"{address}/metrics" for group in groups for address in group["targets"]]

    def terminate(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def _get(address: str, patience: float) -> tuple[int, str]:
    """Return the status of an address, and the text; 0 where nobody answers in time."""
    try:
        with urllib.request.urlopen(f"http://{address}", timeout=patience) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def with_home(home: str) -> list[int]:
    """Return the processes whose environment has a folder as home; none without /proc."""
    wanted, found = f"HOME={home}".encode(), []
    for file in Path("/proc").glob("[0-9]*/environ"):
        # It may have ended, or belong to somebody else.
        with suppress(OSError):
            if wanted in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return found
