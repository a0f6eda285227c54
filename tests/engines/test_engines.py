"""What `make test-engines` says of engines, by engines and results that are made up here."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.documents.engines import ATTEMPTS, FORM, PAGE, SAID, page
from tests.engines import __main__ as command
from tests.engines.engine import Engine, engines
from tests.engines.host import Host, RefusedError
from tests.engines.outcome import Outcome, compared, refused
from tests.engines.results import Result, complaints, keys, read, write

EXPECTED = np.array([[0.5, -2.0], [0.25, 1.0]])
MADE_UP = Engine("made-up", "Made-up", "python", ("made-up==1.5",), "made-up", ("open", "fixed"))


def result(**changed):
    """Return a result in which every file runs, but for some, `name_dtype_form=outcomes`."""
    outcomes = {key: (Outcome("open", "right", 1e-16),) for key in keys()}
    outcomes |= {tuple(name.split("_")): tried for name, tried in changed.items()}
    return Result("2026-11-28", "1.5", "Python 3.11", "", outcomes)


def row_of(text, title="Made-up"):
    """Return the cells of the engine in the first table."""
    (found,) = re.findall(
        rf"^\| {title} \| 1.5 on Python 3.11, 2026-11-28 \| .*$", text, flags=re.MULTILINE
    )
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_kept_results_hold_every_file_of_every_engine():
    kept = read()
    assert list(kept) == list(engines())
    for name, one in kept.items():
        assert one.version == engines()[name].pinned
        assert {*engines()[name].attempts} <= {*SAID}
        assert {*engines()[name].attempts[1:]} <= {*ATTEMPTS}
        assert set(one.outcomes) == (set() if one.not_tried else set(keys())), name
        assert complaints(engines()[name], one, None) == []


def test_the_kept_page_has_every_engine_and_every_wrong_number():
    text = PAGE.read_text(encoding="utf-8")
    listed = text.split("## Wrong numbers")[1].split("\n## ")[0]
    for name, one in read().items():
        mine = [line for line in listed.splitlines() if f"| {engines()[name].title} |" in line]
        assert bool(mine) == any(one.wrong())
        for (model, dtype, form), _ in one.wrong():
            assert any(model in line and f"{dtype}, {FORM[form]}" in line for line in mine)
    assert all(one.title in text for one in engines().values())


@pytest.mark.parametrize(
    ("dtype", "shift", "found_dtype", "status"),
    [
        ("float32", 1e-6, "float32", "right"),
        ("float32", 1e-4, "float32", "wrong"),
        ("float64", 1e-14, "float64", "right"),
        ("float64", 1e-7, "float64", "narrow"),
        ("float64", 0.0, "float32", "narrow"),
        ("float64", 1e-4, "float64", "wrong"),
        ("float32", np.nan, "float32", "wrong"),
        ("float64", np.inf, "float64", "wrong"),
    ],
)
def test_numbers_are_right_narrow_or_wrong(dtype, shift, found_dtype, status):
    found = EXPECTED.astype(found_dtype)
    found[1, 0] += shift
    # The second of the outputs is the one that is off.
    given = [EXPECTED.astype(found_dtype), found]
    assert compared("open", dtype, given, [EXPECTED, EXPECTED]).status == status


def test_another_shape_or_too_few_outputs_are_wrong():
    for found in ([EXPECTED[:1]], [EXPECTED.ravel()], []):
        assert compared("open", "float64", found, [EXPECTED]).status == "wrong"


def test_nothing_to_compare_is_an_error():
    for expected in ([], [EXPECTED[:0]], [EXPECTED, EXPECTED[:0]]):
        with pytest.raises(ValueError, match="nothing to compare"):
            compared("open", "float64", expected, expected)


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("No rule\nfor hybridx.Circuit_bed0 (1)", "no functions", "for hybridx.Circuit_0 (1)"),
        (
            "not supported for frontend ONNX: Loop",
            "no Loop",
            "not supported for frontend ONNX: Loop",
        ),
        ("no implementation", "refused", "no implementation"),
        ("", "refused", "no reason is given"),
        ("at /tmp/a_b/c-1.onnx: Loop", "no Loop", "at c-1.onnx: Loop"),
        (
            "Could not find an implementation for Cos(7) node",
            "no kernel of Cos",
            "Could not find an implementation for Cos(7) node",
        ),
        ("x" * 1000, "refused", "x" * 152),
        ("x" * 1000 + "Loop" + "y", "no Loop", "… " + "x" * 146 + "Loop"),
    ],
)
def test_a_refusal_is_told_in_few_words_and_by_the_line_that_says_most(text, kind, reason):
    found = refused("open", text)
    assert (found.kind, found.reason) == (kind, reason)


def test_a_wrong_number_is_counted_out_and_listed():
    wrong = (Outcome("open", "wrong", 5.25), Outcome("fixed", "right", 1e-7))
    never = (Outcome("open", "wrong", None, "it gives shapes (5,)"),)
    text = page(
        {"made-up": MADE_UP},
        {"made-up": result(cones_float32_default=wrong, wide_float64_inlined=never)},
    )
    _, _, by_default, inlined, narrow, _, remarks = row_of(text)
    assert (by_default, inlined, narrow) == ("**all** of 26", "25 of 26", "1e-07")
    assert "**Wrong numbers in 2 files**" in remarks
    assert "1 file needs a fixed batch." in remarks
    assert (
        "| Made-up | float32, by default, with an open batch | cones | **5e+00** "
        "| right with a fixed batch |"
    ) in text
    assert "| wide | **it gives shapes (5,)** | no way is right |" in text
    assert "No engine gave a wrong number." not in text
    assert "No engine gave a wrong number." in page({"made-up": MADE_UP}, {"made-up": result()})


def test_float64_that_is_computed_in_float32_is_told():
    narrow = (Outcome("open", "narrow", 3e-8),)
    text = page({"made-up": MADE_UP}, {"made-up": result(cones_float64_default=narrow)})
    assert row_of(text)[5] == "3e-08"
    assert "It computes float64 in float32." in row_of(text)[6]
    assert "3e-08, in float32" in text


def test_an_engine_that_cannot_be_had_is_told_with_the_reason():
    missing = Result("2026-11-28", "1.5", "", "there is no npm on the path")
    text = page({"made-up": MADE_UP}, {"made-up": missing})
    assert "* **Made-up**: there is no npm on the path." in text
    assert not re.search(r"^\| Made-up", text, flags=re.MULTILINE)


def test_what_must_run_and_what_ran_before_is_complained_of():
    lost = result(cones_float64_inlined=(refused("open", "no"),))
    strict, half = replace(MADE_UP, must="all"), replace(MADE_UP, must="float32")
    for engine, old, count in (
        (MADE_UP, None, 0),
        (MADE_UP, lost, 0),
        (MADE_UP, result(), 1),
        (half, None, 0),
        (strict, lost, 1),
    ):
        assert len(complaints(engine, lost, old)) == count, (engine.must, old is lost)
    wrong = result(cones_float32_default=(Outcome("open", "wrong", 0.5),))
    assert complaints(half, wrong, None) == ["cones float32 default: wrong by 5.0e-01"]
    gone = Result("2026-11-28", "1.5", "", "there is no npm on the path")
    assert complaints(MADE_UP, gone, None) == []
    assert len(complaints(MADE_UP, gone, result())) == 1
    assert len(complaints(strict, gone, None)) == 1


def test_results_are_kept_as_they_are(tmp_path):
    given = {"made-up": result(cones_float32_default=(refused("open", "no Loop"),))}
    write(given, tmp_path / "results.json")
    assert read(tmp_path / "results.json") == given


def test_worse_results_fail_and_are_kept_only_if_accepted(monkeypatch, tmp_path, capsys):
    def tried(engine, folder):
        return lost if engine.name == "tract" else result()

    lost, text = result(cones_float64_inlined=(refused("open", "no Loop"),)), "the page"
    write({name: result() for name in engines()}, tmp_path / "results.json")
    monkeypatch.setattr(command, "read", lambda: read(tmp_path / "results.json"))
    monkeypatch.setattr(command, "write", lambda kept: write(kept, tmp_path / "results.json"))
    monkeypatch.setattr(command, "KEPT", tmp_path / "results.json")
    monkeypatch.setattr(command, "PAGE", tmp_path / "engines.md")
    monkeypatch.setattr(command, "page", lambda: text)
    monkeypatch.setattr(command, "_tried", tried)
    for words, code, kept in (
        (["tvm"], 0, result()),
        (["tract", "tvm"], 1, result()),
        (["--accept", "tract"], 0, lost),
    ):
        monkeypatch.setattr(sys, "argv", ["tests.engines", *words])
        assert command.main() == code
        assert read(tmp_path / "results.json")["tract"] == kept
        assert list(read(tmp_path / "results.json")) == list(engines())
        complaint = "WORSE: cones float64 inlined: refused no Loop"
        assert (complaint in capsys.readouterr().out) == ("tract" in words)
    assert (tmp_path / "engines.md").read_text() == text


ENGINE = """
import json, os, sys, time
for line in sys.stdin:
    path = json.loads(line)["path"]
    if path == "ends":
        print("the last words", file=sys.stderr, flush=True)
        os.abort()
    if path == "hangs":
        time.sleep(60)
    if path == "refuses":
        print(json.dumps({"refused": "no Loop"}), flush=True)
    else:
        print(json.dumps({"outputs": json.loads(line)["inputs"]}), flush=True)
"""


def test_an_engine_that_ends_or_hangs_is_told_and_started_again():
    with Host([sys.executable, "-c", ENGINE], os.environ, seconds=3) as host:
        for path, said in (
            ("ends", "the process ends with signal SIGABRT: the last words"),
            ("refuses", "no Loop"),
            ("hangs", "it takes more than 3 s"),
        ):
            with pytest.raises(RefusedError) as caught:
                host.run(path, [EXPECTED], alone=False)
            assert str(caught.value) == said
            (same,) = host.run("echo", [EXPECTED], alone=False)
            np.testing.assert_array_equal(same, EXPECTED)
