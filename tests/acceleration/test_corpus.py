"""Every model of the corpus trained by compiled circuits, beside PennyLane in float64.

Each comparison also asserts that the circuits are compiled: a model that stayed eager would pass.
"""

from __future__ import annotations

import pytest

from hybridx.errors import NoQuantumLayerError
from tests.acceleration.against_eager import compare
from tests.corpus import CASES
from tests.sampling import some

EVERY = 24
"""Of so many models one is trained in the quick suite, a fifth of a second each."""

VALUES = 1e-9
SECONDS = 1e-7
FLOAT32 = 2e-5
"""Of the largest number; a hundred roundings of 6e-8, and angles rounded before a cosine."""

ARRAYS = "it returns what is no tensor"
SHOTS = "it samples shots"
DRAWS = "it draws from"
NUMBERS = "Python code in it needs a number of a tensor"

EAGER = {
    **dict.fromkeys(
        (
            "through_numpy", "numpy_batch", "numpy_arithmetic", "numpy_stack", "numpy_buffer",
            "pennylane_numpy", "items", "to_list", "parameter_shift", "gaussian_layer",
        ),
        ARRAYS,
    ),
    **dict.fromkeys(
        (
            "finite_shots", "shots_on_device", "copies_of_shots", "sampled", "sampled_observable",
            "counted",
        ),
        SHOTS,
    ),
    **dict.fromkeys(("shuffled_wires", "random_gates", "numpy_choice"), DRAWS),
    **dict.fromkeys(("branch_in_circuit", "reupload_from_data"), NUMBERS),
    "own_generator": "it changes what it reads",
    "rebuilt_in_forward": "forward makes this QNode anew in each call",
    "fresh_quantum_layer": "forward makes this QNode anew in each call",
    "unseeded_random_layers": "its values differ from PennyLane's",
    "gaussian_torch_layer": "HX103",
    "qutrit_layer": "HX104",
}  # fmt: skip
"""The models with a layer that stays eager, and how its reason begins."""

UNCALLED = "forward does not call it on this example"

IN_FLOAT32 = {
    "lightning": "lightning.qubit rounds its results to the default dtype",
    "lightning_loop": "lightning.qubit rounds its results to the default dtype",
    "sentence_of_words": "the angles are float32 in a dict",
    "one_hot": "the angles are made float32 in forward",
    "under_autocast": "the circuit is called in float32",
    "half_inside": "the angles are made float32 in forward",
}
"""Models in float64 whose circuits are called with float32, or return it."""

NO_CALLS = ("picks_a_circuit", "argmax_routing")
"""These call no QNode on their example."""

NO_SECONDS = ("lightning", "lightning_loop")
"""PennyLane's second derivatives of these are wrong or missing."""


@pytest.mark.filterwarnings("ignore")  # models may use what torch or PennyLane deprecates
@pytest.mark.parametrize("name", some([case.name for case in CASES], every=EVERY, first=9, slow=3))
def test_a_model_trains_as_eager(name):
    case = next(case for case in CASES if case.name == name)
    if name in NO_CALLS:
        with pytest.raises(NoQuantumLayerError):
            compare(case.build, case.rows(3), case.rows(4))
        return
    # The example has another batch size than what follows, where the model allows it.
    outcome = compare(case.build, case.rows(3), case.rows(4))
    reasons = [layer.reason for layer in outcome.layers if layer.reason]
    if name in EAGER:
        assert len(reasons) == len(outcome.layers)
        assert all(reason.startswith((EAGER[name], UNCALLED)) for reason in reasons), reasons
        assert any(reason.startswith(EAGER[name]) for reason in reasons)
        return
    assert not reasons
    is_wide = outcome.way.is_wide and name not in IN_FLOAT32
    values, slopes, seconds = outcome.differences
    assert max(values, slopes) < (VALUES if is_wide else FLOAT32), outcome
    if name not in NO_SECONDS:
        assert seconds < (SECONDS if is_wide else 10 * FLOAT32), outcome
