"""Small models of every form of input, and one of 46 MB, as files for pages."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pennylane as qml
import torch
from torch import nn

import hybridx
from hybridx.api.exporting import export_source
from hybridx.api.options import SourceOptions
from hybridx.artifact import stamped
from tests.fresh_machine import ROOT

HOSTILE = (
    "</script><script>window.wasRun = true</script>",
    "<img src=x onerror='window.wasRun = true'>",
    "<!--<script>",
    "\"'`&amp;{{1}}",
    "\u202eright to left\u202c",
    "long" * 2_500,
)


def layer(wires: int, device: str = "default.qubit") -> nn.Module:
    """Return a quantum layer that is entangled on all its wires."""

    @qml.qnode(qml.device(device, wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires))
        qml.BasicEntanglerLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, wires)})


class Image(nn.Module):
    """Pictures with three channels."""

    def __init__(self) -> None:
        super().__init__()
        small = [nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 4)]
        self.net = nn.Sequential(*small, nn.Tanh(), layer(4), nn.Linear(4, 3))

    def forward(self, image):
        return self.net(image)


class Tokens(nn.Module):
    """Six whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.quantum, self.head = nn.Embedding(50, 4), layer(4), nn.Linear(4, 2)

    def forward(self, ids):
        return self.head(self.quantum(torch.tanh(self.embedding(ids).mean(1))))


class Two(nn.Module):
    """A table and an array, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.quantum, self.head = layer(3), nn.Linear(5, 1)

    def forward(self, angles, context):
        measured = self.quantum(angles)
        energy = self.head(torch.cat([measured, context.mean(1)], 1)).squeeze(-1)
        return {"energy": energy, "measured": measured}


class Separate(nn.Module):
    """A circuit of 23 wires, of which no two are entangled."""

    def __init__(self) -> None:
        super().__init__()

        @qml.qnode(qml.device("lightning.qubit", wires=23))
        def circuit(inputs):
            qml.AngleEmbedding(inputs, wires=range(23))
            return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]

        self.first, self.quantum = nn.Linear(2, 23), qml.qnn.TorchLayer(circuit, {})

    def forward(self, x):
        return self.quantum(self.first(x))


class Odd(nn.Module):
    """Names that every object of JavaScript has, NaN for what is below zero, and whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layer(3), layer(3)

    def forward(self, __proto__, toString):
        angles = self.second(self.first(torch.log(__proto__)))
        scores = angles * (toString.sum((1, 2)) % 10).to(angles.dtype)[:, None]
        return {"constructor": scores, "hasOwnProperty": toString * 2, "valueOf": angles}


class Pixels(nn.Module):
    """A picture of whole numbers, and an output that is no property in JavaScript."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2), layer(2))

    def forward(self, image):
        return {"__proto__": self.net(image / 255)}


class Levels(nn.Module):
    """Three whole numbers of eight bits."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 2), layer(2))

    def forward(self, level):
        return self.net(level / 10)


class FromFive(nn.Module):
    """It runs on the numbers from 5 to 7 only."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.quantum = nn.Embedding(3, 2), layer(2)

    def forward(self, number):
        return self.quantum(self.embedding(number - 5))


def large() -> nn.Module:
    """Return a model whose weights take 46 MB."""
    wide = [nn.Linear(8, 3400), nn.Tanh(), nn.Linear(3400, 3400), nn.Tanh(), nn.Linear(3400, 4)]
    return nn.Sequential(*wide, layer(4), nn.Linear(4, 2))


def write_models(folder: Path) -> None:
    """Write the files of all models that are not there yet."""
    torch.manual_seed(0)
    wide = nn.Sequential(nn.Linear(3, 14), layer(14), nn.Linear(14, 2))
    image = {"classes": ("cat", "dog", "bird")}
    odd, levels = {"classes": ("a", "b", "c")}, {"columns": ("a", "b", "c")}
    for name, make, args, options in (
        ("image", Image, (torch.rand(2, 3, 32, 32),), image),
        ("tokens", Tokens, (torch.randint(0, 50, (2, 6)),), {}),
        ("two", Two, (torch.randn(2, 3), torch.randn(2, 6, 2)), {}),
        ("wide", lambda: wide, (torch.randn(2, 3),), {}),
        ("too_wide", Separate, (torch.randn(2, 2),), {}),
        ("large", large, (torch.randn(2, 8),), {}),
        ("odd", Odd, (torch.rand(2, 3) + 0.5, torch.full((2, 1, 1), 123456789)), odd),
        ("pixels", Pixels, (torch.randint(0, 256, (2, 1, 4, 4)),), {}),
        ("levels", Levels, (torch.randint(0, 9, (2, 3), dtype=torch.int8),), levels),
        ("from_five", FromFive, (torch.tensor([5, 7]),), {"self_test": False}),
    ):
        if not (folder / f"{name}.onnx").exists():
            hybridx.export(make(), args, folder / f"{name}.onnx", **options)
    if not (folder / "iris.onnx").exists():
        source = SourceOptions(str(ROOT / "exported" / "iris.toml"))
        export_source(source, folder / "iris.onnx")
    _write_hostile(folder)
    _write_changed(folder)


def _write_hostile(folder: Path) -> None:
    """Write a file whose columns, classes and layer have hostile names."""
    size = len(HOSTILE)
    model = nn.Sequential(nn.Linear(size, 2), layer(2), nn.Linear(2, size))
    named = {"columns": HOSTILE, "classes": HOSTILE, "metadata": {"title": HOSTILE[0]}}
    path = folder / "plain.onnx"
    hybridx.export(model, (torch.randn(2, size),), path, overwrite=True, **named)
    changed = onnx.ModelProto.FromString(path.read_bytes())
    for node in changed.graph.node:
        if node.domain == "hybridx":
            node.name = f"{HOSTILE[0]}{HOSTILE[-1]}"
    (folder / "hostile.onnx").write_bytes(stamped(changed))
    (folder / "hostile.json").write_text(json.dumps(HOSTILE), encoding="utf-8")


def _write_changed(folder: Path) -> None:
    """Write a file that another tool has changed."""
    golden = ROOT / "exported" / "golden" / "onnx-2" / "classifier.onnx"
    model = onnx.ModelProto.FromString(golden.read_bytes())
    model.graph.node[0].name = "renamed"
    (folder / "changed.onnx").write_bytes(model.SerializeToString())
