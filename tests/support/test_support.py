"""Everything in PennyLane's lists works as `docs/support.md` says, or is named with a reason."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hybridx
from tests.sampling import some
from tests.support import document
from tests.support.agreement import DATA, Circuit, compiled, eager, results_of
from tests.support.examples import EXAMPLES, UNSEEN, nothing, on
from tests.support.names import MEASUREMENTS, NAMES, OPERATORS, TEMPLATES
from tests.support.reasons import PENDING, REASONS
from tests.support.transforms import CONTROL_FLOW, TRANSFORMED, TRANSFORMS, Model
from tests.support.transforms import REASONS as REASONS_OF_TRANSFORMS

# PennyLane 0.45 multiplies tensors by NumPy's numbers the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

SUPPORTED = [name for name in EXAMPLES if name not in PENDING]

# Measured 9e-16 for the worst example.
ROUNDED = 1e-14

# PennyLane 0.45 rounds the coefficients of the terms to float32.
ROUNDED_BY_PENNYLANE = {"split_to_single_terms": 1e-7}

# Another operator in the same place changes some probability by more.
SEEN = 1e-3


def test_every_name_is_in_exactly_one_table():
    assert set(EXAMPLES) | set(REASONS) == set(NAMES)
    assert set(EXAMPLES).isdisjoint(REASONS)
    assert set(EXAMPLES) >= PENDING


def test_the_lists_are_pennylanes():
    # PennyLane 0.45 has 200 operators under 209 names, and more that only its modules name.
    assert len(OPERATORS) > 200
    assert set(OPERATORS) >= TEMPLATES
    assert len(TEMPLATES) > 50
    assert NAMES["Hadamard"] == {"H"}
    assert set(MEASUREMENTS) == set(document.MEASURED) | (set(REASONS) & set(MEASUREMENTS))


@pytest.mark.parametrize("name", some(SUPPORTED, every=4))
def test_an_example_agrees_with_pennylane(name):
    expected, actual = eager(EXAMPLES[name]), compiled(EXAMPLES[name])
    if expected.is_complex():
        actual = torch.view_as_complex(
            actual.contiguous()
        )  # a file returns complex numbers as pairs of real ones
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=0, atol=ROUNDED)


@pytest.mark.parametrize("name", some([n for n in SUPPORTED if n in OPERATORS], every=4))
def test_the_probe_sees_the_operator(name):
    example = EXAMPLES[name]
    without = eager(on(example.wires, nothing, example.probed))
    expected = eager(example)
    unseen = expected.shape == without.shape and abs(expected - without).max() < SEEN
    assert unseen == (name in UNSEEN)


@pytest.mark.parametrize("name", sorted(PENDING))
def test_what_is_pending_is_refused(name):
    """If this fails, the name works now: remove it from `PENDING` and write the page again."""
    assert eager(EXAMPLES[name]).isfinite().all()
    with pytest.raises(hybridx.HybridxError):
        compiled(EXAMPLES[name])


def test_every_transform_is_in_exactly_one_table():
    assert set(TRANSFORMED) | set(REASONS_OF_TRANSFORMS) == TRANSFORMS
    assert set(TRANSFORMED).isdisjoint(REASONS_OF_TRANSFORMS)
    assert len(TRANSFORMS) > 50


@pytest.mark.parametrize("name", some([*TRANSFORMED, *CONTROL_FLOW], every=4))
def test_a_transformed_circuit_agrees_with_pennylane(name):
    use = (TRANSFORMED | CONTROL_FLOW)[name]
    model = Model(use)
    with torch.no_grad():
        expected = model(DATA)
    expected = expected if isinstance(expected, tuple | list) else [expected]
    found = results_of(model, rehearses=not use.batched)
    for actual, wanted in zip(found, expected, strict=True):
        atol = ROUNDED_BY_PENNYLANE.get(name, ROUNDED)
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=atol)


@pytest.mark.parametrize("name", ["DensityMatrixMP", "MidMeasure", "Select", "StatePrep"])
def test_a_whole_file_agrees_too(name, tmp_path):
    report = hybridx.export(Circuit(EXAMPLES[name]), (DATA.float(),), tmp_path / "m.onnx")
    assert report.verification.worst <= report.verification.tolerance


def test_the_page_is_what_the_tables_say():
    written = document.PATH.read_text(encoding="utf-8")
    assert written == document.document(), "python -m tests.support writes it"
