"""The graph of a file as a few blocks, so that a graph of hundreds of nodes fits on a page.

The classical nodes between two circuits are one block, or a block for each module where they are
many. Equal blocks side by side are one, and so are equal steps that follow each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import onnx

from hybridx.artifact.nodes import is_circuit_node, module_of
from hybridx.artifact.read import OnnxArtifact
from hybridx.artifact.segments import levels_of, reads
from hybridx.artifact.signature import Signature, signature_of
from hybridx.circuit import Circuit

_MOST_LINES: Final = 8  # nodes that a block lists; it counts more
_MOST_MODULES: Final = 8  # blocks that the nodes between two circuits come apart into
_MOST_BESIDE: Final = 3  # equal blocks beside each other
_LEAST_STEPS: Final = 3  # equal steps that are drawn as one
_LONGEST_STEP: Final = 6  # blocks of a step
_MOST_ROWS: Final = 16  # blocks below each other; those in the middle are one
_MOST_VALUES: Final = 4  # inputs, and outputs

Kind: TypeAlias = Literal["input", "output", "circuit", "classical"]


@dataclass(frozen=True)
class Block:
    """A part of a graph.

    Attributes:
        kind: what it is.
        title: the name of a value, a circuit or a module; may be empty.
        lines: what is in it.
    """

    kind: Kind
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Outline:
    """The blocks of a graph.

    Attributes:
        blocks: a block stands behind those that it takes values from.
        edges: pairs of places in `blocks`, the first gives values to the second.
    """

    blocks: tuple[Block, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass
class _Piece:
    """Nodes that are one block.

    Attributes:
        row: pieces of one row do not depend on each other, and depend on earlier rows alone.
        form: equal for pieces that look alike.
        block: how it is drawn.
        nodes: how many nodes it has.
        circuits: how many of them are circuits.
        notes: further lines.
    """

    row: tuple[int, ...]
    form: tuple[str, ...]
    block: Block
    nodes: int
    circuits: int = 0
    notes: list[str] = field(default_factory=list)


def outline_of(artifact: OnnxArtifact) -> Outline:
    """Return the graph of a file as blocks."""
    graph = artifact.model.graph
    # Equal weights of several modules are one in the file, under the name of the first.
    taken = Counter(name for node in graph.node for name in node.input)
    weights = {weight.name for weight in graph.initializer}
    once = {name for name in weights if taken[name] == 1}
    groups = _groups(graph, once)
    pieces = [
        _circuit(row, nodes[0], artifact.circuits)
        if is_circuit_node(nodes[0])
        else _classical(row, nodes, weights, once)
        for row, nodes in groups
    ]
    drawn = list(range(len(pieces)))  # the piece in which each is drawn
    _join_beside(pieces, drawn)
    _join_steps(pieces, drawn)
    _join_middle(pieces, drawn)
    kept = sorted({*drawn}, key=lambda index: (pieces[index].row, index))
    inputs = _values("input", [signature_of(value) for value in graph.input])
    outputs = _values("output", [signature_of(value) for value in graph.output])
    place = {piece: len(inputs) + at for at, piece in enumerate(kept)}
    maker = {value.name: min(at, len(inputs) - 1) for at, value in enumerate(graph.input) if inputs}
    for index, (_, nodes) in enumerate(groups):
        maker |= {name: place[drawn[index]] for node in nodes for name in node.output}
    edges = {
        (maker[name], place[drawn[index]])
        for index, (_, nodes) in enumerate(groups)
        for node in nodes
        for name in reads(node)
        if name in maker
    }
    after = len(inputs) + len(kept)
    for at, value in enumerate(graph.output):
        if value.name in maker:
            edges.add((maker[value.name], after + min(at, len(outputs) - 1)))
    blocks = [_with_notes(pieces[index]) for index in kept]
    return Outline(
        (*inputs, *blocks, *outputs), tuple(sorted(edge for edge in edges if edge[0] < edge[1]))
    )


def _groups(
    graph: onnx.GraphProto, once: AbstractSet[str]
) -> list[tuple[tuple[int, ...], list[onnx.NodeProto]]]:
    """Return the nodes that are one piece, with the row of the piece, in the order of rows."""
    rows = [
        (level, int(is_circuit_node(node)))
        for node, level in zip(graph.node, levels_of(graph), strict=True)
    ]
    modules = _modules(graph, once)
    finer = [(*row, 0) for row in rows]
    for group in _connected(graph, rows):
        for index, run in zip(group, _runs(graph, group, modules), strict=True):
            finer[index] = (*rows[index], run)
    groups = [
        (finer[group[0]], [graph.node[index] for index in group])
        for group in _connected(graph, finer)
    ]
    return sorted(groups, key=lambda one: one[0])


def _connected(graph: onnx.GraphProto, rows: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Return groups of nodes of one row that are connected by their values; circuits are alone."""
    made_by = {name: index for index, node in enumerate(graph.node) for name in node.output}
    group_of = list(range(len(graph.node)))

    def root(index: int) -> int:
        while group_of[index] != index:
            group_of[index] = group_of[group_of[index]]
            index = group_of[index]
        return index

    for index, node in enumerate(graph.node):
        for name in reads(node):
            other = made_by.get(name)
            if other is not None and rows[other] == rows[index] and not is_circuit_node(node):
                group_of[root(index)] = root(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(graph.node)):
        groups[root(index)].append(index)
    return [*groups.values()]


