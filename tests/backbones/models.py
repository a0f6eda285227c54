"""Small random configurations of the backbones that people use, each with a quantum layer.

Every backbone comes twice: with the quantum layer as its head, and in its middle, between two of
the backbone's own layers. Weights are random, so nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pennylane as qml
import torch
from torch import Tensor, nn

SIDE = 32
"""Of an image, in pixels."""

TOKENS = 7
"""Of a text."""


def quantum_layer(wires: int = 3) -> nn.Module:
    """Return a layer of `wires` angles to `wires` expectation values, any axes before the last."""

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(wires))
        qml.StronglyEntanglingLayers(weights, wires=range(wires))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]

    return qml.qnn.TorchLayer(circuit, {"weights": (1, wires, 3)})


def quantum_head(features: int) -> nn.Module:
    """Return a classifier of two classes with a circuit in it."""
    return nn.Sequential(nn.Linear(features, 3), nn.Tanh(), quantum_layer(), nn.Linear(3, 2))


class Adapter(nn.Module):
    """Adds what a circuit makes of the last axis to it, as adapters inside a backbone do."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.down, self.layer = nn.Linear(features, 3), quantum_layer()
        self.up = nn.Linear(3, features)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(self.layer(torch.tanh(self.down(x))))


class ChannelAdapter(nn.Module):
    """Scales the channels of feature maps by what a circuit makes of their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.layer = nn.Linear(channels, 3), quantum_layer()
        self.up = nn.Linear(3, channels)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.up(self.layer(self.down(x.mean((2, 3))))))
        return x * scale[:, :, None, None]


@dataclass(frozen=True)
class Backbone:
    """A model with its example.

    Attributes:
        library: which has to be installed.
        name: of the backbone, and where the quantum layer is.
        make: returns the model.
        args: returns example inputs of a number of rows.
        lengths: the rows of the example, then those that the file is tried on.
        options: further arguments of `export`.
        refused: the code of the error with which it is refused, or nothing.
        reason: why, as `docs/support.md` says it.
    """

    library: str
    name: str
    make: Callable[[], nn.Module]
    args: Callable[[int], tuple[Any, ...]]
    lengths: tuple[int, ...] = (3, 1, 5)
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    reason: str = ""

    @property
    def expected(self) -> str:
        """How the line of its outcome begins."""
        return f"refused: {self.refused}" if self.refused else "exported"


def images(rows: int) -> tuple[Tensor, ...]:
    """Return pixels of shape `(rows, 3, SIDE, SIDE)`."""
    return (torch.rand(rows, 3, SIDE, SIDE),)


def texts(rows: int) -> tuple[Tensor, ...]:
    """Return token numbers and an attention mask, each of shape `(rows, TOKENS)`."""
    mask = (torch.arange(TOKENS) < torch.randint(3, TOKENS + 1, (rows, 1))).long()
    return torch.randint(1, 50, (rows, TOKENS)), mask


def sequences(rows: int) -> tuple[Tensor, ...]:
    """Return a sequence of shape `(rows, TOKENS, 4)`."""
    return (torch.randn(rows, TOKENS, 4),)


def graphs(nodes: int) -> tuple[Tensor, ...]:
    """Return features of a graph's nodes, `(nodes, 4)`, and its edges, `(2, 2 * nodes)`: a ring."""
    index = torch.arange(nodes)
    ring = torch.stack([index, (index + 1) % nodes])
    return torch.randn(nodes, 4), torch.cat([ring, ring.flip(0)], 1)


class TextClassifier(nn.Module):
    """A text encoder of transformers, and a head on its first token."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        return self.head(found.last_hidden_state[:, 0])


class ImageClassifier(nn.Module):
    """An image encoder of transformers, and a head on its first token."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.head(self.encoder(pixel_values=pixel_values).last_hidden_state[:, 0])


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def _bert(where: str) -> nn.Module:
    from transformers import BertConfig, BertModel

    encoder = BertModel(BertConfig(vocab_size=50, intermediate_size=32, **SMALL))
    if where == "head":
        return TextClassifier(encoder, quantum_head(16))
    encoder.embeddings = Then(encoder.embeddings, Adapter(16))
    return TextClassifier(encoder, nn.Linear(16, 2))


