"""The whole classifier: extractor, circuit, skip connection, head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hybridx.models.checks import check_count, check_flag
from hybridx.models.classical_model import ClassicalFeatureExtractor, ClassicalModelConfig
from hybridx.models.quantum_layers import QuantumLayer, QuantumLayerConfig
from hybridx.models.seeding import seeded


@dataclass(frozen=True, slots=True)
class HybridModelConfig:
    """The parts of a `HybridClassifier`.

    Attributes:
        classical: the extractor; its `output_dim` is the number of wires.
        quantum: the circuit.
        n_classes: logits that come out; at least 2, no default.
        post_quantum_dim: width of the head's hidden layer, at least 1; None (default) means
            `n_qubits`. A width of 1 carries no information: LayerNorm of one value is constant.
        use_skip_connection: add the classical features to the expectation values; default True.

    Raises:
        ValueError: a value is outside its range, or the extractor and the circuit differ in width.
    """

    classical: ClassicalModelConfig
    quantum: QuantumLayerConfig
    n_classes: int
    post_quantum_dim: int | None = None
    use_skip_connection: bool = True

    def __post_init__(self) -> None:
        """Check every field, and that the parts fit together."""
        check_count("n_classes", self.n_classes, minimum=2)
        if self.post_quantum_dim is not None:
            check_count("post_quantum_dim", self.post_quantum_dim)
        check_flag("use_skip_connection", self.use_skip_connection)
        if self.classical.output_dim != self.quantum.n_qubits:
            raise ValueError(
                f"the extractor gives {self.classical.output_dim} features and the circuit has "
                f"n_qubits = {self.quantum.n_qubits}; make the last of hidden_dims equal n_qubits"
            )


class HybridClassifier(nn.Module):
    """Logits from a classical extractor, a trained circuit and a small head.

    Args:
        config: the parts.
        strict: raise if the backend cannot be opened, instead of using a local simulator.
        seed: repeats the initial weights, and the samples of a local simulator, and leaves
            torch's global random state alone; None draws from that state.

    Raises:
        DeviceError: `strict` and the backend cannot be opened.

    Example:
        >>> config = HybridModelConfig(
        ...     classical=ClassicalModelConfig(input_dim=4, hidden_dims=(8, 2)),
        ...     quantum=QuantumLayerConfig(n_qubits=2),
        ...     n_classes=3,
        ... )
        >>> HybridClassifier(config, seed=0).predict(torch.zeros(5, 4)).shape
        torch.Size([5])
    """

    def __init__(
        self, config: HybridModelConfig, *, strict: bool = False, seed: int | None = None
    ) -> None:
        super().__init__()
        self.config = config
        wires = config.quantum.n_qubits
        width = wires if config.post_quantum_dim is None else config.post_quantum_dim
        with seeded(seed):
            self.extractor: nn.Module = ClassicalFeatureExtractor(config.classical)
            self.quantum = QuantumLayer(config.quantum, strict=strict)
            self.head = nn.Sequential(
                nn.Linear(wires, width),
                nn.LayerNorm(width),
                nn.GELU(),
                nn.Dropout(config.classical.dropout),
                nn.Linear(width, config.n_classes),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of each sample.

        Args:
            x: shape `(..., input_dim)`, of the weights' dtype.

        Returns:
            Shape `(..., n_classes)`, same dtype; softmax of them are probabilities.
        """
        features = self.extractor(x)  # (..., wires)
        measured = self.quantum(features)  # (..., wires), in [-1, 1]
        fused = measured + features if self.config.use_skip_connection else measured
        logits: Tensor = self.head(fused)  # (..., n_classes)
        return logits

    def predict_proba(self, x: Tensor) -> Tensor:
        """Return the probability of each class: shape `(..., n_classes)`, rows sum to 1.

        Runs in eval mode and without gradients, and restores the training mode.
        """
        with evaluating(self), torch.no_grad():
            return torch.softmax(self(x), dim=-1)  # (..., n_classes)

    def predict(self, x: Tensor) -> Tensor:
        """Return the number of the most probable class: int64, shape `(...)`.

        Runs in eval mode and without gradients, and restores the training mode.
        """
        return self.predict_proba(x).argmax(dim=-1)  # (...)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put `model` into eval mode, and each submodule back into its own mode at the end."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