def _modules(graph: onnx.GraphProto, once: AbstractSet[str]) -> list[list[str]]:
    """Return the path of the module of each node.

    A node without weights belongs to the module of the node before it, as exporters write nodes in
    the order in which modules run; the first nodes belong to that of the first weights.
    """
    owns = [module_of(node, once) for node in graph.node]
    path = next(filter(None, owns), "").split(".")
    paths: list[list[str]] = []
    for own in owns:
        path = own.split(".") if own else path
        paths.append(path)
    return paths


def _runs(
    graph: onnx.GraphProto, group: Sequence[int], modules: Sequence[Sequence[str]]
) -> list[int]:
    """Return for each node of a group how often the module changes before it; 0 in a small group.

    Modules are told apart as deep as leaves few runs, where equal ones that follow each other count
    once. No run depends on a later one.
    """
    if len(group) > _MOST_LINES:
        for depth in range(max(len(modules[index]) for index in group), 0, -1):
            found = _counted_changes([modules[index][:depth] for index in group])
            forms: dict[int, Counter[str]] = defaultdict(Counter)
            for index, run in zip(group, found, strict=True):
                forms[run][graph.node[index].op_type] += 1
            if _counted_changes([*forms.values()])[-1] < _MOST_MODULES:
                return found
    return [0] * len(group)


def _counted_changes(values: Sequence[object]) -> list[int]:
    counts = [0]
    for before, after in pairwise(values):
        counts.append(counts[-1] + (before != after))
    return counts


def _circuit(row: tuple[int, ...], node: onnx.NodeProto, circuits: Mapping[str, Circuit]) -> _Piece:
    circuit = circuits[node.op_type]
    line = f"{circuit.wires} wires, {len(circuit.operations)} gates"
    return _Piece(row, (line,), Block("circuit", node.name or node.op_type, (line,)), 1, 1)


def _classical(
    row: tuple[int, ...],
    nodes: Sequence[onnx.NodeProto],
    weights: AbstractSet[str],
    once: AbstractSet[str],
) -> _Piece:
    counted = Counter(node.op_type for node in nodes)
    form = tuple(f"{name} {count}" for name, count in sorted(counted.items()))
    if len(nodes) <= _MOST_LINES:
        lines = tuple(f"{node.op_type} {module_of(node, weights)}".rstrip() for node in nodes)
        return _Piece(row, form, Block("classical", "", lines), len(nodes))
    modules = [*dict.fromkeys(filter(None, (module_of(node, once) for node in nodes)))]
    ops = [f"{name} ×{count}" for name, count in counted.most_common()]
    rest = [f"and {len(ops) - 3} operators more"] if len(ops) > 4 else ops[3:]
    lines = (f"{len(nodes)} nodes", *ops[:3], *rest)
    return _Piece(row, form, Block("classical", _common(modules), lines), len(nodes))


def _common(modules: Sequence[str]) -> str:
    """Return what the paths of modules begin with, or the first and the last of them."""
    if not modules:
        return ""
    parts = [path.split(".") for path in modules]
    shared = 0
    while all(len(path) > shared and path[shared] == parts[0][shared] for path in parts):
        shared += 1
    return ".".join(parts[0][:shared]) or f"{modules[0]} … {modules[-1]}"


def _with_notes(piece: _Piece) -> Block:
    return Block(piece.block.kind, piece.block.title, (*piece.block.lines, *piece.notes))


def _rows(pieces: Sequence[_Piece], drawn: Sequence[int]) -> list[list[int]]:
    """Return the pieces that are drawn, by rows; those of a row that look alike side by side."""
    rows: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index in sorted({*drawn}):
        rows[pieces[index].row].append(index)
    return [
        sorted(rows[row], key=lambda index: (pieces[index].form, index)) for row in sorted(rows)
    ]


