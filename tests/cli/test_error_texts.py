"""The wording of every error, fixed in one file, so that a change of words shows in a diff.

After a change that is meant: `python -m tests.cli.test_error_texts`, then read the diff.
"""

from __future__ import annotations

import re
from pathlib import Path

from hybridx import errors
from hybridx.errors import HybridxError

GOLDEN = Path(__file__).parents[1] / "fixtures" / "errors.txt"
SAMPLES = {"int": 3, "float": 0.0012345}


def leaves(group=HybridxError):
    below = [leaf for child in group.__subclasses__() for leaf in leaves(child)]
    return below or [group]


def sample(leaf):
    """The error with a placeholder in every field, by the field's type."""
    fields = vars(leaf).get("__annotations__", {})
    return leaf(**{name: SAMPLES.get(kind, f"<{name}>") for name, kind in fields.items()})


@errors.for_command_line()
def render():
    texts = [f"{leaf.__mro__[1].__name__}.{leaf.__name__}\n{sample(leaf)}\n" for leaf in leaves()]
    return "\n".join(texts)


def test_the_words_are_the_agreed_ones():
    assert render() == GOLDEN.read_text()


def test_every_leaf_has_a_code_of_its_own_in_its_groups_hundred():
    codes = [leaf.code for leaf in leaves()]
    assert len(set(codes)) == len(codes)
    for group in HybridxError.__subclasses__():
        assert len({leaf.code[:3] for leaf in leaves(group)}) == 1, group.__name__


def test_every_leaf_is_public_typed_and_helps():
    for leaf in leaves():
        assert getattr(errors, leaf.__name__) is leaf
        assert leaf.__doc__
        assert leaf.remedy
        # Whoever installed the package has neither folder.
        assert not {"docs/", "exported/"} & {*re.findall(r"\w+/", leaf.summary + leaf.remedy)}
        assert set(sample(leaf).facts()) == set(leaf.__annotations__)


def test_python_is_told_of_arguments_and_not_of_options():
    text = "\n".join(str(sample(leaf)) for leaf in leaves())
    assert not re.findall(r".*(?<!install )--(?!json|help)[a-z].*", text)
    assert "give args" in text
    assert "give overwrite=True or another name" in text
    assert 'format="pt2"' in text
    assert "body=False" in text
    with errors.for_command_line():
        assert "--overwrite" in str(sample(errors.OutputExistsError))


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(render())
