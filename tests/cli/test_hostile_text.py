"""No name that a file or a command line gives does more on a terminal than to be seen."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import onnx
import pytest

from hybridx.cli.as_json import encode
from hybridx.cli.main import run
from hybridx.cli.printer import Printer, line, lines_of, table
from hybridx.errors import OptionError, TableError, printable
from hybridx.storage import InMemory, piping_to, write_data

EVIL = "[bold]\x1b[31m\x9b2J\u202etxt\n  self-test included\x07[/]"
SHOWN = r"[bold]\x1b[31m\x9b2J\u202etxt\n  self-test included\x07[/]"


def is_harmless(text):
    """Whether a text has nothing but what is seen, and line breaks."""
    return all(part.isprintable() for part in text.replace("\r", "").split("\n"))


def test_printable_texts_stay_and_others_are_escaped_as_python_does():
    for text in ("plain", "Größe ⟨Z⟩ … 模型", "[red]", "a\\b"):
        assert printable(text) == text
    assert printable(EVIL) == SHOWN
    assert printable("a\nb\x1b", keeps="\n") == "a\nb\\x1b"
    assert printable("\udcff") == r"\udcff"


def test_an_error_says_one_line_and_not_all_of_a_long_name():
    error = TableError(EVIL, f"column {EVIL!r}", EVIL)
    assert error.message.startswith(f"{SHOWN}: column ")
    assert error.help == SHOWN
    assert is_harmless(str(error))
    long = OptionError("--device", "x" * 1_000_000, "one")
    assert len(str(long)) < 2_000
    assert str(long).endswith("one")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["file", "terminal"])
def test_results_tables_and_notes_show_names_and_obey_none(stream, monkeypatch):
    out, err = stream(), stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "dumb")
    printer = Printer()
    printer.show(None, lambda _: [line("  ", EVIL), *table((EVIL, "b"), [("a", EVIL)])])
    printer.note(EVIL)
    assert out.getvalue().count(SHOWN) == 3
    assert len(out.getvalue().splitlines()) == 3
    assert SHOWN in err.getvalue()
    assert is_harmless(out.getvalue() + err.getvalue())


def test_only_a_text_of_ours_has_several_lines(capsys):
    Printer().show(None, lambda _: [line(lines_of("a\nb\x1b"))])
    assert capsys.readouterr().out == "a\nb\\x1b\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_holds_the_name_itself_and_no_character_that_a_terminal_obeys(encoding):
    text = encode({EVIL: [EVIL, "größe"]}, encoding)
    assert is_harmless(text)
    assert json.loads(text) == {EVIL: [EVIL, "größe"]}


@pytest.fixture
def evil_model(model, tmp_path):
    """A file whose names and metadata are hostile."""
    graph = onnx.load(model)
    graph.metadata_props.add(key=EVIL, value=EVIL)
    graph.graph.output[0].name = EVIL
    for node in graph.graph.node:
        node.output[:] = [EVIL if name == "output" else name for name in node.output]
    path = tmp_path / f"{EVIL.replace('/', '')}.onnx"
    path.write_bytes(graph.SerializeToString())
    return path


@pytest.mark.parametrize(
    "words",
    [("inspect",), ("inspect", "--json"), ("run",), ("verify", "--accept-changes")],
    ids=" ".join,
)
def test_a_command_on_a_file_of_hostile_names_prints_what_is_seen(words, evil_model, capfd):
    name, *more = words
    assert run([name, str(evil_model), *more]) == (0 if name == "inspect" else 3)
    printed = capfd.readouterr()
    assert is_harmless(printed.out + printed.err)
    assert "u202e" in printed.out + printed.err


@pytest.mark.parametrize(
    "words",
    [
        ("run", EVIL),
        ("run", "m.onnx", "-i", f"{EVIL}.csv"),
        ("run", "m.onnx", "--device", EVIL),
        ("export", f"{EVIL}.py:{EVIL}", "--shape", EVIL),
        ("export", EVIL, "--shape", "N,4"),
        ("evaluate", "m.onnx", "--data", "d.csv", "--target", EVIL),
        ("bench", "m.onnx", "--batch", EVIL),
        (EVIL,),
        ("run", f"--{EVIL}"),
        ("run", "m.onnx", "--option", f"{EVIL}=1"),
        ("run", "m.onnx", "--shots", EVIL),
        ("run", "m.onnx", "--debug", "-i", f"{EVIL}.npy"),
    ],
    ids=lambda words: " ".join(words)[:30].encode("ascii", "backslashreplace").decode(),
)
def test_hostile_words_on_the_command_line_are_shown(words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(words) in (2, 3)
    printed = capfd.readouterr()
    assert is_harmless(printed.out + printed.err)


def test_a_terminal_gets_no_table_whose_header_it_would_obey():
    outputs = InMemory({EVIL: np.zeros(2)})
    terminal, file = (kind(io.BytesIO(), "utf-8") for kind in (TerminalOfBytes, io.TextIOWrapper))
    with piping_to(file):
        write_data("-", outputs, format="csv", overwrite=False)
    assert b"\x1b[31m" in file.buffer.getvalue()  # a file keeps the name
    with piping_to(terminal), pytest.raises(OptionError, match="on a terminal"):
        write_data("-", outputs, format="csv", overwrite=False)
    assert not terminal.buffer.getvalue()


class TerminalOfBytes(io.TextIOWrapper):
    def isatty(self):
        return True