def _join(pieces: Sequence[_Piece], drawn: list[int], first: int, others: Sequence[int]) -> None:
    """Draw others as the first."""
    gone = {*others}
    drawn[:] = [first if index in gone else index for index in drawn]
    for other in others:
        pieces[first].nodes += pieces[other].nodes
        pieces[first].circuits += pieces[other].circuits


def _join_beside(pieces: list[_Piece], drawn: list[int]) -> None:
    """Draw many equal pieces of a row as one, and what is left of a long row as another."""
    for row in _rows(pieces, drawn):
        alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for index in row:
            alike[pieces[index].form].append(index)
        for first, *others in alike.values():
            if len(others) >= _MOST_BESIDE:
                _name_range(pieces, first, others)
                pieces[first].notes.append(f"{len(others) + 1} of them, side by side")
                _join(pieces, drawn, first, others)
    for row in _rows(pieces, drawn):
        _, *rest = row[2 * _MOST_BESIDE - 1 :] or [0]
        if rest:
            first, *others = row[2 * _MOST_BESIDE - 1 :]
            _join(pieces, drawn, first, others)
            _call_more(pieces[first])


def _name_range(pieces: Sequence[_Piece], first: int, others: Sequence[int]) -> None:
    """Give a block the names of the first and the last of those that it stands for."""
    block, last = pieces[first].block, pieces[others[-1]].block
    lines = map(_range, block.lines, last.lines)
    pieces[first].block = Block(block.kind, _range(block.title, last.title), tuple(lines))


def _range(first: str, last: str) -> str:
    """Return a text for those from the first to the last, each of which may be a range itself."""
    if first == last:
        return first
    return f"{first.partition(' … ')[0]} … {last.rpartition(' … ')[2].rpartition(' ')[2]}"


def _join_steps(pieces: list[_Piece], drawn: list[int]) -> None:
    """Draw equal rows, or groups of rows, that follow each other as the first of them."""
    rows = _rows(pieces, drawn)
    forms = [tuple(pieces[index].form for index in row) for row in rows]
    at = 0
    while at < len(rows):
        length, times = _longest_repeat(forms[at:])
        if times >= _LEAST_STEPS:
            for offset in range(length):
                later = [rows[at + offset + turn * length] for turn in range(1, times)]
                for place, first in enumerate(rows[at + offset]):
                    others = [row[place] for row in later]
                    _name_range(pieces, first, others)
                    pieces[first].notes.append(f"{times} times, one after another")
                    _join(pieces, drawn, first, others)
            at += length * times
        else:
            at += 1


def _longest_repeat(forms: Sequence[object]) -> tuple[int, int]:
    """Return the length of what the forms begin with several times, and how often it is there."""
    found = []
    for length in range(1, min(_LONGEST_STEP, len(forms)) + 1):
        times = 1
        while [*forms[times * length : (times + 1) * length]] == [*forms[:length]]:
            times += 1
        found.append((length * (times - 1), -length, times))
    _, length, times = max(found)
    return -length, times


def _join_middle(pieces: list[_Piece], drawn: list[int]) -> None:
    """Draw the rows in the middle of a long graph as one."""
    rows = _rows(pieces, drawn)
    if len(rows) <= _MOST_ROWS:
        return
    half = _MOST_ROWS // 2
    first, *others = [index for row in rows[half : -half + 1] for index in row]
    _join(pieces, drawn, first, others)
    _call_more(pieces[first])


def _call_more(piece: _Piece) -> None:
    inside = [f"{piece.circuits:,} of them circuits"] if piece.circuits else []
    piece.block = Block("classical", "…", (f"{piece.nodes:,} nodes more", *inside))
    piece.notes.clear()


def _values(kind: Literal["input", "output"], values: Sequence[Signature]) -> list[Block]:
    """Return a block for each input or output, the last for all that are left."""
    blocks = [Block(kind, one.name, (f"{one.dtype.name} {one.axes}",)) for one in values]
    if len(blocks) > _MOST_VALUES:
        left = len(blocks) - _MOST_VALUES + 1
        blocks[_MOST_VALUES - 1 :] = [Block(kind, "…", (f"{left} {kind}s more",))]
    return blocks


def describe_outline(outline: Outline) -> Iterator[str]:
    """Yield the blocks as sentences, for those who do not see them."""
    for index, block in enumerate(outline.blocks):
        to = [outline.blocks[end] for start, end in outline.edges if start == index]
        names = ", ".join(one.title or one.lines[0] for one in to)
        inside = ", ".join(filter(None, (block.title, *block.lines)))
        yield f"{block.kind} {inside}{f', to {names}' if names else ''}."
