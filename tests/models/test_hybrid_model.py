from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hybridx.models import (
    ClassicalModelConfig,
    HybridClassifier,
    HybridModelConfig,
    QuantumLayerConfig,
)
from hybridx.models.hybrid_model import evaluating

CLASSICAL = ClassicalModelConfig(input_dim=4, hidden_dims=(6, 3), activation="gelu", dropout=0.5)
CONFIG = HybridModelConfig(CLASSICAL, QuantumLayerConfig(n_qubits=3, n_layers=1), n_classes=2)


def test_the_example_of_the_specification_runs():
    config = HybridModelConfig(
        classical=ClassicalModelConfig(
            input_dim=4, hidden_dims=(16, 8), activation="gelu", dropout=0.1
        ),
        quantum=QuantumLayerConfig(n_qubits=8, n_layers=3, backend="default.qubit", shots=1024),
        n_classes=3,
        use_skip_connection=True,
    )
    model = HybridClassifier(config)
    x = torch.randn(5, 4)
    assert model(x).shape == (5, 3)
    # Rows of a float32 softmax sum to 1 within a few roundings of 6e-8.
    assert torch.allclose(model.predict_proba(x).sum(-1), torch.ones(5), rtol=0, atol=1e-6)
    assert model.predict(x).shape == (5,)
    assert model.predict(x).dtype == torch.int64


def test_widths_that_differ_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"gives 3 features .* n_qubits = 5"):
        HybridModelConfig(CLASSICAL, QuantumLayerConfig(5), n_classes=2)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n_classes": 1}, "n_classes is 1; .* at least 2"),
        ({"post_quantum_dim": 0}, "post_quantum_dim is 0; .* at least 1"),
        ({"use_skip_connection": 1}, "use_skip_connection is 1; .* True or False"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(options, named):
    with pytest.raises(ValueError, match=named):
        HybridModelConfig(CLASSICAL, QuantumLayerConfig(3), **{"n_classes": 2, **options})


@pytest.mark.parametrize(("post", "width"), [(None, 3), (7, 7)])
def test_the_head_is_as_wide_as_the_config_says(post, width):
    config = HybridModelConfig(CLASSICAL, QuantumLayerConfig(3), 2, post_quantum_dim=post)
    head = HybridClassifier(config).head
    kinds = [type(layer).__name__ for layer in head]
    assert kinds == ["Linear", "LayerNorm", "GELU", "Dropout", "Linear"]
    assert (head[0].in_features, head[0].out_features, head[4].in_features) == (3, width, width)
    assert head[3].p == CLASSICAL.dropout


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("shots", [None, 30])
def test_gradients_reach_every_parameter(skip, shots):
    quantum = QuantumLayerConfig(n_qubits=3, n_layers=1, shots=shots)
    config = HybridModelConfig(CLASSICAL, quantum, n_classes=2, use_skip_connection=skip)
    model = HybridClassifier(config, seed=0).eval()
    nn.functional.cross_entropy(model(torch.randn(4, 4)), torch.tensor([0, 1, 1, 1])).backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_the_skip_connection_adds_the_classical_features():
    models = [
        HybridClassifier(
            HybridModelConfig(CLASSICAL, CONFIG.quantum, 2, use_skip_connection=skip), seed=4
        ).eval()
        for skip in (False, True)
    ]
    for model in models:
        model.head = nn.Identity()
    x = torch.randn(3, 4)
    without, with_features = (model(x) for model in models)
    features = models[0].extractor(x)
    assert features.abs().max() > 0.1
    # One float32 addition and subtraction of numbers up to 3: a few roundings of 2e-7.
    assert torch.allclose(with_features - without, features, rtol=0, atol=1e-6)


def test_another_extractor_may_take_the_place_of_the_first():
    model = HybridClassifier(CONFIG, seed=0).eval()
    x = torch.randn(3, 4)
    before = model(x)
    model.extractor = torch.nn.Linear(CLASSICAL.input_dim, CLASSICAL.output_dim)
    assert model(x).shape == before.shape
    assert not torch.equal(model(x), before)


def test_two_calls_in_eval_mode_are_equal_and_dropout_acts_in_training():
    model = HybridClassifier(CONFIG, seed=0)
    x = torch.randn(8, 4)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_predictions_are_softmax_and_argmax_of_the_logits_in_eval_mode():
    model = HybridClassifier(CONFIG, seed=0)
    with torch.no_grad():
        model.head[4].bias -= model.eval()(torch.randn(99, 4)).mean(0)  # both classes occur
    model.train()
    x = torch.randn(2, 5, 4)
    probabilities, classes = model.predict_proba(x), model.predict(x)
    logits = model.eval()(x)
    assert torch.equal(probabilities, torch.softmax(logits, dim=-1))
    assert torch.equal(classes, logits.argmax(-1))
    assert classes.unique().numel() == 2
    assert not probabilities.requires_grad


def test_predictions_restore_the_mode_of_every_part():
    model = HybridClassifier(CONFIG, seed=0)
    model.head.eval()
    modes = [module.training for module in model.modules()]
    assert len(set(modes)) == 2
    model.predict(torch.randn(2, 4))
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(RuntimeError, match="2x3 and 4x6"):
        model.predict(torch.randn(2, 3))
    assert [module.training for module in model.modules()] == modes


def test_evaluating_turns_every_part_to_eval_mode():
    model = HybridClassifier(CONFIG, seed=0)
    with evaluating(model):
        assert not any(module.training for module in model.modules())


def test_the_state_goes_round():
    source, target = (
        HybridClassifier(CONFIG, seed=0).eval(),
        HybridClassifier(CONFIG, seed=1).eval(),
    )
    x = torch.randn(3, 4)
    assert not torch.equal(source(x), target(x))
    target.load_state_dict(source.state_dict())
    assert torch.equal(source(x), target(x))


def test_a_seed_repeats_the_weights_and_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    first, second, other = (HybridClassifier(CONFIG, seed=s).state_dict() for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])


def test_it_works_inside_sequential_in_float64_and_as_a_copy():
    model = nn.Sequential(nn.Linear(2, 4), HybridClassifier(CONFIG, seed=0), nn.Softmax(-1))
    x = torch.randn(3, 2)
    twin = copy.deepcopy(model).eval().double()
    assert twin(x.double()).dtype == torch.float64
    # float32 against float64 through three small layers: measured 1e-7.
    assert torch.allclose(twin(x.double()).float(), model.eval()(x), rtol=0, atol=1e-5)
