"""A deployment of Ray Serve for files of hybridx.

`application` builds it, from Python or from a configuration that `serve run` and `serve deploy`
read:

    applications:
      - name: model
        route_prefix: /model
        import_path: hybridx.integrations.ray_serve:application
        args: {path: /models/model.onnx, settings: {device: default.qubit, shots: 1000}}

`hybridx serve-config model.onnx --server ray -o FOLDER` writes that. A request is a POST of the
JSON `{"inputs": {"x": [[0.1, 0.2]]}}`, and its answer `{"outputs": {"y": [[0.3]]}}`. A replica
takes requests after its self-test.

`python -m hybridx.integrations.ray_serve FOLDER/serve.yaml` starts a Ray of its own on this machine
and serves as `serve run` does. It ends as a container is ended: told so by SIGTERM, it answers what
is here first. The program `serve run` of Ray 2.60 loses it. A file that fails its self-test never
gets ready, and the program stays, so that the log can be read and nobody starts it again and again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
import yaml
from ray import serve
from ray.util.metrics import Counter, Gauge
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from hybridx.deployment import Settings, settings_of
from hybridx.errors import NotReadyError, ServerSettingError
from hybridx.integrations.json_arrays import read_request, write_arrays
from hybridx.integrations.metrics import METRICS, REQUESTS, results_of
from hybridx.integrations.refusals import PROTOCOLS, refusal_of
from hybridx.integrations.served import Served

_SPARE = 16  # requests that a replica takes beyond its queue, to refuse them in hybridx's words
_BUSY = PROTOCOLS["busy"][0]
_SECONDS = 1.0  # between two looks at the counters; Ray shows them less often


class FileDeployment:
    """A replica: one file, loaded and tested when it is made."""

    def __init__(self, path: str, settings: Mapping[str, Any]) -> None:
        """Load and test the file; Ray sends no request before that is done.

        Raises:
            HybridxError: the file or the device is not fit to be served; Ray shows the message.
        """
        self._served = Served(path, settings_of(settings))
        self._told: dict[tuple[str, str], float] = {}
        self._meters = {
            one.name: (Counter if one.kind == "counter" else Gauge)(one.name, one.text)
            for one in METRICS
        }
        self._requests = Counter(REQUESTS, "Requests by what came of them.", ("result",))
        self._served.start()
        self._is_ended = threading.Event()
        self._teller = threading.Thread(target=self._tell_on, name="hybridx-counters", daemon=True)
        self._teller.start()

    async def __call__(self, request: Request) -> Response:
        """Answer a request, or say what is wrong with it."""
        if request.method == "GET":
            return JSONResponse({"ready": self._served.is_ready})
        if request.method != "POST":
            return JSONResponse({"error": "only GET and POST are answered"}, status_code=405)
        body = await request.body()
        try:
            outputs = await self._served.predict_async(lambda: read_request(body))
        except Exception as error:
            told = refusal_of(error)
            return JSONResponse({"error": told.text}, status_code=told.http)
        return JSONResponse({"outputs": write_arrays(outputs)})

    def check_health(self) -> None:
        """Tell Ray whether requests are answered.

        Raises:
            NotReadyError: they are not.
        """
        if reason := self._served.why_not_ready:
            raise NotReadyError(reason)

    async def __del__(self) -> None:
        """Answer what is here, and free the file; Ray calls it when a replica ends."""
        await asyncio.to_thread(self._served.close)
        self._is_ended.set()

    def _tell_on(self) -> None:
        """Keep Ray's metrics as the counters are, also while requests wait."""
        self._tell()
        while not self._is_ended.wait(_SECONDS):
            self._tell()

    def _tell(self) -> None:
        """Give Ray's metrics what has changed of the counters."""
        counts = self._served.counts()
        for result, count in results_of(counts).items():
            self._more(self._requests, REQUESTS, count, result)
        for one in METRICS:
            meter, number = self._meters[one.name], float(getattr(counts, one.attribute))
            if isinstance(meter, Gauge):
                meter.set(number)
            else:
                self._more(meter, one.name, number)

    def _more(self, meter: Counter, name: str, number: float, result: str = "") -> None:
        more = number - self._told.get((name, result), 0.0)
        if more > 0:
            meter.inc(more, {"result": result} if result else None)
            self._told[name, result] = number


def application(args: Mapping[str, Any]) -> serve.Application:
    """Return the application that serves a file.

    Args:
        args: `path` of the file, and `settings` of `hybridx.deployment.Settings` by name.

    Raises:
        ServerSettingError: a setting is unknown or has a value that cannot be meant.
    """
    unknown = [name for name in args if name not in ("path", "settings")]
    if unknown or "path" not in args:
        name = unknown[0] if unknown else "path"
        raise ServerSettingError(name, str(args.get(name, "not given")), "path and settings")
    said = dict(args.get("settings") or {})
    settings = settings_of(said)
    deployment = serve.deployment(
        FileDeployment,
        name="FileDeployment",
        max_ongoing_requests=_most(settings),
        # What comes while no replica is ready waits at Ray's door, and not without end.
        max_queued_requests=_most(settings),
        backpressure_config={"status_code": _BUSY},
        # Ray would test the file on the device three times, and each may have a price.
        max_constructor_retry_count=1,
        graceful_shutdown_timeout_s=settings.seconds,
    )
    return deployment.bind(str(Path(args["path"])), said)


def _most(settings: Settings) -> int:
    """Return how many requests a replica holds: those that run, wait, or will be refused."""
    return (settings.workers or os.cpu_count() or 1) + settings.queue + _SPARE


def run(path: str | Path) -> None:
    """Serve the applications of a configuration until the process is told to end, then drain.

    Args:
        path: of the configuration; the paths of models in it begin at its folder.
    """
    config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    targets = []
    for one in config["applications"]:
        args = {**one["args"], "path": str(Path(path).resolve().parent / one["args"]["path"])}
        targets.append(serve.RunTarget(application(args), one["name"], one["route_prefix"]))
    ended = threading.Event()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray tells its makers
    ray.init("local")  # a Ray that runs here already has applications that `shutdown` would end
    serve.start(http_options=config.get("http_options"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())  # after Ray has set its own
    # It is not waited for, as an application that fails is to stay, and to say so.
    serve.run_many(targets, wait_for_applications_running=False)
    ended.wait()
    for one in targets:
        serve.delete(one.name)  # returns when its replicas have answered
    serve.shutdown()


if __name__ == "__main__":
    run(sys.argv[1])