def _bert_classifier(where: str) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    model = BertForSequenceClassification(
        BertConfig(vocab_size=50, intermediate_size=32, num_labels=2, **SMALL)
    )
    if where == "head":
        model.classifier = quantum_head(16)
    else:
        model.bert.pooler = Then(model.bert.pooler, Adapter(16))
    return model


def _distilbert(where: str) -> nn.Module:
    from transformers import DistilBertConfig, DistilBertModel

    encoder = DistilBertModel(
        DistilBertConfig(vocab_size=50, dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    )
    if where == "head":
        return TextClassifier(encoder, quantum_head(16))
    encoder.embeddings = Then(encoder.embeddings, Adapter(16))
    return TextClassifier(encoder, nn.Linear(16, 2))


def _gpt2(where: str) -> nn.Module:
    from transformers import GPT2Config, GPT2Model

    encoder = GPT2Model(GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=16))
    encoder.config.use_cache = False
    if where == "head":
        return TextClassifier(encoder, quantum_head(16))
    encoder.h[0].mlp = Then(encoder.h[0].mlp, Adapter(16))
    return TextClassifier(encoder, nn.Linear(16, 2))


def _text(name: str, **options: Any) -> Callable[[str], nn.Module]:
    """Return what makes a text encoder of transformers whose last axis is 16 long."""

    def make(where: str) -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name.removesuffix('Encoder')}Config")
        kind = getattr(transformers, f"{name}Model")
        encoder = kind(config(vocab_size=50, **options))
        encoder.config.use_cache = False
        if where == "head":
            return TextClassifier(encoder, quantum_head(16))
        place = next(
            place
            for place, module in encoder.named_modules()
            if isinstance(module, nn.Linear) and module.out_features == 16
        )
        encoder.set_submodule(place, Then(encoder.get_submodule(place), Adapter(16)))
        return TextClassifier(encoder, nn.Linear(16, 2))

    return make


class MeanOfTokens(nn.Module):
    """An image encoder of transformers, and a head on the mean of its tokens."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.head(self.encoder(pixel_values=pixel_values).last_hidden_state.mean(1))


def _swin(where: str) -> nn.Module:
    from transformers import SwinConfig, SwinModel

    encoder = SwinModel(
        SwinConfig(
            image_size=SIDE, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2],
            window_size=4,
        )
    )  # fmt: skip
    if where == "head":
        return MeanOfTokens(encoder, quantum_head(32))
    encoder.layernorm = Then(encoder.layernorm, Adapter(32))
    return MeanOfTokens(encoder, nn.Linear(32, 2))


def _vit(where: str) -> nn.Module:
    from transformers import ViTConfig, ViTModel

    encoder = ViTModel(ViTConfig(image_size=SIDE, patch_size=16, intermediate_size=32, **SMALL))
    if where == "head":
        return ImageClassifier(encoder, quantum_head(16))
    encoder.layernorm = Then(encoder.layernorm, Adapter(16))
    return ImageClassifier(encoder, nn.Linear(16, 2))


class Then(nn.Module):
    """A module of a backbone, followed by another one; it takes what the first takes."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.second(self.first(*args, **kwargs))


def _resnet(where: str) -> nn.Module:
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=2)
    if where == "head":
        model.fc = quantum_head(512)
    else:
        model.layer2 = nn.Sequential(model.layer2, ChannelAdapter(128))
    return model


def _mobilenet(where: str) -> nn.Module:
    from torchvision.models import mobilenet_v3_small

    model = mobilenet_v3_small(num_classes=2)
    if where == "head":
        model.classifier = quantum_head(576)
    else:
        model.features[4] = nn.Sequential(model.features[4], ChannelAdapter(40))
    return model


def _efficientnet(where: str) -> nn.Module:
    from torchvision.models import efficientnet_b0

    model = efficientnet_b0(num_classes=2)
    if where == "head":
        model.classifier = quantum_head(1280)
    else:
        model.features[2] = nn.Sequential(model.features[2], ChannelAdapter(24))
    return model


