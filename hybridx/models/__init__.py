"""Reference hybrid classifiers: a classical extractor, a trained circuit, a small head.

They are ordinary torch modules around PennyLane circuits. They do not import the compiler, and the
compiler does not import them.
"""

from hybridx.models.checkpoint import (
    encode_weights,
    load_classifier,
    metrics_path,
    weights_path,
)
from hybridx.models.classical_model import (
    Activation,
    ClassicalFeatureExtractor,
    ClassicalModelConfig,
)
from hybridx.models.config import (
    DataConfig,
    ExperimentConfig,
    TrainingConfig,
    load_config,
    save_config,
)
from hybridx.models.dataset import Dataset, Split, read_dataset, split_dataset
from hybridx.models.hybrid_model import HybridClassifier, HybridModelConfig
from hybridx.models.quantum_layers import (
    BackendFallbackWarning,
    QuantumLayer,
    QuantumLayerConfig,
)
from hybridx.models.training import Epoch, Score, TrainingReport, train

__all__ = [
    "Activation",
    "BackendFallbackWarning",
    "ClassicalFeatureExtractor",
    "ClassicalModelConfig",
    "DataConfig",
    "Dataset",
    "Epoch",
    "ExperimentConfig",
    "HybridClassifier",
    "HybridModelConfig",
    "QuantumLayer",
    "QuantumLayerConfig",
    "Score",
    "Split",
    "TrainingConfig",
    "TrainingReport",
    "encode_weights",
    "load_classifier",
    "load_config",
    "metrics_path",
    "read_dataset",
    "save_config",
    "split_dataset",
    "train",
    "weights_path",
]
