from __future__ import annotations

import pytest
import torch

from hybridx.models import ClassicalFeatureExtractor, ClassicalModelConfig


@pytest.mark.parametrize(
    ("field", "values", "named"),
    [
        ("input_dim", {"input_dim": 0}, "input_dim is 0; .* at least 1"),
        ("input_dim", {"input_dim": True}, "input_dim is True"),
        ("hidden_dims", {"hidden_dims": [8]}, r"hidden_dims is \[8\]; .* tuple"),
        ("hidden_dims", {"hidden_dims": (8, 0)}, r"hidden_dims\[1\] is 0; .* at least 1"),
        ("activation", {"activation": "sine"}, "activation is 'sine'; .* relu, gelu, tanh"),
        ("dropout", {"dropout": 1.0}, r"dropout is 1.0; .* \[0, 1\)"),
        ("dropout", {"dropout": float("nan")}, r"dropout is nan; .* \[0, 1\)"),
        ("dropout", {"dropout": False}, r"dropout is False; .* \[0, 1\)"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field, values, named):
    with pytest.raises(ValueError, match=named):
        ClassicalModelConfig(**{"input_dim": 4, "hidden_dims": (8,), **values})


@pytest.mark.parametrize(("hidden", "width"), [((), 3), ((5,), 5), ((7, 1, 2), 2)])
def test_the_last_width_comes_out_whatever_the_leading_axes(hidden, width):
    config = ClassicalModelConfig(input_dim=3, hidden_dims=hidden)
    assert config.output_dim == width
    extractor = ClassicalFeatureExtractor(config)
    for leading in [(), (4,), (2, 5)]:
        assert extractor(torch.randn(*leading, 3)).shape == (*leading, width)


def test_each_hidden_layer_is_linear_norm_activation_dropout():
    config = ClassicalModelConfig(input_dim=3, hidden_dims=(4, 2), activation="tanh", dropout=0.3)
    kinds = [type(layer).__name__ for layer in ClassicalFeatureExtractor(config).layers]
    assert kinds == ["Linear", "LayerNorm", "Tanh", "Dropout"] * 2


def test_without_hidden_layers_the_input_passes_through():
    extractor = ClassicalFeatureExtractor(ClassicalModelConfig(input_dim=3, hidden_dims=()))
    x = torch.randn(4, 3)
    assert torch.equal(extractor(x), x)
    assert not list(extractor.parameters())
