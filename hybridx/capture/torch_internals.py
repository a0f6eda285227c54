"""Access to private or undocumented parts of torch, one function each; checked with torch 2.13.

No other file of `capture` names anything private of torch. Each function has a test in
`tests/capture/test_internals.py`; its failure says what a new release of torch changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import CodeType
from typing import Any, TypeGuard

import torch
import torch._dynamo.exc
import torch._numpy
from torch import Tensor, fx, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._export.utils import _collect_all_valid_cia_ops
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch._functorch.utils import unwrap_dead_wrappers
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
    UnsupportedOperatorException,
)
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import (
    ProxyTorchDispatchMode,
    get_proxy_mode,
    get_proxy_slot,
    make_fx,
)
from torch.fx.experimental.symbolic_shapes import (
    DimDynamic,
    GuardOnDataDependentSymNode,
    ShapeEnv,
    StatelessSymbolicContext,
    has_free_unbacked_symbols,
    optimization_hint,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
)

# --- Tensors of a trace ------------------------------------------------------------------------


def is_fake(value: Any) -> TypeGuard[Tensor]:
    """Return whether a value is a traced tensor, which has a shape and no numbers."""
    return isinstance(innermost(value), FakeTensor)


def innermost(value: Any) -> Any:
    """Return the tensor in the wrappers that `torch.func` puts around it, with all mapped axes."""
    while isinstance(value, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(value):
        value = torch._C._functorch.get_unwrapped(value)
    return value


def constant_of(tensor: Tensor) -> Tensor | None:
    """Return the numbers that torch itself stores for a traced tensor, or None."""
    found: Tensor | None = getattr(innermost(tensor), "constant", None)
    return found


def depends_on_data(value: Any) -> bool:
    """Return whether a value is a number or a bool that the numbers in a traced tensor give."""
    is_symbol = isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool)
    return is_symbol and has_free_unbacked_symbols(value)


def current_tracer() -> Any:
    """Return the tracer that records operations in this thread, or None."""
    mode = get_proxy_mode()
    return None if mode is None else mode.tracer


def node_of(tensor: Tensor, tracer: Any) -> fx.Node | None:
    """Return the node of a tracer's graph that makes a tensor, or None."""
    slot: Any = get_proxy_slot(innermost(tensor), tracer, default=None)
    return slot.proxy.node if slot is not None else None


def origin_of(node: fx.Node) -> dict[str, Any]:
    """Return what the metadata of a node say of the user's code that it comes from."""
    return {key: node.meta[key] for key in ("stack_trace", "torch_fn") if key in node.meta}


class Retracing(fx.Interpreter):
    """Runs a traced graph; the nodes of the new trace come from where the old ones came from."""

    def run_node(self, n: fx.Node) -> Any:
        """Run a node, and give what it was traced to its origin."""
        tracer = current_tracer()
        if tracer is None:
            return super().run_node(n)
        last = next(iter(reversed(tracer.graph.nodes)))
        value = super().run_node(n)
        origin = origin_of(n)
        while (last := last.next).op != "root":
            last.meta.update(origin)
        return value


@contextmanager
def submodules_left() -> Iterator[None]:
    """After an error in the block, the tracer has left the submodules that the block entered.

    torch's tracer forgets to leave them, and fails when it leaves the next one.
    """
    stack: Any = getattr(current_tracer(), "module_stack", None)
    depth = len(stack or ())
    try:
        yield
    except BaseException:
        while len(stack or ()) > depth:
            stack.popitem(last=True)
        raise


def untraced() -> AbstractContextManager[Any]:
    """While active, operations of this thread are computed and not recorded."""
    context: AbstractContextManager[Any] = _disable_current_modes()
    return context