def _densenet(where: str) -> nn.Module:
    from torchvision.models import DenseNet

    model = DenseNet(8, (2, 2), 16, num_classes=2)
    if where == "head":
        model.classifier = quantum_head(model.classifier.in_features)
    else:
        model.features.norm0 = nn.Sequential(model.features.norm0, ChannelAdapter(16))
    return model


def _vision_transformer(where: str) -> nn.Module:
    from torchvision.models import VisionTransformer

    model = VisionTransformer(SIDE, 16, 2, 2, 16, 32, num_classes=2)
    if where == "head":
        model.heads = quantum_head(16)
    else:
        model.encoder.layers[0] = nn.Sequential(model.encoder.layers[0], Adapter(16))
    return model


def _timm(name: str, channels: int, **options: Any) -> Callable[[str], nn.Module]:
    def make(where: str) -> nn.Module:
        import timm

        if where == "head":
            model = timm.create_model(name, num_classes=0, **options)
            return nn.Sequential(model, quantum_head(model.num_features))
        model = timm.create_model(name, num_classes=2, **options)
        if hasattr(model, "blocks"):
            model.blocks[0] = nn.Sequential(model.blocks[0], Adapter(channels))
        else:
            model.layer1 = nn.Sequential(model.layer1, ChannelAdapter(channels))
        return model

    return make


class GraphClassifier(nn.Module):
    """Two layers of torch_geometric, a circuit behind or between them, and means over nodes."""

    def __init__(self, first: nn.Module, second: nn.Module, where: str) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.between = Adapter(4) if where == "middle" else nn.ReLU()
        self.head = quantum_head(4) if where == "head" else nn.Linear(4, 2)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        hidden = self.between(self.first(x, edge_index))
        return self.head(torch.relu(self.second(hidden, edge_index)).mean(0, keepdim=True))


def _geometric(name: str, **options: Any) -> Callable[[str], nn.Module]:
    def make(where: str) -> nn.Module:
        from torch_geometric import nn as geometric

        kind = getattr(geometric, name)
        if name == "GINConv":
            layers = [kind(nn.Linear(4, 4)) for _ in range(2)]
        else:
            layers = [kind(4, 4, **options) for _ in range(2)]
        return GraphClassifier(*layers, where)

    return make


Pool: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes the features of nodes, edges, and the graph of each node; returns a row for each graph."""


class Pooled(nn.Module):
    """Graphs of a batch, pooled by torch_geometric."""

    def __init__(self, where: str, convolution: nn.Module, pool: Pool) -> None:
        super().__init__()
        self.convolution, self.pool = convolution, pool
        self.between = Adapter(4) if where == "middle" else nn.ReLU()
        self.head = quantum_head(4) if where == "head" else nn.Linear(4, 2)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        hidden = self.between(self.convolution(x, edge_index))
        return self.head(self.pool(hidden, edge_index, batch))


class Attention(nn.Module):
    """Sums over the nodes of each graph, weighted by scores that make one in each."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = nn.Linear(4, 1)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        from torch_geometric.nn import global_add_pool
        from torch_geometric.utils import degree, softmax

        weights = softmax(self.scores(x), batch) * degree(edge_index[0], x.size(0))[:, None]
        return global_add_pool(x * weights, batch)


class Dense(nn.Module):
    """A layer on the nodes of each graph as one padded axis, and their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        from torch_geometric.utils import to_dense_batch

        rows, mask = to_dense_batch(x, batch)
        return (self.layer(rows) * mask[..., None]).sum(1)


class Normed(nn.Module):
    """Nodes, normed in each graph, and their largest."""

    def __init__(self) -> None:
        super().__init__()
        from torch_geometric.nn import GraphNorm

        self.norm = GraphNorm(4)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        from torch_geometric.nn import global_max_pool

        return global_max_pool(self.norm(x, batch), batch)


class TopHalf(nn.Module):
    """The half of each graph's nodes with the best scores, and their means."""

    def __init__(self) -> None:
        super().__init__()
        from torch_geometric.nn import TopKPooling

        self.choice = TopKPooling(4, ratio=0.5)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        from torch_geometric.nn import global_mean_pool

        chosen, _, _, graph, *_ = self.choice(x, edge_index, None, batch)
        return global_mean_pool(chosen, graph)


