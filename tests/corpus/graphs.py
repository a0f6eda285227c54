"""Graphs and other models whose inputs have lengths of their own."""

import torch
from torch import nn
from torch.nn.functional import leaky_relu

from tests.corpus.arguments import layer
from tests.corpus.case import Case, integers, normal

EDGES = torch.tensor([[0, 1, 1, 3, 2, 4, 0], [1, 0, 2, 1, 1, 3, 4]])
GRAPHS = torch.tensor([0, 0, 0, 1, 1])


class Convolution(nn.Module):
    """A graph convolution with loops added and both degrees divided out, then the circuit."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(3, 2)
        self.layer = layer()

    def forward(self, x, edge_index):
        loops = torch.arange(x.size(0))
        source, target = torch.cat([edge_index, torch.stack([loops, loops])], 1)
        degree = torch.zeros(len(x)).scatter_add_(0, target, torch.ones(source.shape[0]))
        scale = degree.rsqrt()
        message = self.weights(x)[source] * (scale[source] * scale[target]).unsqueeze(1)
        return self.layer(torch.zeros(len(x), 2).index_add_(0, target, message))


class GraphAttention(nn.Module):
    """Attention of nodes over their edges, with a softmax over the edges of each node."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(3, 2)
        self.of_source, self.of_target = nn.Linear(2, 1), nn.Linear(2, 1)
        self.layer = layer()

    def forward(self, x, edge_index):
        source, target = edge_index
        h = self.weights(x)
        score = leaky_relu(self.of_source(h)[source] + self.of_target(h)[target], 0.2)[:, 0]
        largest = torch.full((len(x),), -1e9).scatter_reduce(0, target, score, "amax")
        share = torch.exp(score - largest[target])
        share = share / torch.zeros(len(x)).index_add(0, target, share)[target]
        return self.layer(torch.zeros_like(h).index_add(0, target, share[:, None] * h[source]))


class PooledGraphs(nn.Module):
    """Several graphs in one: weights of edges, and a mean over the nodes of each graph."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(3, 2)
        self.layer = layer()

    def forward(self, x, edge_index, edge_weight, batch):
        h = self.weights(x)
        h = h.index_add(0, edge_index[1], h[edge_index[0]] * edge_weight[:, None])
        graphs = int(batch.max()) + 1
        total = torch.zeros(graphs, 2).index_add(0, batch, h)
        return self.layer(total / torch.bincount(batch, minlength=graphs).clamp(min=1)[:, None])


class LargestNodes(nn.Module):
    """The better half of the nodes is kept, as in top-k pooling."""

    def __init__(self):
        super().__init__()
        self.score = nn.Parameter(torch.tensor([0.5, -1.0, 0.7]))
        self.weights = nn.Linear(3, 2)
        self.layer = layer()

    def forward(self, x, edge_index):
        x = x.index_add(0, edge_index[1], x[edge_index[0]])
        kept, places = torch.topk(torch.tanh(x @ self.score), int(0.5 * x.size(0)) + 1)
        return self.layer(self.weights(x[places] * kept[:, None]).mean(0, keepdim=True))


class Ratings(nn.Module):
    """Users and items, each as many as there are, with a list of who rated what."""

    def __init__(self):
        super().__init__()
        self.of_users, self.of_items = nn.Linear(3, 2), nn.Linear(2, 2)
        self.layer = layer()

    def forward(self, users, items, pairs):
        given = self.of_users(users)[pairs[:, 0]]
        total = torch.zeros(len(items), 2).index_add(0, pairs[:, 1], given)
        return self.layer(torch.tanh(total + self.of_items(items)))


class AdjacencyMatrix(nn.Module):
    """The graph is a square of zeros and ones."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(3, 2)
        self.layer = layer()

    def forward(self, x, adjacency):
        return self.layer(torch.relu(adjacency @ self.weights(x)))


class Retrieval(nn.Module):
    """Attention of queries over a memory of any size that all of them share."""

    def __init__(self):
        super().__init__()
        self.keys, self.values = nn.Linear(3, 3), nn.Linear(3, 2)
        self.layer = layer()

    def forward(self, query, memory):
        share = torch.softmax(query @ self.keys(memory).T, -1)
        return self.layer(share @ self.values(memory))


class ProjectedMemory(nn.Module):
    """An LSTM both ways whose states are projected to fewer numbers."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4, proj_size=1, bidirectional=True, batch_first=True)
        self.layer = layer()

    def forward(self, x):
        return self.layer(self.rnn(x)[0][:, -1])


NODES = (normal(5, 3), EDGES)
USERS = (normal(4, 3), normal(5, 2), torch.stack([integers(4, 9), integers(5, 9)], 1))

CASES = (
    Case("graph_convolution", "graphs", Convolution, NODES, batch="own"),
    Case("graph_attention", "graphs", GraphAttention, NODES, batch="own"),
    Case("pooled_graphs", "graphs", PooledGraphs, (*NODES, normal(7), GRAPHS), batch="own"),
    Case("largest_nodes", "graphs", LargestNodes, NODES, batch="own"),
    Case("ratings", "graphs", Ratings, USERS, batch="own"),
    Case(
        "adjacency_matrix",
        "graphs",
        AdjacencyMatrix,
        (normal(5, 3), (normal(5, 5) > 0).float()),
        batch="own",
    ),
    Case("retrieval", "graphs", Retrieval, (normal(4, 3), normal(6, 3)), batch="own"),
    Case("projected_memory", "sequences", ProjectedMemory, (normal(2, 4, 3),)),
)
