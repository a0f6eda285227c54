"""The rules for numbers in docs/data.md, for files of every format and of every strategy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hybridx
from hybridx.errors import HybridxError, InputRangeError
from hybridx.lowering import STRATEGIES
from tests import sample_models
from tests.runtime.test_numbers import LAYOUTS

ENDINGS = ("onnx", "bundle", "pt", "pt2", "device")
FILES: dict[tuple[str, str], tuple[hybridx.Session, np.ndarray] | None] = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("numbers")


def opened(folder, strategy, ending):
    """Return a session and an example, or skip what the strategy does not apply to."""
    if (strategy, ending) not in FILES:
        model, x = sample_models.make("layer")
        path = folder / f"{strategy}.{'onnx' if ending == 'device' else ending}"
        try:
            hybridx.export(model, (x,), path, strategy=strategy, verify=False, overwrite=True)
        except HybridxError:
            FILES[strategy, ending] = None
        else:
            options = {"device": "lightning.qubit"} if ending == "device" else {}
            FILES[strategy, ending] = hybridx.load(path, **options), x.numpy()
    found = FILES[strategy, ending]
    return found if found is not None else pytest.skip(f"{strategy} does not apply")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("strategy", [one.name for one in STRATEGIES])
def test_the_rules_hold(strategy, ending, folder):
    session, example = opened(folder, strategy, ending)
    (name,) = session.input_names
    model, _ = sample_models.make("layer")

    def run(array):
        (found,) = session.run({name: array}).values()
        return found

    @settings(max_examples=25)
    @given(seed=st.integers(0, 99), rows=st.integers(0, 5), layout=st.sampled_from([*LAYOUTS]))
    def an_array_is_its_numbers(seed, rows, layout):
        x = np.random.default_rng(seed).uniform(-3, 3, (rows, *example.shape[1:]))
        x = x.astype(np.float32)
        found = run(LAYOUTS[layout](x))
        np.testing.assert_array_equal(found, run(x))
        assert len(found) == rows
        if rows:
            with torch.no_grad():
                expected = model(torch.from_numpy(x)).numpy()
            np.testing.assert_allclose(found, expected, atol=1e-5)

    @settings(max_examples=12)
    @given(special=st.sampled_from([np.nan, np.inf, -np.inf]), column=st.integers(0, 2))
    def it_stays_in_its_row(special, column):
        x = np.random.default_rng(column).uniform(-3, 3, (3, *example.shape[1:]))
        x = x.astype(np.float32)
        clean = run(x)
        x[1, column % x.shape[1]] = special
        found = run(x)
        np.testing.assert_allclose(np.delete(found, 1, 0), np.delete(clean, 1, 0), atol=1e-6)
        assert not np.isfinite(found[1]).all()

    an_array_is_its_numbers()
    it_stays_in_its_row()
    with pytest.raises(InputRangeError) as caught:
        run(np.full((2, *example.shape[1:]), 1e300))
    assert caught.value.row == 1


def test_some_file_of_every_format_was_tried(folder):
    for ending in ENDINGS:
        assert any(FILES[key] for key in FILES if key[1] == ending)
