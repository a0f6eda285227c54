"""Model cards: read back by a parser of Markdown, and their snippets run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from markdown_it import MarkdownIt

from hybridx import api
from hybridx.artifact import Metadata, Verification, stamped
from hybridx.errors import (
    FileMissingError,
    HubNameError,
    OptionError,
    OptionNeedsError,
    OutputExistsError,
    printable,
)
from hybridx.materials.markdown import listing, literal, named
from tests.cli.shell import command
from tests.runtime.models import GRAPHS
from tests.sampling import some
from tests.signing.given import FILES, copied

HOSTILE = (
    "---",
    "a`b```c",
    "<script>alert(1)</script>",
    "a|b||c",
    "one\n---\n\n# two",
    "![x](http://127.0.0.1/x.png)",
    "[x](javascript:x) <http://127.0.0.1> www.example.org :smile: @all",
    "$$x$$ \\(x\\) &amp; **a** _a_ ~~a~~",
    "\u202etxt\x1b[31m",
    "    indented",
    "* 1. > #",
    "-n",
)


def front_matter(text):
    """The front matter's lines, and the text below it."""
    opening, lines, body = text.split("---\n", 2)
    assert opening == ""
    return lines.splitlines(), body


def read(body):
    """The tokens of Markdown with GitHub's tables, HTML allowed, as on the Hub."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)


def inner(tokens):
    return [part for token in tokens for part in token.children or []]


def cells(tokens):
    """The text of each cell of the tables, row by row."""
    rows = []
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("td_open", "th_open"):
            rows[-1].append("".join(one.content for one in tokens[place + 1].children))
    return rows


def blocks(tokens, language):
    return [one.content for one in tokens if one.type == "fence" and one.info == language]


def hostile(folder):
    """A file whose every name is hostile."""
    made = GRAPHS["between classical nodes"](
        metadata=Metadata(
            "0.1",
            columns=HOSTILE,
            classes=HOSTILE,
            assumed=HOSTILE,
            weights=HOSTILE[2],
            own=dict(zip(HOSTILE, reversed(HOSTILE), strict=True)),
        )
    )
    model = onnx.load_model_from_string(made.content)
    graph = model.graph
    names = {"x": HOSTILE[2], "y": HOSTILE[1]}
    for value in (*graph.input, *graph.output):
        value.name = names[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = HOSTILE[3]
    for node in graph.node:
        if node.domain:
            node.name = HOSTILE[4]
        for side in (node.input, node.output):
            side[:] = [names.get(one, one) for one in side]
    path = folder / "a`b <b> $(touch hacked) 'c.onnx"
    path.write_bytes(stamped(model))
    return path


@pytest.mark.parametrize("name", FILES)
def test_a_card_says_what_inspect_says_and_is_the_same_again(name, tmp_path):
    path = copied(name, tmp_path)
    card = api.card(path, tmp_path / "README.md", license="apache-2.0")
    assert card.written == (str(tmp_path / "README.md"),)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == card.text
    assert api.card(path, license="apache-2.0").text == card.text
    found = api.inspect(path)
    lines, body = front_matter(card.text)
    assert 'license: "apache-2.0"' in lines
    assert 'pipeline_tag: "tabular-classification"' in lines
    tokens = read(body)
    rows = cells(tokens)
    assert ["input", "input", "float32", "(batch, 3)"] in rows
    assert ["digest", found.digest.sha256] in rows
    assert ["tolerance", "1e-05, relative to outputs larger than one"] in rows
    (circuit,) = found.circuits
    assert ["SHA-256", circuit.sha256] in rows
    assert ["size", f"{circuit.wires} wires, {circuit.gates} gates"] in rows
    cost = next(one.reason for one in circuit.candidates if one.strategy == circuit.strategy)
    assert ["cost", cost] in rows
    assert circuit.picture in "".join(blocks(tokens, "text"))
    assert "`a`, `b`, `c`" in body


def test_nothing_is_said_that_nobody_said(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(GRAPHS["a circuit and no more"]().content)
    lines, body = front_matter(api.card(path).text)
    assert not [one for one in lines if re.match("license|pipeline_tag", one)]
    assert "was not compared" in body
    assert "It carries no self-test." in body
    says = Metadata("0.1", Verification(1e-5, (1, 3), 2e-7))
    path.write_bytes(GRAPHS["a circuit and no more"](metadata=says).content)
    rows = cells(read(front_matter(api.card(path).text)[1]))
    assert [row for row in rows if row[0] in ("batch sizes", "worst error")] == [
        ["batch sizes", "1, 3"],
        ["worst error", "2.0e-07"],
    ]


def test_hostile_names_are_seen_and_nothing_else(tmp_path):
    path = hostile(tmp_path)
    card = api.card(path, tmp_path / "README.md", picture=True)
    lines, body = front_matter(card.text)
    assert lines == [
        'library_name: "hybridx"',
        'pipeline_tag: "tabular-classification"',
        "tags:",
        '- "onnx"',
        '- "hybridx"',
        '- "quantum-machine-learning"',
    ]
    tokens = read(body)
    kinds = {one.type for one in (*tokens, *inner(tokens))}
    assert not {one for one in kinds if one.startswith(("html", "link", "em_", "strong", "s_"))}
    images = [one.attrs["src"] for one in inner(tokens) if one.type == "image"]
    assert images == ["circuit_0.svg"]
    ElementTree.fromstring((tmp_path / "circuit_0.svg").read_bytes())
    headings = [
        (token.tag, "".join(one.content for one in tokens[place + 1].children))
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    assert headings[0] == ("h1", path.name)
    assert ("h3", printable(HOSTILE[4])) in headings
    assert len(headings) == 8
    rows = cells(tokens)
    assert {len(row) for row in rows} == {2, 4}
    shown = [printable(one.strip()) for one in HOSTILE]
    pairs = {row[0]: row[1] for row in rows if row[0] in shown}
    assert pairs == dict(zip(shown, reversed(shown), strict=True))
    assert ["input", shown[2], "float32", f"({shown[3]}, 2)"] in rows
    assert set(body) <= {*map(chr, range(32, 127)), "\n", *"─│●⊕┤⟨⟩·@…×"}


def test_the_checks_see_what_is_not_escaped():
    body = "| a | b |\n| --- | --- |\n| <script> | [x](http://127.0.0.1) |\n"
    assert {"html_inline", "link_open"} <= {one.type for one in inner(read(body))}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_a_text_wherever_it_stands(text):
    def seen(form):
        return [
            "".join(part.content for part in one.children)
            for one in read(form)
            if one.type == "inline"
        ]

    expected = printable(text.strip())
    for made in (literal(text), named(text)):
        assert seen(f"A {made}.") == [f"A {expected}."]
        assert seen(f"# {made}") == [expected]
        assert seen(f"| a |\n| --- |\n| {made} |") == ["a", expected]
    (fence,) = read(listing(text, "text"))
    assert (fence.type, fence.content) == ("fence", printable(text, keeps="\n") + "\n")


@pytest.mark.parametrize("name", some(FILES, every=len(FILES)))
def test_the_snippets_of_a_card_run_as_they_are(name, tmp_path):
    path = copied(name, tmp_path)
    tokens = read(front_matter(api.card(path).text)[1])
    (code,), (commands,) = blocks(tokens, "python"), blocks(tokens, "sh")
    is_alone = "import hybridx" not in code
    assert is_alone == (name in ("onnx", "inlined"))
    names = {}
    before = Path.cwd()
    try:
        os.chdir(tmp_path)
        exec(compile(code, "card", "exec"), names)
    finally:
        os.chdir(before)
    said = blocks(tokens, "text")[-1]
    numbers = [float(one) for one in re.findall(r"-?\d+\.\d*", said)]
    assert np.abs(np.ravel(names["outputs"][0]) - numbers).max() <= 1.5e-5  # five digits are shown
    (tmp_path / "data.csv").write_text("a,b,c\n1,2,3\n4,5,6\n")
    run = commands.splitlines()
    assert [one.split()[:2] for one in run] == [
        ["hybridx", word] for word in ("inspect", *2 * ["run"])
    ]
    for one in run[1:]:
        done = command(*one.split()[1:], folder=tmp_path)
        assert done.code == 0, done.talk
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 3


def test_a_hostile_file_name_is_one_word_of_a_shell(tmp_path):
    path = hostile(tmp_path)
    tokens = read(front_matter(api.card(path).text)[1])
    (commands,), (code,) = blocks(tokens, "sh"), blocks(tokens, "python")
    shell = 'hybridx() { printf "%s\\n" "$2"; }\n' + commands
    printed = subprocess.run(["bash", "-eu", "-c", shell], capture_output=True, cwd=tmp_path)
    assert {*printed.stdout.decode().splitlines()} == {path.name}
    assert not (tmp_path / "hacked").exists()
    script = code + "print(outputs[0].shape)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=tmp_path)
    assert done.stdout == b"(1, 2)\n", done.stderr


def test_a_call_that_is_wrong_writes_nothing(tmp_path):
    path = copied("onnx", tmp_path)
    before = sorted(tmp_path.iterdir())
    for options in ({"license": "MIT License"}, {"pipeline_tag": "a\n---"}, {"license": ""}):
        with pytest.raises(HubNameError):
            api.card(path, tmp_path / "README.md", **options)
    with pytest.raises(OptionNeedsError):
        api.card(path, picture=True)
    with pytest.raises(OptionError):
        api.card(path, tmp_path / "README.html")
    with pytest.raises(FileMissingError):
        api.card(tmp_path / "none.onnx", tmp_path / "README.md")
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "circuit_0.svg").write_text("mine")
    with pytest.raises(OutputExistsError):
        api.card(path, tmp_path / "README.md", picture=True)
    assert not (tmp_path / "README.md").exists()
    api.card(path, tmp_path / "README.md", picture=True, overwrite=True)
    assert (tmp_path / "circuit_0.svg").read_text().startswith("<svg")


def test_the_command_prints_a_card_or_writes_it(tmp_path):
    path = copied("onnx", tmp_path)
    printed = command("card", path.name, folder=tmp_path)
    assert printed.out == api.card(path).text
    written = command("card", path.name, "-o", "README.md", "--picture", folder=tmp_path)
    assert written.out == "written to README.md\nwritten to circuit_0.svg\n"
    as_json = command("card", path.name, "--json", folder=tmp_path).json()
    assert as_json == {"text": printed.out, "written": []}