@contextmanager
def differentiable() -> Iterator[None]:
    """While active, torch keeps what it needs for gradients, also in the kernel of an operator."""
    key, keys = torch._C.DispatchKey, torch._C.DispatchKeySet
    include = keys(key.BackendSelect).add(key.ADInplaceOrView)
    autocasts = keys(key.AutocastCPU).add(key.AutocastCUDA)
    # A kernel runs with most keys excluded; outside, only autocasts that are off are.
    exclude = torch._C._dispatch_tls_local_exclude_set() & autocasts
    with torch.enable_grad(), torch._C._ForceDispatchKeyGuard(include, exclude):
        yield


def is_traced() -> bool:
    """Return whether operations of this thread become a graph, or have no numbers."""
    if torch._C._get_tracing_state() is not None:
        return True
    if not torch._C._len_torch_dispatch_stack():
        return False
    modes = _get_current_dispatch_mode_stack()
    return any(isinstance(mode, FakeTensorMode | ProxyTorchDispatchMode) for mode in modes)


def example_like(tensor: Tensor) -> Tensor:
    """Return a tensor with any numbers, and of the shape of another."""
    sizes = [optimization_hint(size, fallback=2) for size in tensor.shape]
    numbers = torch.cos(torch.arange(math.prod(sizes), dtype=torch.float64))
    return numbers.reshape(sizes).to(tensor.device, tensor.dtype)