def _means(x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
    from torch_geometric.nn import global_mean_pool

    return global_mean_pool(x, batch)


def _pooled(name: str, make_pool: Callable[[], Pool], **options: Any) -> Callable[[str], nn.Module]:
    def make(where: str) -> nn.Module:
        from torch_geometric import nn as geometric

        return Pooled(where, getattr(geometric, name)(4, 4, **options), make_pool())

    return make


def batched_graphs(count: int) -> tuple[Tensor, ...]:
    """Return `count` rings of four nodes: features, edges, and the graph of each node."""
    _, edges = graphs(4)
    shifted = [edges + 4 * graph for graph in range(count)]
    batch = torch.arange(count).repeat_interleave(4)
    return torch.randn(4 * count, 4), torch.cat(shifted, 1), batch


class Recurrent(nn.Module):
    """A recurrent layer of torch, its last step to a head, or two with a circuit between them."""

    def __init__(self, kind: type[nn.RNNBase], where: str, **options: Any) -> None:
        super().__init__()
        self.first = kind(4, 6, batch_first=True, **options)
        width = 6 * (2 if options.get("bidirectional") else 1)
        self.between = Adapter(width) if where == "middle" else nn.Identity()
        self.second = kind(width, 6, batch_first=True)
        self.head = quantum_head(6) if where == "head" else nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.between(self.first(x)[0])
        return self.head(self.second(hidden)[0][:, -1])


class Attentive(nn.Module):
    """A transformer encoder of torch."""

    def __init__(self, where: str) -> None:
        super().__init__()
        layers = [nn.TransformerEncoderLayer(4, 2, 8, batch_first=True) for _ in range(2)]
        between = [Adapter(4)] if where == "middle" else []
        self.encoder = nn.Sequential(layers[0], *between, layers[1])
        self.head = quantum_head(4) if where == "head" else nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x).mean(1))


