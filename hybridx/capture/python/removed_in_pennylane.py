"""Names and arguments that PennyLane has removed, which models for earlier releases use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from hybridx.errors import RemovedIdiomError

_DEVICES = ("autograd", "jax", "legacy", "tf", "torch")

# By the spelling in a model: the release that removed it, if PennyLane's changelogs say so, and
# what to write instead.
REMOVED: Mapping[str, tuple[str | None, str]] = MappingProxyType({
    **{f"default.qubit.{name}": ("0.39", '"default.qubit"') for name in _DEVICES},
    "default.tensor.tf": ("0.20", '"default.qubit"'),
    'diff_method="reversible"': ("0.20", 'diff_method="adjoint"'),
    # keyword arguments
    "AmplitudeEmbedding(pad=)": ("0.19", "pad_with="),
    "ControlledQubitUnitary(control_wires=)": ("0.42", "wires=, control wires first"),
    "DefaultQubit(analytic=)": ("0.15", "shots=None, or nothing: circuits are exact without"),
    "MultiControlledX(control_wires=)": ("0.41", "wires=, control wires first"),
    "QNode(expansion_strategy=)": ("0.39", "nothing in its place"),
    "QNode(h=)": ("0.42", "gradient_kwargs={'h': ...}"),
    "QNode(max_expansion=)": ("0.39", "nothing in its place"),
    "QNode(mode=)": ("0.33", "grad_on_execution="),
    "QNode(mutable=)": ("0.20", "nothing in its place"),
    "QNode(order=)": ("0.42", "gradient_kwargs={'order': ...}"),
    # attributes of operators, measurements and QNodes
    ".base_name": ("0.32", ".name"),
    ".expand": ("0.39", ".decomposition()"),
    ".get_parameter_shift": ("0.28", "the functions of qml.gradients"),
    ".gradient_fn": ("0.40", ".diff_method"),
    ".inv": ("0.29", "qml.adjoint(operator)"),
    ".inverse": ("0.29", "qml.adjoint(operator)"),
    ".obs": ("0.42", ".operands"),
    ".qtape": ("0.41", "qml.workflow.construct_tape(qnode)"),
    ".return_type": ("0.42", "isinstance with a class of qml.measurements"),
    ".tape": ("0.41", "qml.workflow.construct_tape(qnode)"),
    # names
    "qml.BasisStatePreparation": ("0.40", "qml.BasisState"),
    "qml.Device": ("0.40", "qml.devices.LegacyDevice"),
    "qml.DeviceError": ("0.43", "qml.exceptions.DeviceError"),
    "qml.ExpvalCost": ("0.35", "a QNode that returns qml.expval of the Hamiltonian"),
    "qml.QNodeCollection": ("0.31", "a list of QNodes"),
    "qml.QuantumFunctionError": ("0.43", "qml.exceptions.QuantumFunctionError"),
    "qml.QubitDevice": ("0.40", "qml.devices.QubitDevice"),
    "qml.QubitStateVector": ("0.40", "qml.StatePrep"),
    "qml.QueuingContext": ("0.28", "qml.QueuingManager"),
    "qml.VQECost": ("0.29", "a QNode that returns qml.expval of the Hamiltonian"),
    "qml.batch_transform": ("0.36", "qml.transform"),
    "qml.broadcast": ("0.40", "a loop over the wires"),
    "qml.collections": ("0.31", "a list of QNodes"),
    "qml.disable_return": ("0.33", "nothing: QNodes return what they are told"),
    "qml.disable_tape": (None, "nothing: every QNode builds a tape"),
    "qml.enable_return": ("0.33", "nothing: QNodes return what they are told"),
    "qml.enable_tape": (None, "nothing: every QNode builds a tape"),
    "qml.from_qasm_file": ("0.37", "qml.from_qasm with the file's text"),
    "qml.grouping": ("0.31", "qml.pauli"),
    "qml.init": (None, "the template's own shape(...) and random numbers of that shape"),
    "qml.interfaces": ("0.36", "qml.workflow"),
    "qml.inv": (None, "qml.adjoint"),
    "qml.load": ("0.37", "qml.from_qiskit or qml.from_qasm"),
    "qml.map": ("0.31", "a list of QNodes"),
    "qml.op_sum": ("0.31", "qml.sum"),
    "qml.op_transform": ("0.36", "qml.transform"),
    "qml.operation.AllWires": ("0.43", "num_wires = None"),
    "qml.operation.AnyWires": ("0.43", "num_wires = None"),
    "qml.operation.Observable": ("0.43", "qml.operation.Operator"),
    "qml.operation.Tensor": ("0.40", "qml.prod, or @ between the factors"),
    "qml.operation.WiresEnum": ("0.43", "num_wires = None"),
    "qml.operation.disable_new_opmath": ("0.40", "nothing in its place"),
    "qml.operation.enable_new_opmath": ("0.40", "nothing: it is how operators work"),
    "qml.ops.Hamiltonian": ("0.40", "qml.Hamiltonian"),
    "qml.pauli.simplify": ("0.40", "qml.simplify"),
    "qml.qfunc_transform": ("0.36", "qml.transform"),
    "qml.qinfo": ("0.40", "qml.math and the measurements of the same names"),
    "qml.qnn.KerasLayer": ("0.42", "qml.qnn.TorchLayer"),
    "qml.single_tape_transform": ("0.36", "qml.transform"),
    "qml.tape.get_active_tape": ("0.28", "qml.QueuingManager.active_context"),
    "qml.tape.stop_recording": ("0.28", "qml.QueuingManager.stop_recording"),
    "qml.template": ("0.20", "a plain function"),
    "qml.templates.DoubleExcitationUnitary": ("0.19", "qml.FermionicDoubleExcitation"),
    "qml.templates.SingleExcitationUnitary": ("0.19", "qml.FermionicSingleExcitation"),
    "qml.templates.broadcast": ("0.40", "a loop over the wires"),
    "qml.templates.template": ("0.20", "a plain function"),
    "qml.transforms.add_noise": ("0.44", "qml.noise.add_noise"),
    "qml.transforms.hamiltonian_expand": ("0.39", "qml.transforms.split_non_commuting"),
    "qml.transforms.insert": ("0.44", "qml.noise.insert"),
    "qml.transforms.measurement_grouping": ("0.29", "qml.transforms.split_non_commuting"),
    "qml.transforms.sum_expand": ("0.39", "qml.transforms.split_non_commuting"),
    "qml.utils": ("0.40", "the functions of qml.math and qml.pauli"),
})  # fmt: skip


def removed_idiom(error: BaseException) -> RemovedIdiomError | None:
    """Return the error that says what to write instead, if PennyLane removed what is missing."""
    for idiom in _missing(error):
        if idiom in REMOVED:
            release, instead = REMOVED[idiom]
            since = f"in release {release}" if release else "in an earlier release"
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return RemovedIdiomError(idiom, since, reason, instead)
    return None


# Error texts of Python and PennyLane, and the spelling in a model that each refers to.
_WORDS = (
    (r"module 'pennylane([\w.]*)' has no attribute '(\w+)'", r"qml\1.\2"),
    (r"cannot import name '(\w+)' from 'pennylane([\w.]*)'", r"qml\2.\1"),
    (r"No module named 'pennylane([\w.]*)'", r"qml\1"),
    (r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", r"\1(\2=)"),
    (r"Device ([\w.]+) does not exist", r"\1"),
    (r"Differentiation method (\w+) not recognized", r'diff_method="\1"'),
)


def _missing(error: BaseException) -> Iterator[str]:
    """Yield the spellings of what is missing according to an error."""
    text = str(error)
    for pattern, written in _WORDS:
        if found := re.match(pattern, text):
            yield found.expand(written)
    if isinstance(error, AttributeError):
        owner = type(error.obj)
        if owner.__module__.startswith("pennylane."):
            yield f".{error.name}"