def as_one_call(constants: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator: torch.compile calls a function while it traces and does not follow it.

    Args:
        constants: objects of this class may be arguments; they are equal to themselves only.
    """
    _pytree.register_constant(constants)
    return torch._dynamo.nonstrict_trace


def tensor_numpy() -> Any:
    """Return torch's own version of NumPy, whose arrays are tensors."""
    return torch._numpy


def make_tensor(cls: type, *args: Any, **kwargs: Any) -> Tensor:
    """Return what `torch.Tensor(...)` makes, a constructor of the C extension."""
    made: Tensor = torch._C.TensorBase.__new__(cls, *args, **kwargs)
    return made


def version_of(tensor: Tensor) -> int | None:
    """Return how often a tensor was changed in place; None where torch does not count."""
    try:
        version: int = tensor._version
    except RuntimeError:  # a tensor of inference mode
        return None
    return version


def base_of(tensor: Tensor) -> Tensor:
    """Return the tensor that a tensor is a view of, or the tensor itself."""
    base: Tensor | None = tensor._base
    return tensor if base is None else base


def apply_function(function: Any, *args: Any) -> Any:
    """Return what `apply` of a subclass of `torch.autograd.Function` returns.

    torch's own `apply` reads the signature of `forward` in each call, to fill in defaults; that
    takes longer than a small circuit. All arguments have to be given here.
    """
    if torch._C._are_functorch_transforms_active():
        return function.apply(*args)
    return super(torch.autograd.Function, function).apply(*unwrap_dead_wrappers(args))


# --- Nested values -----------------------------------------------------------------------------


def leaves_of(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """Return the leaves of nested lists, tuples and dicts, in a fixed order."""
    leaves: list[Any] = _pytree.tree_leaves(tree, is_leaf=is_leaf)
    return leaves


def map_leaves(
    function: Callable[[Any], Any], tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Return nested lists, tuples and dicts with `function` applied to their leaves."""
    return _pytree.tree_map(function, tree, is_leaf=is_leaf)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Any]:
    """Return the leaves and the structure of nested lists, tuples and dicts."""
    leaves, structure = _pytree.tree_flatten(tree, is_leaf=is_leaf)
    return leaves, structure


def unflatten(leaves: list[Any], structure: Any) -> Any:
    """Return nested values of a structure that `flatten` gave."""
    return _pytree.tree_unflatten(leaves, structure)


# --- Operators and graphs ----------------------------------------------------------------------


def is_operator(target: Any) -> TypeGuard[Any]:
    """Return whether the target of a node is an overload of one of torch's operators."""
    return isinstance(target, torch._ops.OpOverload)


def is_autocast(target: Any) -> bool:
    """Return whether the target of a node is the operator that runs a graph under autocast."""
    return bool(target is torch.ops.higher_order.wrap_with_autocast)


def overload_of(target: Any) -> str:
    """Return the name of an operator's overload, which is `default` if it has only one."""
    name: str = target._overloadname
    return name


def argument_names(target: Any) -> list[str]:
    """Return the names of an operator's arguments, in order."""
    return [argument.name for argument in target._schema.arguments]


def writes_into_arguments(target: Any) -> bool:
    """Return whether an operator changes a tensor that it is given."""
    return is_operator(target) and bool(target._schema.is_mutable)


def without_writing(node: fx.Node) -> Any:
    """Return the operator that computes a node without writing into its argument, or None.

    That is known of an argument that nothing else uses and that shares no memory: `stft`, for
    example, transposes its own result in place.
    """
    target: Any = node.target
    written = node.args[0]
    if (
        not isinstance(written, fx.Node)
        or len(written.users) > 1
        or not is_operator(written.target)
    ):
        return None
    if any(one.alias_info is not None for one in written.target._schema.returns):
        return None
    name = target.overloadpacket.__name__.removesuffix("_")
    packet = getattr(getattr(torch.ops, target.namespace), name, None)
    overloads = [getattr(packet, name) for name in packet.overloads()] if packet else []
    types = [str(one.type) for one in target._schema.arguments]
    return next(
        (
            one
            for one in overloads
            if not one._schema.is_mutable
            and [str(argument.type) for argument in one._schema.arguments] == types
        ),
        None,
    )


def is_composite(target: Any) -> bool:
    """Return whether torch.export itself replaces an operator by what it is made of."""
    return bool(target._can_decompose()) and target not in _kept_composites()


@cache
def _kept_composites() -> frozenset[Any]:
    return frozenset(_collect_all_valid_cia_ops())


def traced_operation(
    node: fx.Node,
    inputs: Sequence[fx.Node],
    values: Sequence[Any],
    table: Mapping[Any, Any],
    like: Tensor | None = None,
) -> fx.GraphModule:
    """Return one operation of a traced graph as a graph of what it is made of.

    Args:
        node: calls the operation.
        inputs: the nodes among its arguments.
        values: of these nodes, as the graph was traced.
        table: decompositions by operator.
        like: any tensor of that trace, for an operation without tensors among its arguments.
    """

    def run(*given: Any) -> Any:
        by_node = dict(zip(inputs, given, strict=True))
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), by_node.__getitem__)
        # A composite operator would be taken apart before make_fx looks into the table.
        found = own(*args, **kwargs) if own is not None else NotImplemented
        return node.target(*args, **kwargs) if found is NotImplemented else found  # type: ignore[operator]

    own = table.get(node.target)
    modes = (value.fake_mode for value in (*values, like) if isinstance(value, FakeTensor))
    mode = next(modes, None) or FakeTensorMode()
    with torch.no_grad(), mode, enable_python_dispatcher():
        traced = make_fx(run, decomposition_table=table, _allow_non_fake_inputs=True)(*values)
    assert isinstance(traced, fx.GraphModule)
    return traced


def fake_inputs(args: Sequence[Tensor], axes: Sequence[Collection[int]]) -> list[Tensor]:
    """Return inputs as tensors of a new trace, in which some axes of each have any length."""
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)

    def fake(place: int, arg: Tensor, opened: Collection[int]) -> Tensor:
        sizes = [DimDynamic.DYNAMIC if n in opened else DimDynamic.STATIC for n in range(arg.dim())]
        context: Any = StatelessSymbolicContext(dynamic_sizes=sizes)
        source = ConstantSource(f"arg{place}")
        return mode.from_tensor(arg, symbolic_context=context, source=source)

    return [fake(n, *one) for n, one in enumerate(zip(args, axes, strict=True))]