class EncoderDecoder(nn.Module):
    """A whole transformer of torch, a circuit between encoder and decoder or behind both."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.transformer = nn.Transformer(4, 2, 1, 1, 8, batch_first=True)
        if where == "middle":
            self.transformer.encoder = Then(self.transformer.encoder, Adapter(4))
        self.head = quantum_head(4) if where == "head" else nn.Linear(4, 2)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.head(self.transformer(source, target)[:, -1])


def _lightning(where: str) -> nn.Module:
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters()
            middle = Adapter(8) if where == "middle" else nn.ReLU()
            head = quantum_head(8) if where == "head" else nn.Linear(8, 2)
            self.model = nn.Sequential(nn.Linear(4, 8), middle, head)
            self.loss = nn.CrossEntropyLoss()

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x)

        def training_step(self, batch: Any, index: int) -> Tensor:
            x, y = batch
            loss = self.loss(self(x), y)
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    return Classifier()


def _trained(where: str) -> nn.Module:
    """Return a module that Lightning has trained for a moment, as it is afterwards."""
    import lightning

    class Regression(lightning.LightningModule):
        def __init__(self, width: int = 8, rate: float = 1e-3) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.example_input_array = torch.randn(2, 4)
            self.first = nn.Linear(4, self.hparams.width)
            self.middle = Adapter(width) if where == "middle" else nn.Tanh()
            self.head = quantum_head(width) if where == "head" else nn.Linear(width, 2)
            self.losses: list[Tensor] = []

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.middle(self.first(x)))

        def training_step(self, batch: Any, index: int) -> Tensor:
            x, y = batch
            loss = nn.functional.mse_loss(self(x), y)
            self.log("loss", loss, prog_bar=True)
            self.losses.append(loss.detach())
            return loss

        def predict_step(self, batch: Any, index: int) -> Tensor:
            return self(batch[0])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), self.hparams.rate)

    model = Regression()
    samples = torch.utils.data.TensorDataset(torch.randn(8, 4), torch.randn(8, 2))
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model, torch.utils.data.DataLoader(samples, 4))
    return model


OPEN_GRAPH = {"dynamic": {"x": {0: "nodes"}, "edge_index": {1: "edges"}}}
OPEN_GRAPHS = {"dynamic": OPEN_GRAPH["dynamic"] | {"batch": {0: "nodes"}}}


def _both(
    library: str, name: str, make: Callable[[str], nn.Module], args: Any, **fields: Any
) -> list[Backbone]:
    return [
        Backbone(library, f"{name}, {where}", lambda where=where: make(where), args, **fields)
        for where in ("head", "middle")
    ]


def _graphs(name: str, make: Callable[[str], nn.Module], **fields: Any) -> list[Backbone]:
    return _both("torch_geometric", name, make, batched_graphs, options=OPEN_GRAPHS, **fields)


BACKBONES: tuple[Backbone, ...] = (
    *_both("transformers", "BERT", _bert, texts),
    *_both("transformers", "BertForSequenceClassification", _bert_classifier, texts),
    *_both("transformers", "DistilBERT", _distilbert, texts),
    *_both("transformers", "GPT-2", _gpt2, texts),
    *_both("transformers", "RoBERTa", _text("Roberta", intermediate_size=32, **SMALL), texts),
    *_both(
        "transformers", "XLNet", _text("XLNet", d_model=16, n_layer=2, n_head=2, d_inner=32), texts
    ),
    *_both(
        "transformers",
        "T5 encoder",
        _text("T5Encoder", d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2),
        texts,
    ),
    *_both("transformers", "Llama", _text("Llama", intermediate_size=32, **SMALL), texts),
    *_both("transformers", "ViT", _vit, images),
    *_both("transformers", "Swin", _swin, images),
    *_both("torchvision", "ResNet", _resnet, images),
    *_both("torchvision", "MobileNetV3", _mobilenet, images),
    *_both("torchvision", "EfficientNet", _efficientnet, images),
    *_both("torchvision", "DenseNet", _densenet, images),
    *_both("torchvision", "VisionTransformer", _vision_transformer, images),
    *_both("timm", "resnet10t", _timm("resnet10t", 64), images),
    *_both(
        "timm",
        "vit_tiny",
        _timm("vit_tiny_patch16_224", 12, img_size=SIDE, embed_dim=12, depth=2, num_heads=2),
        images,
    ),
    *_both("torch_geometric", "GCN", _geometric("GCNConv"), graphs, options=OPEN_GRAPH),
    *_both("torch_geometric", "GAT", _geometric("GATConv", heads=1), graphs, options=OPEN_GRAPH),
    *_both("torch_geometric", "SAGE", _geometric("SAGEConv"), graphs, options=OPEN_GRAPH),
    *_both("torch_geometric", "GIN", _geometric("GINConv"), graphs, options=OPEN_GRAPH),
    *_graphs("GCN, global_mean_pool", _pooled("GCNConv", lambda: _means)),
    *_graphs("TransformerConv, softmax, degree", _pooled("TransformerConv", Attention)),
    *_graphs("GATv2, to_dense_batch", _pooled("GATv2Conv", Dense)),
    *_graphs("ChebConv, GraphNorm, global_max_pool", _pooled("ChebConv", Normed, K=2)),
    *_graphs(
        "GraphConv, TopKPooling",
        _pooled("GraphConv", TopHalf),
        refused="HX111",
        reason="asks whether the data choose any node, and without one returns no rows",
    ),
    *_both("torch", "LSTM", lambda where: Recurrent(nn.LSTM, where), sequences),
    *_both(
        "torch",
        "GRU, both directions",
        lambda where: Recurrent(nn.GRU, where, bidirectional=True),
        sequences,
    ),
    *_both("torch", "TransformerEncoder", Attentive, sequences),
    *_both("torch", "Transformer", EncoderDecoder, lambda rows: sequences(rows) * 2),
    *_both("lightning", "LightningModule", _lightning, lambda rows: (torch.randn(rows, 4),)),
    *_both("lightning", "after Trainer.fit", _trained, lambda rows: (torch.randn(rows, 4),)),
)
