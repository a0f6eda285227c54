"""Every block of code in README and in the pages runs, and prints what the page says."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.documents.blocks import COMPILED, ROOT, blocks, matches, pages, run_page, write_outputs

PAGES = pages()
CODE = [page for page in PAGES if any(block.language != "text" for block in blocks(page))]
# Commands that a page needs beside Python.
NEEDS = {"javascript.md": ["npm", "node"], "cpp.md": ["cmake", "c++"], "rust.md": ["cargo"]}


@pytest.mark.slow
@pytest.mark.parametrize("page", CODE, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page, tmp_path):
    missing = [one for one in NEEDS.get(page.name, []) if not shutil.which(one)]
    if missing:
        pytest.skip(f"needs {missing}")
    differ = run_page(page, tmp_path)
    assert not differ, "read what they print, then `python -m tests.documents.blocks`"
    if page.name == "gallery.md":
        drawn = {one.name.replace("_0", ""): one for one in tmp_path.glob("*.svg")}
        kept = sorted((ROOT / "docs/gallery").glob("*.svg"))
        assert len(kept) == 6
        for picture in kept:
            assert shape(drawn[picture.name]) == shape(picture), picture.name


def shape(picture):
    """The elements of a picture and their text, without numbers, which training rounds."""
    return re.sub(r"[\d.]+", "#", picture.read_text(encoding="utf-8"))


def test_every_block_has_a_language_that_is_known():
    known = {"python", "sh", "json", "toml", "text"}
    for page in PAGES:
        for block in blocks(page):
            titled = block.title and block.language in COMPILED
            assert block.language in known or titled, f"{page.name}:{block.line}"


def test_a_block_that_follows_a_fence_is_found():
    fences = sum(len(re.findall(r"^ *```\w", page.read_text(), flags=re.M)) for page in PAGES)
    found = [block for page in PAGES for block in blocks(page)]
    hidden = sum(page.read_text().count("<!-- first:") for page in PAGES)
    assert len(found) - hidden + sum(bool(block.output) for block in found) == fences


def test_few_blocks_are_not_run_and_say_why():
    left_out = [block.not_run for page in PAGES for block in blocks(page) if block.not_run]
    elsewhere = [found for why in left_out for found in re.findall(r"tests/[\w./]*\w", why)]
    assert all((ROOT / path).exists() for path in elsewhere)
    assert len(left_out) - len(elsewhere) <= 6
    assert all(len(why.split()) >= 3 for why in left_out)


def page(tmp_path, text):
    written = tmp_path / "page.md"
    written.write_text(text)
    return written


def test_output_that_differs_is_seen_and_written(tmp_path):
    text = (
        "```python\nprint(1 + 1)\n```\n\n```text\n{}\n```\n\n```sh\necho 4\n```\n```text\n{}\n```\n"
    )
    (tmp_path / "right").mkdir()
    assert run_page(page(tmp_path, text.format(2, 4)), tmp_path / "right") == []
    (tmp_path / "wrong").mkdir()
    wrong = page(tmp_path, text.format(333, 555))
    assert [said for _, said in run_page(wrong, tmp_path / "wrong")] == ["2\n", "4\n"]
    assert write_outputs(wrong) == 2
    assert wrong.read_text() == text.format(2, 4)


def test_a_command_that_fails_is_seen(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(AssertionError, match="ends with 1"):
        run_page(page(tmp_path, "```sh\nfalse\ntrue\n```\n"), tmp_path / "run")


def test_files_namespace_and_hidden_code_are_those_of_the_page(tmp_path):
    text = (
        '<!-- first:\nvalue = 20\n-->\n```python title="one.py"\nONE = 1\n```\n'
        "```python\nfrom one import ONE\nprint(value + ONE)\n```\n```text\n21\n```\n"
        "```sh\npython -c 'import one; print(one.ONE)'\n```\n```text\n1\n```\n"
    )
    (tmp_path / "run").mkdir()
    assert run_page(page(tmp_path, text), tmp_path / "run") == []


def test_only_times_rounding_noise_and_ellipses_may_differ():
    assert matches("took 2.1 s, error 1.0e-07", "took 13 s, error 9.8e-08\n")
    assert matches("a … z", "a b\nc z")
    assert not matches("4 wires", "5 wires")
    assert not matches("a …", "b c")