def traced_below_autograd(
    function: Callable[..., Any], args: Sequence[Tensor], table: Mapping[Any, Any]
) -> fx.GraphModule:
    """Return the graph of a function of tensors in which autograd's work is operations like others.

    Args:
        function: of traced tensors; returns tensors in a tuple.
        args: of `fake_inputs`.
        table: decompositions by operator.
    """
    first: Any = args[0]
    mode = first.fake_mode
    # The other kernels of attention have derivatives that are operators of their own.
    attention = sdpa_kernel(SDPBackend.MATH)
    with torch.enable_grad(), mode, enable_python_dispatcher(), attention:
        traced = make_fx(
            function,
            decomposition_table=table,
            record_stack_traces=True,
            _allow_non_fake_inputs=True,
            _error_on_data_dependent_ops=False,
        )(*args)
    assert isinstance(traced, fx.GraphModule)
    return traced


def length_of(tensor: Tensor, axis: int) -> str:
    """Return a length of a traced tensor as it stands in the expressions of `lengths_assumed`."""
    length: Any = tensor.shape[axis]  # of an open axis
    return str(length.node.expr)


def lengths_assumed(tensor: Tensor) -> tuple[str, ...]:
    """Return what the trace of a tensor has assumed of open lengths, each as an expression."""
    traced: Any = tensor
    return tuple(str(guard.expr) for guard in traced.fake_mode.shape_env.guards)


def returns_argument(target: Any) -> bool:
    """Return whether the result of an operator is its first argument, or a view of it."""
    if not is_operator(target):
        return False
    schema = target._schema
    if not schema.arguments or not schema.returns:
        return False
    first, result = schema.arguments[0].alias_info, schema.returns[0].alias_info
    return first is not None and result is not None and bool(first.before_set & result.before_set)


# --- Modules -----------------------------------------------------------------------------------
# A module of the user's may define `parameters()`, `modules()` or `state_dict()` anew, to train or
# to store only a part of itself. What it computes with is what these dictionaries hold.


