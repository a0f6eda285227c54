"""What a command says while it works: stages with times, and nothing where nobody looks."""

from __future__ import annotations

import io
import logging
import re
import time

import pytest
from rich.console import Console

from hybridx.api import Stages
from hybridx.cli.drawn_stages import DrawnStages
from hybridx.cli.printer import Printer, line, remark
from tests.cli.shell import command
from tests.sampling import some

SHAPE = ("--shape", "N,4")
STAGES = ["import", "rehearse", "trace", "lower", "verify", "write"]


@pytest.fixture
def screen():
    """A terminal, and what is on it."""
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def test_a_stage_leaves_a_line_with_its_time_and_what_it_found(screen):
    with DrawnStages(screen, patience=0)("trace") as found:
        found("2 circuits")
        found("[bold] is no markup")
    *_, last = screen.file.getvalue().strip().splitlines()
    assert re.search(r"trace +0\.\d s  2 circuits; \[bold\] is no markup", last)


def test_an_error_in_a_stage_takes_away_what_is_drawn(screen):
    drawn = DrawnStages(screen)
    with pytest.raises(ZeroDivisionError), drawn("trace"):
        _ = 1 / 0
    assert drawn._shown is None
    assert "0.0 s" not in screen.file.getvalue().splitlines()[-1]


def test_rows_are_drawn_with_their_speed(screen):
    drawn = DrawnStages(screen)
    with drawn("run"):
        for done in range(0, 10_001, 1000):
            drawn.rows(done, 10_000)
    assert "10,000 of 10,000 rows" in screen.file.getvalue()
    assert "rows/s" in screen.file.getvalue()


def test_python_hears_of_stages_by_the_log(caplog):
    with caplog.at_level(logging.DEBUG, "hybridx"), Stages()("trace") as found:
        found("2 circuits")
    assert [record.name.partition(".")[0] for record in caplog.records] == ["hybridx"]
    assert re.fullmatch(r"trace: 0\.\d s, 2 circuits", caplog.messages[0])


def test_a_pipe_is_quiet_and_verbose_says_what_was_chosen(folder):
    words = ("export", "user_model.py:model", *SHAPE, "--overwrite")
    plain = command(*words, folder=folder)
    assert plain.talk.splitlines() == ["next: hybridx run model.onnx  (add -i for data of yours)"]
    verbose = command(*words, "-v", folder=folder)
    assert verbose.out.splitlines()[:3] == plain.out.splitlines()[:3]
    told = verbose.talk
    assert [name for name in STAGES if not re.search(f"^{name}: .* s", told, re.MULTILINE)] == []
    assert "float32; axis 0 of x is batch" in told
    assert re.search(r"strategy \w+ is taken: ", told)
    assert re.search(r"strategy \w+ is not taken: ", told)
    assert command(*words, "-q", folder=folder).talk == ""


def test_text_of_the_user_is_no_markup(screen, monkeypatch):
    monkeypatch.setattr(screen.file, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", screen.file)
    Printer().show(None, lambda _: [line("[nan nan] [bold]x[/bold]")])
    assert "[nan nan] [bold]x[/bold]" in screen.file.getvalue()


def test_what_takes_less_than_a_moment_leaves_no_line(screen):
    drawn = DrawnStages(screen, patience=0.2)
    with drawn("read"):
        pass
    assert not re.search(r"read +\d\.\d s", screen.file.getvalue())
    with drawn("draw"):
        time.sleep(0.25)
    assert re.search(r"read +0\.0 s(.|\n)*draw +0\.\d s", screen.file.getvalue())


# command: (words, stages that it tells, in order)
TOLD = {
    "run on the self-test": ("run model.onnx", ["load", "verify"]),
    "verify": ("verify model.onnx --layers", ["load", "layers", "verify", "circuits"]),
    "verify against a file": (
        "verify model.onnx --against model.onnx --layers",
        ["load", "layers", "verify", "circuits"],
    ),
    "evaluate": (
        "evaluate model.onnx --data t.csv --target y --classes a,b,c",
        ["load", "read", "run"],
    ),
    "inspect": ("inspect model.onnx", ["read", "describe"]),
    "inspect --html": ("inspect model.onnx --html m.html", ["read", "write"]),
    "inspect --draw": ("inspect model.onnx --draw m.svg", ["read", "draw"]),
    "convert": ("convert model.onnx -o m.bundle", ["read", "cut", "check", "write"]),
    "check": (
        "check user_model.py:model --shape N,4",
        ["import", "rehearse", "trace", "lower", "verify"],
    ),
    "check of what is refused": (
        "check user_model.py:own_gate --shape N,4",
        ["import", "rehearse", "look on"],
    ),
}


@pytest.mark.parametrize("name", some(TOLD, every=3))
def test_every_command_tells_its_stages(name, model, folder):
    (folder / "t.csv").write_text("p,q,r,s,y\n1,2,3,4,a\n")
    words, stages = TOLD[name]
    said = command(*words.split(), "-v", folder=folder).talk
    told = [found[0] for found in re.findall(r"^([a-z ]+): (\d+\.\d) s", said, re.MULTILINE)]
    assert told == stages
    quiet = command(*words.replace(" m.", " q.").split(), "-q", folder=folder)
    assert not re.search(r"^[a-z ]+: \d+\.\d s", quiet.talk, re.MULTILINE)


def test_results_and_remarks_in_one_file_keep_their_order(tmp_path, monkeypatch):
    """As in `hybridx export … > log.txt 2>&1`: stdout alone is buffered."""
    path = tmp_path / "log.txt"
    with path.open("a") as results, path.open("a", buffering=1) as talk:
        monkeypatch.setattr("sys.stdout", results)
        monkeypatch.setattr("sys.stderr", talk)
        Printer().show(None, lambda _: [line("a file"), remark("next"), line("more")])
    assert path.read_text() == "a file\nnext\nmore\n"
