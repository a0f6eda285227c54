"""Numbers and names on a command line that nothing can have."""

from __future__ import annotations

import pytest

from hybridx import api
from hybridx.artifact import Said
from hybridx.errors import NamesError, OptionError, OwnMetadataError
from hybridx.runtime import Execution, check_execution


@pytest.mark.parametrize("threads", [0, -1, 257, 2**31, 10**18])
def test_threads_are_as_many_as_a_machine_may_have(threads):
    with pytest.raises(OptionError, match="from 1 to 256"):
        check_execution(Execution(threads=threads))
    check_execution(Execution(threads=256))


@pytest.mark.parametrize("repeats", [0, 10_001, 10**18])
def test_repeats_are_bounded(repeats):
    with pytest.raises(OptionError, match="from 1 to 10000"):
        api.predict("m.onnx", "x.csv", repeats=repeats)


@pytest.mark.parametrize("what", ["input_names", "output_names", "columns", "classes"])
def test_bytes_that_are_no_text_are_no_name(what):
    with pytest.raises(NamesError, match="no name"):
        Said(**{what: ("a", "\udcff")}).check()
    with pytest.raises(NamesError, match="'a' is there twice"):
        Said(**{what: ("a", "b", "a")}).check()


def test_bytes_that_are_no_text_are_no_metadata():
    with pytest.raises(OwnMetadataError, match="no text in Unicode"):
        Said(metadata={"a": "\udcff"}).check()
