"""`docs/engines.md`: what other engines make of files, from the kept results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.engines.engine import Engine, engines
from tests.engines.files import DTYPES, FORMS, Dtype, Form
from tests.engines.models import MODELS
from tests.engines.outcome import TOLERANCES, Outcome
from tests.engines.results import Result, keys, read

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
ATTEMPTS = {"fixed": "a fixed batch", "opset 18": "`--opset 18`", "web": "`--machine web`"}
FORM: Mapping[Form, str] = {"default": "by default", "inlined": "`--inline`"}
SAID = {
    "open": "with an open batch",
    "fixed": "with a fixed batch",
    "opset 18": "at opset 18",
    "web": "by `--machine web`",
    "alone": "by `--machine web`, without WASM",
}

TOP = """\
# Engines

This page shows which engines run the files of hybridx, and how exact each is. It is for people
who run them by another engine than ONNX Runtime, in a browser, in Node.js, or by an old release.

A file has one of two forms. By default each circuit is a model-local function: one node, which
readers find, open and send to a device. ONNX has had such functions since 2021, but most engines
do not read them. `hybridx export --inline` writes the nodes of a circuit in its place, in
standard operators only. **Use `--inline` for an engine that runs few files by default.**

`make test-engines` writes this page. It runs {files} files on each engine: {models} models in
float32 and float64, in both forms, at two batches. The expected numbers are those of PennyLane's
simulator in complex128. A file runs if all numbers are right within {float32:.0e}, relative to
the largest and to 1 at least; those of a float64 file within {float64:.0e}, or the page says that
the engine computes it in float32. An engine that gives no numbers refuses the file.
"""

SUMMARY = """
| engine | version, date | by default | `--inline` | float32 | float64 | remarks |
|---|---|---|---|---|---|---|
"""

LEFT_OUT = """\
* **MNN** was not run again, because its converter installs into the Python of the system. In an
  earlier trial it took files and computed wrong numbers: compare them before you rely on them.
* **TensorRT**: it needs a GPU.
"""


def page(rows: Mapping[str, Engine] | None = None, kept: Mapping[str, Result] | None = None) -> str:
    """Return the page.

    Args:
        rows: the engines by their names, by default those of `engines.toml`.
        kept: what came of each, by default the kept results.
    """
    rows = engines() if rows is None else rows
    kept = read() if kept is None else kept
    tried = {name: kept[name] for name in rows if name in kept and not kept[name].not_tried}
    left = [f"* **{rows[one].title}**: {kept[one].not_tried}." for one in kept if one not in tried]
    head = TOP.format(files=len(keys()), models=len(MODELS), **TOLERANCES)
    summary = SUMMARY + "\n".join(_summary(rows[name], one) for name, one in tried.items())
    return "\n".join(
        [
            head + summary,
            "",
            "The columns for float32 and float64 hold the largest error of the files that run.",
            "",
            "## Wrong numbers",
            "",
            *_wrong(rows, tried),
            "",
            "## Not tried",
            "",
            *left,
            LEFT_OUT,
            "## The models",
            "",
            "| model | what it is |",
            "|---|---|",
            *(f"| {name} | {_about(name)} |" for name in MODELS),
            "",
            "## Each engine",
            "",
            "A cell holds the largest error, or in a few words why the engine refuses the file.",
            *(line for name, one in tried.items() for line in _section(rows[name], one)),
            "",
        ]
    )


def _about(name: str) -> str:
    model = MODELS[name]
    forced = f", `--strategy {name}`" if model.options.get("strategy") == name else ""
    return f"{model.about}{forced}"


def _summary(engine: Engine, result: Result) -> str:
    counts = []
    for form in FORMS:
        mine = [key for key in keys() if key[2] == form]
        ran = sum(map(result.runs, mine))
        counts.append(f"{'**all**' if ran == len(mine) else ran} of {len(mine)}")
    errors = [_worst(result, dtype) for dtype in DTYPES]
    version = f"{result.version} on {result.on}, {result.date}"
    cells = [engine.title, version, *counts, *errors]
    return f"| {' | '.join(cells)} | {_remarks(engine, result)} |"


def _worst(result: Result, dtype: Dtype) -> str:
    found = [result.best(key) for key in keys() if key[1] == dtype and result.runs(key)]
    return f"{max(one.error or 0.0 for one in found):.0e}" if found else "none runs"


def _remarks(engine: Engine, result: Result) -> str:
    """Return what a user must know: wrong numbers first."""
    remarks = []
    if wrong := {key for key, _ in result.wrong()}:
        remarks.append(f"**Wrong numbers in {len(wrong)} files**, [listed below](#wrong-numbers).")
    best = {key: result.best(key) for key in keys()}
    narrow = [key for key, one in best.items() if one.status == "narrow"]
    if any(key[1] == "float64" for key in narrow):
        remarks.append("It computes float64 in float32.")
    for attempt in engine.attempts[1:]:
        count = sum(result.runs(key) and one.attempt == attempt for key, one in best.items())
        if count:
            need = "1 file needs" if count == 1 else f"{count} files need"
            remarks.append(f"{need} {ATTEMPTS[attempt]}.")
    return " ".join([*remarks, engine.remark]).strip()


def _wrong(rows: Mapping[str, Engine], tried: Mapping[str, Result]) -> Iterator[str]:
    """Yield a row for the wrong numbers that an engine gives in files of one kind."""
    groups: dict[tuple[str, ...], list[tuple[str, Outcome]]] = {}
    for name, result in tried.items():
        for key, one in result.wrong():
            model, dtype, form = key
            best = result.best(key)
            how = f"right {SAID[best.attempt]}" if result.runs(key) else "no way is right"
            group = (rows[name].title, f"{dtype}, {FORM[form]}", SAID[one.attempt], how)
            groups.setdefault(group, []).append((model, one))
    if not groups:
        yield "No engine gave a wrong number."
        return
    yield "These engines take files and give **wrong numbers**, without an error:"
    yield ""
    yield "| engine | files | of models | wrong by up to | otherwise |"
    yield "|---|---|---|---|---|"
    for (title, kind, attempt, how), found in groups.items():
        models = ", ".join(model for model, _ in found)
        said = [one.reason for _, one in found if one.reason]
        sizes = [one.error for _, one in found if one.error is not None]
        said += [f"{max(sizes):.0e}"] if sizes else []
        yield f"| {title} | {kind}, {attempt} | {models} | **{', '.join(said)}** | {how} |"


def _section(engine: Engine, result: Result) -> Iterator[str]:
    columns = [(dtype, form) for form in FORMS for dtype in DTYPES]
    yield ""
    yield f"### {engine.title} {result.version}"
    yield ""
    heads = [f"{FORM[form]}, {dtype}" for dtype, form in columns]
    yield f"| model | {' | '.join(heads)} |"
    yield "|---|" + "---|" * len(columns)
    for name in MODELS:
        cells = [_cell(result.best((name, dtype, form))) for dtype, form in columns]
        yield f"| {name} | {' | '.join(cells)} |"
    reasons = {}
    for tried in result.outcomes.values():
        for one in tried:
            if one.status == "refused":
                reasons.setdefault(one.kind, one.reason)
    if reasons:
        yield ""
        yield "What it says:"
        yield ""
        yield from (f"* {kind}: `{said.replace('`', '')}`" for kind, said in reasons.items())


def _cell(one: Outcome) -> str:
    if one.status == "refused":
        return one.kind
    if one.status == "wrong":
        return "**wrong**" if one.error is None else f"**wrong: {one.error:.1e}**"
    return f"{one.error:.0e}" + (", in float32" if one.status == "narrow" else "")
