"""Reports and sessions show themselves in notebooks, and no name in them is code there."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

import hybridx
from hybridx import api
from hybridx.models import TrainingReport
from hybridx.report import Shown
from tests.report.test_page import EVIL, check_harmless
from tests.targets.test_circuit_names import torch_layer

# paths, text, modules, numbers
RETURN_NO_REPORT = {
    "bom",
    "draw",
    "html",
    "lower",
    "output_summaries",
    "python",
    "qasm",
    "restore",
    "to_torch",
}


def functions():
    for name in api.__all__:
        value = getattr(api, name)
        is_for_clusters = getattr(value, "__module__", "").startswith("hybridx.api.divided")
        if inspect.isfunction(value) and not is_for_clusters and name not in RETURN_NO_REPORT:
            yield name, value


@pytest.mark.parametrize(("name", "function"), list(functions()))
def test_what_a_function_returns_shows_itself(name, function):
    returned = inspect.signature(function).return_annotation
    found = {**vars(hybridx), "TrainingReport": TrainingReport}.get(returned)
    found = found or getattr(api, returned, None) or getattr(hybridx, returned)
    assert issubclass(found, Shown)
    assert "_repr_html_" not in vars(found)


class Stamp(msgspec.Struct):
    year: int
    batches: tuple[int, ...]


@dataclass(frozen=True)
class Lap:
    name: str
    p50: float
    word: str | None = None


@dataclass(frozen=True)
class RaceReport(Shown):
    path: str
    size: int = 5200
    is_fast: bool = True
    share: float = 0.123456
    winner: str | None = None
    stamp: Stamp = field(default_factory=lambda: Stamp(1936, (1, 2)))
    laps: tuple[Lap, ...] = (Lap("a", 2e-3), Lap("b", 1.5))
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    text: str = "one\ntwo  three"


class Cells(HTMLParser):
    """The texts of the cells of each row, and the titles of what is folded with whether it is."""

    def __init__(self, content):
        super().__init__()
        self.rows, self.folded, self.inside = [], {}, ""
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        if tag == "tr":
            self.rows.append([])
        if tag == "details":
            self.open = "open" in dict(attrs)

    def handle_data(self, data):
        if self.inside in ("td", "th"):
            self.rows[-1].append(data)
        if self.inside == "summary":
            self.folded[data] = self.open


def shown(report):
    content = report._repr_html_()
    check_harmless(content)
    return content, Cells(content)


def test_attributes_are_rows_for_people():
    content, cells = shown(RaceReport("race.onnx"))
    assert "<strong>Race report</strong>" in content
    for row in (
        ["path", "race.onnx"], ["size", "5.2 kB"], ["is fast", "yes"], ["share", "0.1235"],
        ["winner", "none"], ["stamp", "year 1936, batches 1, 2"], ["outputs", "none"],
    ):  # fmt: skip
        assert row in cells.rows
    # Attributes that are None in all records are no column.
    assert ["name", "p50"] in cells.rows
    assert ["a", "2 ms"] in cells.rows
    assert "<pre>one\ntwo  three</pre>" in content
    assert cells.folded == {"laps": True, "text": False}


def test_an_array_says_its_dtype_and_shape():
    content, cells = shown(RaceReport("", outputs={"y": np.array([[np.nan, 1.0]], "float32")}))
    assert "y: float32 (1, 2)" in cells.folded
    assert "[[nan  1.]]" in content


def test_long_lists_are_cut_and_counted():
    laps = tuple(Lap(f"lap {number}", 1.0) for number in range(1234))
    content, cells = shown(RaceReport("", laps=laps))
    assert sum(row[0].startswith("lap ") for row in cells.rows) == 50
    assert "and 1,184 more" in content
    assert len(content) < 8000


def test_long_texts_are_cut_and_only_some_records_have_details():
    laps = tuple(Lap(f"lap {number}", 1.0, "x" * 99_999) for number in range(30))
    content, cells = shown(RaceReport("", laps=laps, text="y" * 99_999))
    assert [title for title in cells.folded if title.startswith("word of lap")] == [
        f"word of lap {number}" for number in range(8)
    ]
    assert content.count("y" * 10_000 + " …") == 1
    assert len(content) < 100_000


@pytest.mark.parametrize(
    "changed",
    [
        {"path": EVIL}, {"winner": EVIL * 9}, {"laps": (Lap(EVIL, 1.0, EVIL),)},
        {"text": "\n" + EVIL},
        {"outputs": {EVIL: EVIL}}, {"outputs": {EVIL: np.zeros(3)}}, {"laps": ((EVIL,) * 40,)},
        {"laps": (Lap(EVIL, 1.0, EVIL * 9),)}, {"path": "\udcff\x00"}, {"laps": (Lap("", 1.0), 3)},
    ],
)  # fmt: skip
def test_no_name_is_code(changed):
    content, _ = shown(RaceReport(**{"path": "", **changed}))
    assert content.encode()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("shown") / "model.onnx"
    net = nn.Sequential(nn.Linear(2, 2), torch_layer(EVIL))
    return hybridx.export(net, (torch.zeros(3, 2),), path, columns=("a", EVIL))


def test_a_file_that_names_code_is_shown_as_text(model):
    for report in (model, model.circuits[0], hybridx.inspect(model.path)):
        shown(report)


def test_a_session_shows_where_it_runs(model):
    session = hybridx.load(model.path)
    _, cells = shown(session)
    assert ["device", "onnx"] in cells.rows
    assert ["inputs", "input: float32 (batch, 2)"] in cells.rows
    session.close()
    assert ["device", "closed"] in shown(session)[1].rows
