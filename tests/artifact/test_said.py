"""What the user says of a file is checked against the model before the file is written."""

from __future__ import annotations

import numpy as np
import pytest

from hybridx.artifact import Said, Signature
from hybridx.errors import NamesError, OwnMetadataError


def tensor(name, *shape):
    return Signature(name, np.dtype("float32"), shape)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(columns=("a", "b", "a")), "columns cannot be a, b, a: 'a' is there twice"),
        (Said(classes=("a", "")), "number 2 is ''"),
        (Said(input_names=("x",), output_names=("x",)), "'x' is the name of an input too"),
    ],
)
def test_names_that_fit_no_model(said, words):
    with pytest.raises(NamesError) as refused:
        said.check()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"hybridx.format": "2"}, "names that begin with hybridx. are hybridx's own"),
        ({"HybridX.mine": "2"}, "hybridx's own"),
        ({"": "2"}, "its name is empty"),
        ({"version": 2}, "its value is a int, no text"),
    ],
)
def test_metadata_that_cannot_be_kept(metadata, words):
    with pytest.raises(OwnMetadataError) as refused:
        Said(metadata=metadata).check()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(input_names=("a",)), "the model has 2 inputs: x, mask"),
        (Said(output_names=("a", "b")), "the model has 1 outputs: y"),
        (Said(output_names=("mask",)), "'mask' would be an input and an output"),
        (Said(input_names=("y", "z")), "'y' would be an input and an output"),
    ],
)
def test_names_of_another_number_than_the_model_has(said, words):
    with pytest.raises(NamesError) as refused:
        said.check_names(("x", "mask"), ("y",))
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("count", "shape", "words"),
    [
        (4, ("batch", 4), ""),
        (4, (4,), ""),
        (4, (3, 4), ""),
        (3, ("batch", 4), "these are 3 names, but input 'x' has the shape (batch, 4): axis 1 has"),
        (1, ("batch", 4), "these are one name, but"),
        (3, ("batch",), "input 'x' is one number for each row"),
        (3, (), "no row of numbers"),
        (4, ("batch", 2, 2), "no row of numbers"),
        (4, ("batch", "T"), "axis 1 has any length"),
    ],
)
def test_columns_are_those_of_the_only_input(count, shape, words):
    said = Said(columns=tuple("abcd"[:count]))
    if not words:
        said.check_table([tensor("x", *shape)], [])
        return
    with pytest.raises(NamesError) as refused:
        said.check_table([tensor("x", *shape)], [])
    assert words in str(refused.value)
    assert "leave columns out" in str(refused.value)


def test_columns_of_two_inputs_and_classes_of_the_first_output():
    with pytest.raises(NamesError, match="the model has 2: x, y"):
        Said(columns=("a",)).check_table([tensor("x", "batch", 1), tensor("y", "batch", 1)], [])
    outputs = [tensor("logits", "batch", 3), tensor("hidden", "batch", 2)]
    Said(classes=("a", "b", "c")).check_table([], outputs)
    with pytest.raises(NamesError, match="output 'logits' has the shape"):
        Said(classes=("a", "b")).check_table([], outputs)
