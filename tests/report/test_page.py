"""The page on a file stands alone, and no name in the file is code in it."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from html.parser import HTMLParser

import pytest
import torch
from torch import nn

import hybridx
from hybridx import api
from hybridx.errors import ConflictingOptionsError, OptionError, OptionNeedsError, OutputExistsError
from hybridx.report import Folded, Listing, Page, Picture, Section, Table, Verdict, write_page
from tests.cli.shell import command
from tests.targets.test_circuit_names import torch_layer

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'</style>"


class Read(HTMLParser):
    """The elements of a page with their attributes, and all its texts."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "model.onnx"
    net = nn.Sequential(nn.Linear(2, 2), torch_layer(EVIL))
    hybridx.export(net, (torch.zeros(3, 2),), path, columns=("a", EVIL), classes=("c", EVIL + "2"))
    return path


def check_harmless(content):
    page = Read(content)
    tags = {tag for tag, _ in page.elements}
    assert "script" not in tags
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        source = attributes.get("src", attributes.get("href", ""))
        assert tag != "img" or source.startswith("data:image/svg+xml;base64,")
        assert tag == "img" or not source
    return page


def test_names_in_a_file_are_texts_of_its_page(model, tmp_path):
    place = tmp_path / "page.html"
    assert api.html(model, place) == str(place)
    page = check_harmless(place.read_text(encoding="utf-8"))
    texts = "".join(page.texts)
    assert texts.count(EVIL) >= 3  # a column, a class, the name of a QNode
    assert "batch" in texts
    assert hashlib.sha256(model.read_bytes()).hexdigest() in texts
    graph, drawn = (a["src"] for tag, a in page.elements if tag == "img")
    assert base64.b64decode(drawn.split(",")[1]).startswith(b"<svg")
    picture = base64.b64decode(graph.split(",")[1]).decode()
    assert "&lt;/script&gt;" in picture
    assert "</script>" not in picture


def test_the_policy_allows_its_own_style_and_nothing_else(model, tmp_path):
    api.html(model, tmp_path / "page.html")
    content = (tmp_path / "page.html").read_text(encoding="utf-8")
    (policy,) = (a["content"] for _, a in Read(content).elements if "http-equiv" in a)
    (style,) = re.findall("<style>(.*?)</style>", content, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;")
    assert "style=" not in content
    assert "@import" not in style
    assert "url(" not in style


def test_every_part_of_a_page_is_escaped():
    parts = (
        EVIL,
        Table([(EVIL, EVIL)], (EVIL, EVIL)),
        Table([(EVIL, EVIL)]),
        Picture(b"<svg/>", EVIL),
        Verdict(EVIL, is_good=False),
        Listing(EVIL),
        Folded(EVIL, [EVIL]),
    )
    content = write_page(Page(EVIL, EVIL, [Section(EVIL, parts)], EVIL)).decode()
    page = check_harmless(content)
    assert "".join(page.texts).count(EVIL) == 16


def test_characters_that_nobody_sees_are_written_out():
    content = write_page(Page("a\x00\udcff\u202eb", "", [], "")).decode()
    assert r"<h1>a\x00\udcff\u202eb</h1>" in content


def test_equal_files_give_equal_pages(model, tmp_path):
    for name in ("one.html", "two.html"):
        api.html(model, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_speed_is_measured_when_it_is_asked_for(model, tmp_path, monkeypatch):
    api.html(model, tmp_path / "plain.html")
    assert "p50" not in (tmp_path / "plain.html").read_text(encoding="utf-8")
    short = functools.partial(api.bench, seconds=0.01)
    monkeypatch.setattr("hybridx.api.benching.bench", short)
    api.html(model, tmp_path / "fast.html", bench=True)
    texts = Read((tmp_path / "fast.html").read_text(encoding="utf-8")).texts
    assert {"p50", "p99", "rows/s", "1", "32", "256", "1024"} <= {*texts}
    assert any(text.startswith("Measured when this page was made, on ") for text in texts)


def test_speed_is_for_a_page(model):
    refused = command("inspect", "model.onnx", "--bench", folder=model.parent)
    assert (refused.code, OptionNeedsError.code in refused.talk) == (3, True)


def test_another_ending_and_an_existing_page_are_refused(model, tmp_path):
    with pytest.raises(OptionError):
        api.html(model, tmp_path / "page.txt")
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        api.html(model, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "mine"


def test_the_command_writes_a_page_and_prints_functions(model):
    folder = model.parent
    written = command("inspect", "model.onnx", "--html", "p.html", "--overwrite", folder=folder)
    assert (written.code, written.out) == (0, "written to p.html\n")
    printed = command("inspect", "model.onnx", "--python", folder=folder)
    assert printed.code == 0
    compile(printed.out, "module.py", "exec")
    refused = command("inspect", "model.onnx", "--python", "--qasm", folder=folder)
    assert (refused.code, ConflictingOptionsError.code in refused.talk) == (3, True)