def modules_of(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield each module in a model once, with its path; the model itself comes first."""
    seen: set[int] = set()
    pending = [("", model)]
    while pending:
        path, module = pending.pop()
        if id(module) not in seen:
            seen.add(id(module))
            yield path, module
            pending += reversed(
                [(dotted(path, name), part) for name, part in parts_of(module).items()]
            )


def parts_of(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules directly in a module, by name."""
    return {name: part for name, part in module._modules.items() if part is not None}


def parameters_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters of a model with their paths; a shared one comes under each name."""
    for path, module in modules_of(model):
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield dotted(path, name), parameter


def buffers_of(model: nn.Module, *, persistent: bool = False) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers of a model with their paths; with `persistent`, those that are stored."""
    for path, module in modules_of(model):
        transient = module._non_persistent_buffers_set if persistent else set()
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in transient:
                yield dotted(path, name), buffer


def dotted(path: str, name: str) -> str:
    """Return the path of something of this name in the module at a path."""
    return f"{path}.{name}" if path else name


def registered_in(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the dictionaries in which a module itself holds parameters, buffers and modules."""
    return module._parameters, module._buffers, module._modules


def module_of_weights(
    model: nn.Module, root: nn.Module
) -> list[tuple[nn.Module, nn.Module, dict[str, str]]]:
    """Give an empty module the weights of a model, in bare modules under the same paths.

    torch.export reads and replaces what the module given to it holds. It does neither to the
    model's own modules then.

    Returns:
        Each module of the model, the one that stands for it, and by the names of its tensors the
        names that they have there.
    """
    stands_for: dict[int, nn.Module] = {id(model): root}
    pairs = []
    for _, module in modules_of(model):
        stand_in = stands_for[id(module)]
        own = vars(module)
        names: dict[str, str] = {}
        taken = {*dir(stand_in), *(_NAMES_OF_GRAPHS if stand_in is root else ())}

        def free(name: str, taken: set[str] = taken) -> str:
            while name in taken:
                name += "_"
            taken.add(name)
            return name

        for name, tensor in module._parameters.items():
            stand_in._parameters[names.setdefault(name, free(name))] = tensor
        for name, buffer in module._buffers.items():
            stand_in._buffers[names.setdefault(name, free(name))] = buffer
        stand_in._non_persistent_buffers_set = {
            names[name] for name in module._non_persistent_buffers_set if name in names
        }
        for name, part in parts_of(module).items():
            part_stand_in = stands_for.setdefault(id(part), nn.Module())
            part_stand_in.training = part.training
            stand_in._modules[free(name)] = part_stand_in
        # torch.export names a constant after the attribute that holds it.
        for name, value in own.items():
            if isinstance(value, Tensor):
                vars(stand_in)[free(name)] = value
        pairs.append((module, stand_in, names))
    return pairs


# What a graph module itself has, and what torch.export adds to one.
_NAMES_OF_GRAPHS = frozenset({*dir(fx.GraphModule(nn.Module(), fx.Graph())), "_guards_fn"})


_WITHOUT_NUMBERS = (FakeTensor, UninitializedParameter, UninitializedBuffer)


def has_numbers(tensor: Tensor) -> bool:
    """Return whether a tensor stores its numbers in the usual way, so that they can be copied."""
    is_stored = tensor.layout is torch.strided and tensor.device.type != "meta"
    return is_stored and not isinstance(tensor, _WITHOUT_NUMBERS)


def set_version(tensor: Tensor, version: int) -> None:
    """Set how often a tensor was changed in place, as `version_of` tells it."""
    torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))


def compiled_from(function: Any) -> Any:
    """Return what `torch.compile` made a function of, or None if it did not make it."""
    return getattr(function, "_torchdynamo_orig_callable", None)


def is_scripted(value: Any) -> bool:
    """Return whether a value is a module or a function of TorchScript."""
    return isinstance(value, torch.jit.ScriptModule | torch.jit.ScriptFunction)


# --- Errors ------------------------------------------------------------------------------------


def is_shape_error(error: BaseException) -> bool:
    """Return whether torch.export says that an axis cannot be open as requested."""
    return isinstance(error, torch._dynamo.exc.UserError)


@contextmanager
def forward_mode_noted(begin: Callable[[], None]) -> Iterator[None]:
    """While active, call a function where a derivative by forward mode begins in this thread."""

    class Noting(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            if func is torch._VF._make_dual:
                begin()
            return func(*args, **(kwargs or {}))

    with Noting():
        yield


def needs_gradients(error: BaseException) -> bool:
    """Return whether an error says that a derivative is taken by what requires no gradient."""
    return (
        isinstance(error, RuntimeError) and re.search("n[o']t require grad", str(error)) is not None
    )


def packing() -> Any:
    """Return the operator that packs padded sequences; a mode sees it."""
    return torch._VF._pack_padded_sequence


def padding() -> Any:
    """Return the operator that makes padded sequences of packed ones; a mode sees it."""
    return torch._VF._pad_packed_sequence


def packed_recurrences() -> tuple[Any, ...]:
    """Return the operators of recurrent layers, which also take packed sequences."""
    return torch._VF.lstm, torch._VF.gru, torch._VF.rnn_tanh, torch._VF.rnn_relu


def checks_of_state() -> tuple[CodeType, CodeType]:
    """Return where a recurrent layer asks how long its state should be, and how long it is."""
    layer = nn.RNNBase
    return layer.get_expected_hidden_size.__code__, layer.check_hidden_size.__code__


def assume_between(number: Any, low: Any, high: Any) -> None:
    """Tell torch.export the bounds of a whole number that the data give."""
    torch._check(number >= low)
    torch._check(number <= high)


def assertions() -> tuple[Any, ...]:
    """Return the functions that raise unless a tensor is true; a mode sees them."""
    return torch._assert, torch._assert_async


def checks() -> tuple[Callable[..., Any], ...]:
    """Return the functions that raise unless a bool, a number or a tensor is true; no mode does."""
    names = ("", "_value", "_index", "_type", "_not_implemented", "_tensor_all")
    return tuple(getattr(torch, f"_check{name}") for name in names)


@contextmanager
def operators_noted(note: Callable[[Any, Sequence[Any]], None]) -> Iterator[None]:
    """While active, hand each operator that torch calls in this thread, and its arguments, to note.

    Unlike functions of torch, operators are the same however a model calls them.
    """

    class Noting(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            note(func, args)
            return func(*args, **(kwargs or {}))

    with Noting():  # type: ignore[no-untyped-call]
        yield


def needs_a_number(error: BaseException) -> bool:
    """Return whether an error says that Python needs the length of an open axis as a number."""
    return isinstance(error, TypeError) and "SymInt" in str(error)


def is_data_branch(error: BaseException) -> bool:
    """Return whether an error says that a decision depends on the numbers in a tensor."""
    if isinstance(error, DataDependentOutputException):
        return [str(one.type) for one in error.func._schema.returns] == ["bool"]
    return isinstance(error, GuardOnDataDependentSymNode)


def asks_for(error: BaseException, numbers: Sequence[Any]) -> bool:
    """Return whether an error says that Python needs one of these numbers of the data."""
    if not isinstance(error, GuardOnDataDependentSymNode):
        return False
    symbols = {number.node.expr for number in numbers}
    return not symbols.isdisjoint(error.cond.free_symbols)


def unruled_operator(error: BaseException) -> str | None:
    """Return the operator of which a trace cannot know what it returns, or None."""
    if isinstance(
        error,
        DataDependentOutputException | DynamicOutputShapeException | UnsupportedOperatorException,
    ):
        return str(error.func)
    return None


# --- Transforms of functions --------------------------------------------------------------------


def untransformed(tensor: Tensor) -> Tensor:
    """Return the numbers of a tensor that `torch.func` or `torch.vmap` wraps.

    Of a mapped axis it is the first entry: the tensor that the mapped function sees.
    """
    mapped = []
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        if torch._C._functorch.is_batchedtensor(tensor):
            mapped.append(torch._C._functorch.maybe_get_bdim(tensor))
        tensor = torch._C._functorch.get_unwrapped(tensor)
    for axis in reversed(mapped):
        tensor = tensor.select(axis, 0)
    return tensor


@contextmanager
def outside_transforms() -> Iterator[None]:
    """While active, operators run as outside of every trace, transform, autocast and mode."""
    with (
        _disable_current_modes(),
        temporarily_clear_interpreter_stack(),
        torch._guards.tracing(None),  # a trace of torch.compile has its own tensors and shapes
        torch.inference_mode(False),
        forward_ad._set_fwd_grad_enabled(False),
        torch.autocast("cpu", enabled=False),
    ):
        yield


def in_transform() -> bool:
    """Return whether operators are followed by `torch.func`, `torch.vmap` or forward mode."""
    return bool(torch._C._are_functorch_transforms_active()) or forward_ad._current_level >= 0


def in_forward_mode() -> AbstractContextManager[Any]:
    """While active, operators follow the tangents of outer transforms.

    torch turns that off in the `jvp` of a function, also for outer ones: they would be zero.
    """
    context: AbstractContextManager[Any] = forward_ad._set_fwd_grad_enabled(True)
    return context


# --- What is replaced while a model is traced: the object and the name of its attribute ---------


def end_of_vmap() -> tuple[Any, str]:
    """The function in which `torch.vmap` moves the mapped axis of a result to `out_dims`."""
    return torch._functorch.vmap, "_remove_batch_dim"


def begin_of_backward() -> tuple[Any, str]:
    """The function in which `backward`, `torch.autograd.grad` and `torch.func` gradients begin."""
    return torch.autograd, "_engine_run_backward"


def ufunc_of_fake_tensor() -> tuple[Any, str]:
    """The attribute by which a traced tensor can compute a NumPy ufunc; torch defines none."""
    return FakeTensor, "__array_ufunc__"


def validation_of_distributions() -> tuple[Any, str]:
    """The default of whether `torch.distributions` checks the values of its parameters."""
    return torch.distributions.Distribution, "_validate_args"
