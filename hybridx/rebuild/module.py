"""A file as a torch module: its graph as torch operators, its circuits as layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from hybridx.artifact import OnnxArtifact, Signature, is_circuit_node
from hybridx.circuit import Circuit, Parameter, angles_of
from hybridx.errors import (
    InputDtypeError,
    InputNamesError,
    InputShapeError,
    NoTorchOperatorError,
)
from hybridx.rebuild import arithmetic, layers, movement
from hybridx.rebuild.circuits import QNodeLayer, compiled_layer
from hybridx.rebuild.known import KNOWN
from hybridx.rebuild.values import (
    Node,
    Unrestorable,
    Value,
    is_known,
    is_length,
    known,
    read_attribute,
    tensor,
)
from hybridx.rebuild.weights import Tree, weight_names

OPERATORS = {**arithmetic.OPERATORS, **movement.OPERATORS, **layers.OPERATORS}


@dataclass(frozen=True)
class RestoredCircuit:
    """What became of the numbers of one circuit.

    Attributes:
        name: of its function in the file.
        wires: how many.
        trained: how many angles of its gates are parameters of the layer.
        folded: how many numbers stay as they are: angles in a compiled circuit, and entries of
            matrices, states and channels.
    """

    name: str
    wires: int
    trained: int
    folded: int


@dataclass(frozen=True)
class Restoration:
    """Which numbers of a file are parameters of its module, and which are not.

    Attributes:
        parameters: names in `named_parameters()` of the weights of classical layers.
        constants: names in `named_buffers()` of what is no weight of a layer.
        circuits: the quantum layers.
    """

    parameters: tuple[str, ...]
    constants: tuple[str, ...]
    circuits: tuple[RestoredCircuit, ...]

    def __str__(self) -> str:
        """Return all of it as text, a line for each kind."""
        lines = [f"parameters: {', '.join(self.parameters) or 'none'}"]
        lines += [f"constants: {', '.join(self.constants) or 'none'}"]
        for one in self.circuits:
            lines.append(
                f"{one.name}: {one.wires} wires, {one.trained} angles are parameters, "
                f"{one.folded} numbers are folded"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class _Step:
    """A node that runs: on what, and which values nobody reads after it."""

    node: Node
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    done: tuple[str, ...]
    is_circuit: bool


class RestoredModule(nn.Module):
    """A file as a torch module, which computes the same and can be trained.

    It takes the inputs of the file in order or by name. It returns the tensor of its only output,
    or a dict of the outputs by name. Floating-point inputs are converted to the dtype of the file.

    Attributes:
        input_names: of the file, in order.
        output_names: of the file, in order.
        report: which numbers are parameters, and which are folded.
        weights: the constants of the graph, under the names that they have in the file.
        circuits: the quantum layers by the name of their function.
    """

    def __init__(
        self, artifact: OnnxArtifact, circuits: Literal["qnode", "compiled"], machine: str
    ) -> None:
        """Build the module; arguments as those of `hybridx.to_torch`.

        Raises:
            NoTorchOperatorError: an operator of the graph has no counterpart here, or a derivative
                of a circuit is asked for as a QNode.
            CircuitTooLargeError: a circuit cannot be compiled.
        """
        super().__init__()
        graph = artifact.model.graph
        self._path = artifact.path
        self._signatures = artifact.inputs
        self.input_names = tuple(one.name for one in artifact.inputs)
        self.output_names = artifact.outputs
        self.weights = Tree()
        self._where: dict[str, tuple[nn.Module, str]] = {}
        self._known: dict[str, Value] = {}
        self._steps = _steps(graph.node, self.output_names, self._path)
        trained = weight_names(
            graph.node, [one.name for one in graph.initializer if _is_floating(one)]
        )
        for constant in graph.initializer:
            self._add_constant(constant.name, np.array(numpy_helper.to_array(constant)), trained)
        for node in graph.node:
            if node.op_type == "Constant":
                self._add_constant(node.output[0], _constant(node), trained)
        self.circuits = nn.ModuleDict()
        made = QNodeLayer if circuits == "qnode" else partial(compiled_layer, machine=machine)
        dtype = _dtype(artifact.model)
        for name, circuit in artifact.circuits.items():
            if circuit.derivative and circuits == "qnode":
                reason = (
                    "its angles cannot be trained with those of the circuit: take compiled ones"
                )
                raise NoTorchOperatorError(self._path, f"{name}, a derivative", reason)
            self.circuits[name] = made(circuit, dtype)
        self.report = self._reported(artifact.circuits)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor | dict[str, Tensor]:
        """Run the graph.

        Raises:
            InputNamesError: the inputs are not those of the file.
            InputShapeError: an input has a shape that the file does not take.
            InputDtypeError: an input has a dtype that does not convert.
        """
        values: dict[str, Value] = {**self._known, **self._given(inputs, named)}
        for name, (owner, attribute) in self._where.items():
            values[name] = getattr(owner, attribute)
        for step in self._steps:
            read = [values[name] if name else None for name in step.inputs]
            results = self._run(step, read)
            values.update(zip(step.outputs, results, strict=False))
            for name in step.done:
                del values[name]
        outputs = {name: tensor(values[name]) for name in self.output_names}
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def extra_repr(self) -> str:
        """Return the inputs and outputs, for the text of the module."""
        return f"{', '.join(self.input_names)} -> {', '.join(self.output_names)}"

    def _run(self, step: _Step, read: Sequence[Any]) -> Sequence[Any]:
        if step.is_circuit:
            return (self.circuits[step.operator](read[0]),)
        given = [value for value in read if value is not None]
        if given and step.operator in KNOWN and all(is_known(value) for value in given):
            return (KNOWN[step.operator](step.node, read),)
        try:
            result = OPERATORS[step.operator](step.node, read)
        except Unrestorable as error:
            raise NoTorchOperatorError(self._path, step.operator, str(error)) from None
        return result if isinstance(result, tuple) else (result,)

    def _add_constant(self, name: str, array: Any, trained: frozenset[str]) -> None:
        if is_length(array):
            self._known[name] = known(array.tolist())
            return
        owner, attribute = self.weights.place(name)
        content = torch.from_numpy(array)
        if name in trained:
            owner.register_parameter(attribute, nn.Parameter(content))
        else:
            owner.register_buffer(attribute, content)
        self._where[name] = owner, attribute

    def _given(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Tensor]:
        by_place = dict(zip(self.input_names, inputs, strict=False))
        given = {**by_place, **named}
        is_right = len(inputs) <= len(self.input_names) and not by_place.keys() & named.keys()
        if not is_right or given.keys() != set(self.input_names):
            found = [*map(str, named), *(f"{len(inputs)} by position" for _ in inputs[:1])]
            raise InputNamesError(", ".join(found) or "none", ", ".join(self.input_names))
        return {one.name: _fitted(given[one.name], one) for one in self._signatures}

    def _reported(self, circuits: Mapping[str, Circuit]) -> Restoration:
        within = "circuits."
        names = [name for name, _ in self.named_parameters() if not name.startswith(within)]
        buffers = [name for name, _ in self.named_buffers() if not name.startswith(within)]
        return Restoration(
            tuple(names),
            tuple(buffers),
            tuple(self._reported_circuit(name, one) for name, one in circuits.items()),
        )

    def _reported_circuit(self, name: str, circuit: Circuit) -> RestoredCircuit:
        numbers = sum(
            not isinstance(one, Parameter)
            for operation in circuit.operations
            for one in angles_of(operation)
        )
        layer = self.circuits[name]
        angles = layer.angles if isinstance(layer, QNodeLayer) else None
        trained = 0 if angles is None else len(angles)
        return RestoredCircuit(name, circuit.wires, trained, numbers - trained)


def _steps(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], path: str) -> list[_Step]:
    """Return the nodes that run.

    Raises:
        NoTorchOperatorError: there is no torch operator for one.
    """
    last: dict[str, int] = {}
    for place, node in enumerate(nodes):
        last |= dict.fromkeys(filter(None, (*node.input, *node.output)), place)
    steps = []
    for place, node in enumerate(nodes):
        if node.op_type == "Constant":
            continue
        is_circuit = is_circuit_node(node)
        if not is_circuit and (node.domain or node.op_type not in OPERATORS):
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise NoTorchOperatorError(path, operator, "it is not among those that are translated")
        read = dict.fromkeys(filter(None, (*node.input, *node.output)))
        steps.append(
            _Step(
                Node({one.name: read_attribute(one) for one in node.attribute}, len(node.output))
                if not is_circuit
                else Node({}, 1),
                node.op_type,
                tuple(node.input),
                tuple(node.output),
                tuple(one for one in read if last[one] == place and one not in outputs),
                is_circuit,
            )
        )
    return steps


def _constant(node: onnx.NodeProto) -> Any:
    """Return the array of a Constant node."""
    (value,) = (read_attribute(one) for one in node.attribute)
    if isinstance(value, np.ndarray):
        return value
    is_whole = any(one.name in ("value_int", "value_ints") for one in node.attribute)
    return np.array(value, dtype=np.int64 if is_whole else np.float32)


def _is_floating(constant: onnx.TensorProto) -> bool:
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16)
    return constant.data_type in kinds


def _dtype(model: onnx.ModelProto) -> torch.dtype:
    """Return the dtype of a file: float64 where a floating-point value is that."""
    graph = model.graph
    kinds = {one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)}
    kinds |= {one.data_type for one in graph.initializer}
    is_wide = onnx.TensorProto.DOUBLE in kinds and onnx.TensorProto.FLOAT not in kinds
    return torch.float64 if is_wide else torch.float32


def _fitted(given: Any, signature: Signature) -> Tensor:
    """Return an input in the dtype of the file, or refuse it."""
    try:
        array = given if isinstance(given, Tensor) else torch.as_tensor(np.asarray(given))
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(given).__name__
        raise InputDtypeError(signature.name, kind, str(signature.dtype)) from error
    if array.is_complex() and signature.shape[-1:] == (2,):
        array = torch.view_as_real(array)
    if not signature.fits(array.shape):
        raise InputShapeError(signature.name, str(tuple(array.shape)), signature.axes)
    dtype = torch.from_numpy(np.zeros(0, signature.dtype)).dtype
    if array.dtype == dtype:
        return array
    converts = dtype.is_floating_point and not array.is_complex()
    is_whole = not (array.is_floating_point() or array.is_complex())
    if not (converts or (is_whole and dtype != torch.bool)):
        raise InputDtypeError(
            signature.name, str(array.dtype).removeprefix("torch."), str(signature.dtype)
        )
    return array.to(dtype)
