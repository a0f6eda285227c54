"""Train an accelerated model by the trainer of another library, beside the same model in PennyLane.

`python -m tests.backbones.trainers NAME` prints how it went.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable
from typing import Any, Final

import pennylane as qml
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

import hybridx

TOLERANCE: Final = 1e-5
"""Of losses around 1: nine steps of Adam, each with roundings of float32."""

EPOCHS, BATCH, ROWS, RATE = 3, 8, 24, 0.05


class Rows(Dataset[dict[str, Tensor]]):
    """Points in four dimensions, and on which side of a plane they are."""

    def __init__(self) -> None:
        self.x = torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(1))
        self.labels = (self.x.sum(1) > 0).long()

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"x": self.x[row], "labels": self.labels[row]}


class Model(nn.Module):
    """Linear, circuit, Linear; returns what the trainer of transformers asks for."""

    def __init__(self) -> None:
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=3))
        def circuit(inputs: Tensor, weights: Tensor) -> list[Any]:
            qml.AngleEmbedding(inputs, wires=range(3))
            qml.StronglyEntanglingLayers(weights, wires=range(3))
            return [qml.expval(qml.PauliZ(wire)) for wire in range(3)]

        torch.manual_seed(0)
        layer = qml.qnn.TorchLayer(circuit, {"weights": (2, 3, 3)})
        self.layers = nn.Sequential(nn.Linear(4, 3), layer, nn.Linear(3, 2))

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.layers(x)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


def by_lightning(model: Model, folder: str) -> list[float]:
    """Return the losses of a run of Lightning's trainer, with clipping and checkpoints."""
    import lightning

    losses: list[float] = []

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
            loss: Tensor = self.model(**batch)["loss"]
            losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        gradient_clip_val=1.0,
    )
    trainer.fit(Module(), DataLoader(Rows(), batch_size=BATCH))
    return losses


def by_transformers(model: Model, folder: str) -> list[float]:
    """Return the losses of a run of Hugging Face's trainer, with checkpoints."""
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        logging_steps=1,
        save_strategy="epoch",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Rows())
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


TRAINERS: Final[dict[str, Callable[[Model, str], list[float]]]] = {
    "lightning": by_lightning,
    "transformers": by_transformers,
}


def judge(trainer: Callable[[Model, str], list[float]]) -> str:
    """Return `trained`, or in one line what went wrong."""
    fast = Model()
    report = hybridx.accelerate(fast, (Rows().x[:2], Rows().labels[:2]))
    if not all(layer.is_compiled for layer in report.layers):
        return f"eager: {report}"
    with tempfile.TemporaryDirectory() as folder:
        found, wanted = trainer(fast, f"{folder}/fast"), trainer(Model(), f"{folder}/slow")
    if len(found) != EPOCHS * ROWS // BATCH or len(wanted) != len(found):
        return f"wrong: {len(found)} and {len(wanted)} losses"
    worst = max(abs(one - other) for one, other in zip(found, wanted, strict=True))
    return "trained" if worst <= TOLERANCE else f"wrong: losses are off by {worst:.2g}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print("\n" + judge(TRAINERS[sys.argv[1]]))
