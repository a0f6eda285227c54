"""The classical layers in front of the circuit: a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from torch import Tensor, nn

from hybridx.models.checks import UNIT, check_choice, check_count, check_number
from hybridx.models.seeding import seeded

Activation: TypeAlias = Literal["relu", "gelu", "tanh"]

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
)


@dataclass(frozen=True, slots=True)
class ClassicalModelConfig:
    """The shape of a `ClassicalFeatureExtractor`.

    Attributes:
        input_dim: features of a sample; at least 1, no default.
        hidden_dims: width of each hidden layer, each at least 1; empty passes the input through.
            A width of 1 carries no information: LayerNorm of one value is constant.
        activation: "relu" (default), "gelu" or "tanh", after every LayerNorm.
        dropout: probability in [0, 1) that a feature is dropped in training; default 0.1.

    Raises:
        ValueError: a value is outside its range.
    """

    input_dim: int
    hidden_dims: tuple[int, ...]
    activation: Activation = "relu"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Check every field."""
        check_count("input_dim", self.input_dim)
        if not isinstance(self.hidden_dims, tuple):
            raise ValueError(  # noqa: TRY004 - one class of error for every refused value
                f"hidden_dims is {self.hidden_dims!r}; it must be a tuple of whole numbers"
            )
        for index, width in enumerate(self.hidden_dims):
            check_count(f"hidden_dims[{index}]", width)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_number("dropout", self.dropout, UNIT)

    @property
    def output_dim(self) -> int:
        """Features that the extractor gives: the last hidden width, or the input's."""
        return (self.input_dim, *self.hidden_dims)[-1]


class ClassicalFeatureExtractor(nn.Module):
    """Hidden layers of Linear, LayerNorm, activation and Dropout each.

    Args:
        config: widths, activation and dropout.
        seed: repeats the initial weights and leaves torch's global random state alone; None
            draws them from that state.

    Example:
        >>> import torch
        >>> config = ClassicalModelConfig(input_dim=4, hidden_dims=(16, 8))
        >>> ClassicalFeatureExtractor(config, seed=0)(torch.zeros(5, 4)).shape
        torch.Size([5, 8])
    """

    def __init__(self, config: ClassicalModelConfig, *, seed: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential()
        width = config.input_dim
        with seeded(seed):
            for next_width in config.hidden_dims:
                self.layers.append(nn.Linear(width, next_width))
                self.layers.append(nn.LayerNorm(next_width))
                self.layers.append(ACTIVATIONS[config.activation]())
                self.layers.append(nn.Dropout(config.dropout))
                width = next_width

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each sample.

        Args:
            x: shape `(..., input_dim)`, of the weights' dtype.

        Returns:
            Shape `(..., output_dim)`, same dtype.
        """
        features: Tensor = self.layers(x)  # (..., output_dim)
        return features
