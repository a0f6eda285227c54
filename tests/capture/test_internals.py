"""Canaries for what is private in torch and PennyLane: each says which behaviour went."""

from __future__ import annotations

import contextlib
import inspect
import sys

import pennylane as qml
import pytest
import torch
from torch import fx, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from hybridx.capture import pennylane_internals, quiet, torch_internals

TREE = {"a": [1, (2, None)], "b": 3}
ADD = torch.ops.aten.add.Tensor


def traced(look):
    """Trace `x + 1` with tensors without numbers, and look at each while it is traced."""
    seen = []

    def function(x):
        seen.append(look(x + 1))
        return x + 1

    make_fx(function, tracing_mode="fake")(torch.zeros(2))
    return seen[0]


def test_a_tensor_of_the_trace_is_told_from_one_with_numbers():
    assert traced(torch_internals.is_fake)
    assert not torch_internals.is_fake(torch.zeros(2))


@pytest.mark.parametrize("look", [traced, lambda count: count(torch.zeros(2) + 1)])
def test_torch_counts_changes_in_place(look):
    def changed(x):
        before = torch_internals.version_of(x)
        x.add_(1)
        x[0] = 0
        return torch_internals.version_of(x) - before

    assert look(changed) == 2


def test_torch_does_not_count_in_inference_mode():
    with torch.inference_mode():
        assert torch_internals.version_of(torch.zeros(2)) is None


def test_the_tracer_leaves_the_submodules_of_a_failed_call():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.failing, self.last = Failing(), nn.Identity()

        def forward(self, x):
            with contextlib.suppress(ValueError), torch_internals.submodules_left():
                self.failing(x)
            return self.last(x) + 1

    torch.export.export(Model(), (torch.zeros(2),), strict=False)


def test_a_mode_sees_the_packing_of_sequences():
    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch_internals.packing():
                raise KeyError("seen")
            return func(*args, **(kwargs or {}))

    with Mode(), pytest.raises(KeyError, match="seen"):
        nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 1, 2), torch.tensor([3]))


class Answers(TorchFunctionMode):
    """Notes which functions of torch are called, and from which code."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.append((func, sys._getframe(1).f_code))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "layer", [nn.LSTM(2, 2), nn.GRU(2, 2), nn.RNN(2, 2), nn.RNN(2, 2, nonlinearity="relu")]
)
def test_a_mode_sees_what_recurrent_layers_do_with_packed_sequences(layer):
    packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 1, 2), torch.tensor([3]))
    expects, compares = torch_internals.checks_of_state()
    with Answers() as mode:
        nn.utils.rnn.pad_packed_sequence(layer(packed)[0])
    functions = [func for func, _ in mode.seen]
    assert torch_internals.padding() in functions
    assert any(func in torch_internals.packed_recurrences() for func in functions)
    if not isinstance(layer, nn.LSTM):
        assert (torch.Tensor.__int__, expects) in mode.seen
        assert (torch.Tensor.size, compares) in mode.seen


def test_torch_takes_bounds_of_a_number_of_the_data():
    class Counts(nn.Module):
        def forward(self, x, lengths):
            longest = lengths.max().item()
            torch_internals.assume_between(longest, 1, x.shape[0])
            return x.new_zeros(2 if longest <= x.shape[0] else 3)

    program = torch.export.export(Counts(), (torch.ones(4), torch.tensor([2])), strict=False)
    assert program.module()(torch.ones(4), torch.tensor([3])).shape == (2,)


def test_an_error_names_the_number_that_python_needs():
    class Counts(nn.Module):
        def forward(self, lengths):
            self.longest = lengths.max().item()
            return torch.zeros(int(self.longest) and 2)

    model = Counts()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - torch has a class of its own
        torch.export.export(model, (torch.tensor([2, 1]),), strict=False)
    assert torch_internals.asks_for(caught.value, [model.longest])
    assert not torch_internals.asks_for(caught.value, [])
    assert not torch_internals.asks_for(ValueError(), [model.longest])


@pytest.mark.parametrize("assertion", torch_internals.assertions())
def test_a_mode_sees_assertions_of_the_trace(assertion):
    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return func if func is assertion else func(*args, **(kwargs or {}))

    def look(x):
        with Mode():
            return assertion((x > 0).all(), "a text")

    assert traced(look) is assertion


@pytest.mark.parametrize("check", torch_internals.checks())
def test_torch_makes_checks_that_no_mode_sees(check):
    condition = torch.tensor([True, False]) if check is torch._check_tensor_all else False
    with pytest.raises(Exception, match="a text") as caught:
        check(condition, lambda: "a text")
    assert caught.traceback[-1].name == "_check_with"


def test_a_number_of_the_data_is_told_from_an_open_length():
    found = {}

    class Looks(nn.Module):
        def forward(self, x):
            number = x.max().item()
            found["number"] = torch_internals.depends_on_data(number)
            found["truth"] = torch_internals.depends_on_data(number > 2)
            found["length"] = torch_internals.depends_on_data(x.shape[0])
            found["plain"] = torch_internals.depends_on_data(3)
            return x

    shapes = ({0: torch.export.Dim("rows")},)
    torch.export.export(Looks(), (torch.arange(3),), dynamic_shapes=shapes, strict=False)
    assert found == {"number": True, "truth": True, "length": False, "plain": False}


def test_torch_keeps_the_numbers_of_small_constants():
    def look(x):
        made = torch.tensor(2.5)
        return torch_internals.constant_of(made), torch_internals.constant_of(x)

    kept, unknown = traced(look)
    assert kept is not None
    assert float(kept) == 2.5
    assert unknown is None


def test_a_tensor_of_the_trace_has_a_node():
    outside = torch.zeros(1)

    def look(x):
        tracer = torch_internals.current_tracer()
        return torch_internals.node_of(x, tracer), torch_internals.node_of(outside, tracer)

    node, nothing = traced(look)
    assert node.target is ADD
    assert nothing is None
    assert torch_internals.current_tracer() is None


def test_what_is_computed_untraced_has_numbers():
    def look(x):
        with torch_internals.untraced():
            return torch.ones(2).sum()

    assert float(traced(look)) == 2.0


def test_torch_has_a_numpy_of_its_own():
    numpy = torch_internals.tensor_numpy()
    assert numpy.sin(numpy.zeros(2)).tensor.tolist() == [0.0, 0.0]


def test_the_constructor_makes_float32():
    made = torch_internals.make_tensor(torch.Tensor, [1, 2])
    assert made.dtype == torch.float32
    assert type(made) is torch.Tensor


def test_nested_values_come_apart_and_together():
    leaves, structure = torch_internals.flatten(TREE)
    assert leaves == torch_internals.leaves_of(TREE) == [1, 2, None, 3]
    assert torch_internals.unflatten(leaves, structure) == TREE
    assert torch_internals.map_leaves(str, TREE) == {"a": ["1", ("2", "None")], "b": "3"}
    assert torch_internals.leaves_of(TREE, lambda leaf: isinstance(leaf, list)) == [
        [1, (2, None)],
        3,
    ]


def test_operators_tell_their_schema():
    assert torch_internals.is_operator(ADD)
    assert not torch_internals.is_operator(torch.add)
    assert torch_internals.overload_of(ADD) == "Tensor"
    assert torch_internals.argument_names(ADD) == ["self", "other", "alpha"]
    assert torch_internals.writes_into_arguments(torch.ops.aten.add_.Tensor)
    assert not torch_internals.writes_into_arguments(ADD)


class Partial(nn.Module):
    """A module that shows torch only a part of itself."""

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm1d(2)
        self.again = self.first
        self.graph = nn.Linear(2, 2)
        self.register_buffer("mask", torch.ones(2), persistent=False)
        self.shift = torch.zeros(2)

    def named_parameters(self):
        return iter([])

    modules = parameters = named_modules = state_dict = named_parameters


FIRST = {
    name: name for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
}


def test_a_model_is_walked_through_whatever_it_shows():
    model = Partial()
    assert [path for path, _ in torch_internals.modules_of(model)] == ["", "first", "graph"]
    assert [name for name, _ in torch_internals.parameters_of(model)] == [
        *("first.weight", "first.bias", "graph.weight", "graph.bias")
    ]
    statistics = ["first.running_mean", "first.running_var", "first.num_batches_tracked"]
    assert [name for name, _ in torch_internals.buffers_of(model)] == ["mask", *statistics]
    stored = [name for name, _ in torch_internals.buffers_of(model, persistent=True)]
    assert stored == statistics
    assert list(torch_internals.parts_of(model)) == ["first", "again", "graph"]
    parameters, buffers, modules = torch_internals.registered_in(model.graph)
    assert parameters["weight"] is model.graph.weight
    assert not buffers
    assert not modules
    assert torch_internals.dotted("graph", "weight") == "graph.weight"
    assert torch_internals.dotted("", "graph") == "graph"


def test_bare_modules_stand_for_a_model_under_names_that_graphs_leave_free():
    model, root = Partial(), nn.Module()
    pairs = torch_internals.module_of_weights(model, root)
    assert root.graph_.weight is model.graph.weight
    assert root.again is root.first
    assert root.first.running_mean is model.first.running_mean
    assert root.shift is model.shift
    assert "mask" not in root.state_dict()
    assert [names for _, _, names in pairs][:2] == [{"mask": "mask"}, FIRST]
    assert all(type(part) is nn.Module for part in root.modules())
    fx.GraphModule(root, fx.Graph())


def test_compiled_and_scripted_functions_are_told():
    def double(x):
        return x * 2

    assert torch_internals.compiled_from(torch.compile(double)) is double
    assert torch_internals.compiled_from(double) is None
    assert torch_internals.is_scripted(torch.jit.script(nn.ReLU()))
    assert torch_internals.is_scripted(torch.jit.trace(double, torch.ones(2)))
    assert not torch_internals.is_scripted(nn.ReLU())


def test_the_count_of_changes_can_be_set():
    tensor = torch.zeros(2)
    tensor.add_(1)
    torch_internals.set_version(tensor, 0)
    assert torch_internals.version_of(tensor) == 0


def test_tensors_without_numbers_are_told():
    assert torch_internals.has_numbers(torch.zeros(2))
    assert not torch_internals.has_numbers(torch.zeros(2, device="meta"))
    assert not torch_internals.has_numbers(nn.LazyLinear(2).weight)
    assert not torch_internals.has_numbers(torch.eye(2).to_sparse())


def test_a_fixed_axis_is_a_shape_error():
    def forward(self, x):
        return x + torch.zeros(3, 2)

    model = type("Model", (nn.Module,), {"forward": forward})()
    with pytest.raises(Exception, match="batch") as caught:
        torch.export.export(
            model, (torch.zeros(3, 2),), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
    assert torch_internals.is_shape_error(caught.value)
    assert not torch_internals.is_shape_error(ValueError("batch"))


def test_operators_are_noted_with_their_arguments():
    rows, table = torch.tensor([1, 0]), torch.ones(3, 2)
    noted = []
    with torch_internals.operators_noted(lambda func, args: noted.append((func, len(args)))):
        torch.nn.functional.embedding(rows, table)
        assert table[rows].shape == (2, 2)
    aten = torch.ops.aten
    assert noted[0] == (aten.embedding.default, 2)
    assert (aten.index.Tensor, 2) in noted


def test_a_length_that_must_be_a_number_is_told():
    class Lookup(nn.Module):
        def forward(self, x):
            return {2: x}.get(x.shape[0], x)

    shapes = ({0: torch.export.Dim("batch")},)
    with pytest.raises(TypeError) as caught:
        torch.export.export(Lookup(), (torch.zeros(3, 2),), dynamic_shapes=shapes, strict=False)
    assert torch_internals.needs_a_number(caught.value)
    assert not torch_internals.needs_a_number(TypeError("unhashable type: 'list'"))


def test_results_in_the_memory_of_an_argument_are_told():
    assert torch_internals.returns_argument(torch.ops.aten.add_.Tensor)
    assert torch_internals.returns_argument(torch.ops.aten.select.int)
    assert not torch_internals.returns_argument(ADD)
    assert not torch_internals.returns_argument(torch.add)


def test_a_decision_on_data_is_told_from_other_errors():
    def forward(self, x):
        return x if x.sum().item() > 0 else -x

    model = type("Model", (nn.Module,), {"forward": forward})()
    with pytest.raises(Exception, match="data-dependent") as caught:
        torch.export.export(model, (torch.zeros(3),), strict=False)
    causes, error = [], caught.value
    while error is not None:
        causes.append(error)
        error = error.__cause__
    assert any(map(torch_internals.is_data_branch, causes))
    assert not torch_internals.is_data_branch(ValueError())


def test_an_operator_without_a_rule_is_named_by_the_error():
    """`DataDependentOutputException`, `DynamicOutputShapeException` and their `func`."""

    class Model(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    def cause_of(function):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever torch.export raises
            torch.export.export(Model(function), (torch.rand(3, 3),))
        found = caught.value
        while found is not None and torch_internals.unruled_operator(found) is None:
            found = found.__cause__
        return found

    compared = cause_of(lambda x: x if torch.equal(x, x + 1) else -x)
    assert torch_internals.is_data_branch(compared)
    shaped = cause_of(lambda x: torch.linalg.lstsq(x, x)[0])
    assert torch_internals.unruled_operator(shaped) == "aten.linalg_lstsq.default"
    assert not torch_internals.is_data_branch(shaped)
    assert torch_internals.unruled_operator(ValueError()) is None


@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        (torch_internals.end_of_vmap, ["self", "level", "batch_size", "out_dim"]),
        (pennylane_internals.call_of_layer, ["self", "x"]),
        (
            pennylane_internals.preparation_of_state,
            ["state", "wires", "pad_with", "normalize", "validate_norm"],
        ),
    ],
)
def test_what_is_replaced_takes_the_same_arguments(place, arguments):
    owner, name = place()
    assert list(inspect.signature(getattr(owner, name)).parameters) == arguments


@pytest.mark.parametrize(
    "derive", [lambda point: point.sum().backward(), torch.func.grad(lambda y: y.sum())]
)
def test_derivatives_begin_there(derive, monkeypatch):
    def begin(*_, **__):
        raise ValueError("begun")

    owner, name = torch_internals.begin_of_backward()
    monkeypatch.setattr(owner, name, begin)
    point = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="begun"):
        derive(point)


def test_forward_mode_begins_where_a_dual_tensor_is_made():
    begun = []
    x = torch.ones(2)
    with torch_internals.forward_mode_noted(lambda: begun.append(1)):
        torch.func.grad(lambda y: y.sum())(x)
        assert not begun
        torch.func.jvp(torch.sin, (x,), (x,))
    assert begun


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: torch.autograd.grad(x.sum(), x),
        lambda x: x.sum().backward(),
        lambda x: x.register_hook(print),
    ],
)
def test_what_needs_a_gradient_says_so(ask):
    with pytest.raises(RuntimeError) as caught:
        ask(torch.ones(2))
    assert torch_internals.needs_gradients(caught.value)


def test_a_trace_below_autograd_has_derivatives_and_open_lengths():
    def slope(x, y):
        x = x.detach().requires_grad_()
        return (torch.autograd.grad((x * y).sin().sum(), x)[0],)

    given = torch_internals.fake_inputs([torch.ones(3, 2), torch.ones(3, 2)], [(0,), (0,)])
    names = [torch_internals.length_of(one, 0) for one in given]
    assert len({*names}) == 2
    traced = torch_internals.traced_below_autograd(slope, given, {})
    assert torch_internals.lengths_assumed(given[0]) == (f"Eq({names[0]}, {names[1]})",)
    x, y = torch.randn(5, 2), torch.randn(5, 2)
    torch.testing.assert_close(traced(x, y)[0], (x * y).cos() * y)


def test_a_tensor_in_a_transform_is_a_traced_one_or_not():
    (fake,) = torch_internals.fake_inputs([torch.ones(2)], [()])
    seen = []

    def noted(x):
        inner = torch_internals.innermost(x)
        seen.append((inner is x, torch_internals.is_fake(inner), torch_internals.is_fake(x)))
        return x.sum()

    torch.func.grad(noted)(torch.ones(2))
    torch_internals.traced_below_autograd(torch.func.grad(noted), [fake], {})
    assert seen == [(False, False, False), (False, True, True)]


def test_distributions_ask_whether_to_look(monkeypatch):
    owner, name = torch_internals.validation_of_distributions()
    monkeypatch.setattr(owner, name, False)
    torch.distributions.Normal(0.0, -1.0)
    monkeypatch.setattr(owner, name, True)
    with pytest.raises(ValueError, match="scale"):
        torch.distributions.Normal(0.0, -1.0)


def test_numpy_asks_a_tensor_of_the_trace_for_nothing_yet():
    owner, name = torch_internals.ufunc_of_fake_tensor()
    assert not hasattr(owner, name)


def test_queues_stand_in_one_list():
    owner, name = pennylane_internals.active_queues()
    assert getattr(owner, name) == []
    with qml.queuing.AnnotatedQueue() as queue:
        assert getattr(owner, name) == [queue]


def test_a_pause_is_a_generator_without_captured_names():
    function, name = pennylane_internals.pause_of_recording()
    code = getattr(function, name)
    assert code.co_varnames[: code.co_argcount] == ("cls",)
    assert code.co_freevars == ()
    assert inspect.isgeneratorfunction(function)
    assert pennylane_internals.paused.__code__.co_freevars == ()


def test_preparation_is_a_static_method():
    owner, name = pennylane_internals.preparation_of_state()
    assert isinstance(vars(owner)[name], staticmethod)
    found = qml.StatePrep([1.0, 1.0], wires=0, normalize=True).parameters[0]
    assert abs(found[0] - 0.5**0.5) < 1e-12


def test_a_trace_is_told_from_a_call():
    assert not torch_internals.is_traced()
    assert traced(lambda x: torch_internals.is_traced())
    seen = []
    torch.jit.trace(lambda x: seen.append(torch_internals.is_traced()) or x + 1, torch.zeros(2))
    assert seen[0]


def test_outside_of_a_trace_tensors_have_numbers():
    def numbers(x):
        with torch_internals.outside_transforms():
            like = torch_internals.example_like(x)
            return like.shape, (like[0] + 1).item(), torch_internals.is_traced()

    assert traced(numbers) == ((2,), 2.0, False)


def test_a_kernel_of_an_operator_can_differentiate():
    library = torch.library.Library("hybridx_canary", "DEF")
    library.define("slope(Tensor x) -> Tensor")

    def slope(x):
        with torch_internals.differentiable():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(x.sin().sum(), x)[0]

    library.impl("slope", slope, "CompositeExplicitAutograd")
    x = torch.ones(2)
    with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
        assert torch.equal(torch.ops.hybridx_canary.slope(x), x.cos())


def test_a_transform_is_told_from_a_call():
    seen = []
    torch.func.vmap(lambda x: seen.append(torch_internals.in_transform()) or x)(torch.zeros(2))
    assert [torch_internals.in_transform(), *seen] == [False, True]


def test_torch_stops_outer_tangents_in_a_jvp():
    @contextlib.contextmanager
    def as_it_is():
        yield

    def second(mode):
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(x):
                return x * x

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_forward(*inputs)

            @staticmethod
            def jvp(ctx, tangent):
                square = Square.apply(ctx.saved_tensors[0])
                with mode():
                    return square + square

        def pushed(f):
            return lambda x: torch.func.jvp(f, (x,), (torch.ones(()),))[1]

        return pushed(pushed(Square.apply))(torch.tensor(3.0))

    assert second(torch_internals.in_forward_mode) == 36
    assert second(as_it_is) == 0  # if this fails, nothing is needed any more


class Constant:
    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)


def test_torch_compile_does_not_follow_one_call():
    seen = []

    @torch_internals.as_one_call(Constant)
    def called(constant, x):
        seen.append(constant)  # dynamo would refuse to follow `Constant`
        return x + 1

    constant = Constant()
    compiled = torch.compile(lambda x: called(constant, x), backend="eager", fullgraph=True)
    assert torch.equal(compiled(torch.zeros(2)), torch.ones(2))
    assert all(one is constant for one in seen)


@pytest.mark.parametrize("module", [torch_internals, pennylane_internals])
def test_every_function_of_internals_has_a_canary(module):
    names = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    source = inspect.getsource(__import__(__name__, fromlist=["_"]))
    assert [n for n in names if f"{module.__name__.split('.')[-1]}.{n}" not in source] == []


def test_torch_export_keeps_some_composite_operators():
    """`_collect_all_valid_cia_ops`: the others are decomposed, whatever the table says"""
    aten = torch.ops.aten
    assert not torch_internals.is_composite(aten.linear.default)
    assert not torch_internals.is_composite(aten.mul.Tensor)
    assert torch_internals.is_composite(aten.reshape.default)
    program = torch.export.export(torch.nn.Flatten(), (torch.ones(3, 2, 2),), strict=False)
    with quiet():
        program = program.run_decompositions({})
    targets = {node.target for node in program.graph.nodes}
    assert aten.view.default in targets


def test_an_operation_is_traced_by_itself():
    """`make_fx` under the mode of fake tensors, in `traced_operation`"""
    program = torch.export.export(torch.nn.Flatten(), (torch.ones(3, 2, 2),), strict=False)
    (node,) = (n for n in program.graph.nodes if n.op == "call_function")
    inputs = list(node.all_input_nodes)
    values = [given.meta["val"] for given in inputs]
    traced = torch_internals.traced_operation(node, inputs, values, {})
    (view,) = (n for n in traced.graph.nodes if n.op == "call_function")
    assert view.target is torch.ops.aten.view.default
    assert view.meta["val"].fake_mode is values[0].fake_mode


def test_a_region_under_autocast_is_one_operator():
    """`torch.ops.higher_order.wrap_with_autocast`, in `is_autocast`"""

    class Region(nn.Module):
        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return x @ x

    program = torch.export.export(Region(), (torch.ones(2, 2),), strict=False)
    targets = [n.target for n in program.graph.nodes if n.op == "call_function"]
    assert any(map(torch_internals.is_autocast, targets))
    assert not torch_internals.is_autocast(torch.ops.aten.mm.default)


def test_an_operation_without_tensors_is_traced_like_the_others():
    """The mode of `like`, in `traced_operation`"""

    class Counted(nn.Module):
        def forward(self, x):
            return x + torch.arange(3)

    program = torch.export.export(Counted(), (torch.ones(3),), strict=False)
    (node,) = program.graph.find_nodes(op="call_function", target=torch.ops.aten.arange.default)
    like = program.graph.output_node().args[0][0].meta["val"]
    traced = torch_internals.traced_operation(node, [], [], {}, like)
    (made,) = (n for n in traced.graph.nodes if n.op == "call_function")
    assert made.meta["val"].fake_mode is like.fake_mode


def test_a_second_trace_keeps_the_origin_of_each_node():
    """`torch_fn` is in the metadata, and `tracer.graph` grows by what is traced, in `Retracing`"""

    class Two(nn.Module):
        def forward(self, x):
            return torch.sinh(x) + 1

    class Again(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, x):
            return torch_internals.Retracing(self.module).run(x)

    first = torch.export.export(Two(), (torch.ones(3),), strict=False)
    again = Again(first.module(check_guards=False))
    second = torch.export.export(again, (torch.ones(3),), strict=False)
    origins = [
        {
            n.name: torch_internals.origin_of(n)["torch_fn"]
            for n in program.graph.nodes
            if n.op == "call_function"
        }
        for program in (first, second)
    ]
    assert origins[0] == origins[1]


def test_a_write_into_a_fresh_tensor_is_no_write():
    """The schema of an operator says what it writes and what shares memory, in `without_writing`"""
    aten = torch.ops.aten
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    fresh = graph.call_function(aten.sin.default, (x,))
    view = graph.call_function(aten.t.default, (x,))
    used = graph.call_function(aten.cos.default, (x,))
    graph.call_function(aten.sin.default, (used,))
    writes = [
        graph.call_function(aten.transpose_.default, (one, 0, 1)) for one in (fresh, view, used, x)
    ]
    found = [torch_internals.without_writing(node) for node in writes]
    assert found == [aten.transpose.int, None, None, None]


def test_numbers_behind_transforms():
    """The mapped function sees rows of columns; a gradient goes through it."""
    seen = []

    def function(x):
        seen.append(torch_internals.untransformed(x))
        with torch_internals.outside_transforms():
            seen.append(torch.ones(2).sum())
        return x.sum()

    x = torch.arange(24.0).reshape(2, 3, 4)
    mapped = torch.vmap(torch.vmap(torch.func.grad(function), in_dims=1), in_dims=0)
    mapped(x)
    assert torch.equal(seen[0], x[0, :, 0])
    assert torch.equal(seen[1], torch.tensor(2.0))
    assert torch_internals.untransformed(x) is x


def test_a_view_tells_what_it_is_a_view_of():
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    with torch.no_grad():
        row = weight[0].unbind()[1]
    assert row.requires_grad  # although nothing is recorded: a weight cannot be told by this alone
    assert torch_internals.base_of(row) is weight
    assert torch_internals.base_of(weight) is weight


def test_a_function_is_applied_without_its_signature():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return 2 * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, cotangent):
            return 2 * cotangent

        @staticmethod
        def vmap(info, in_dims, x):
            return torch_internals.apply_function(Double, x), in_dims[0]

    def apply(x):
        return torch_internals.apply_function(Double, x)

    x = torch.ones(3, requires_grad=True)
    (slope,) = torch.autograd.grad(apply(x).sum(), x)
    assert torch.equal(slope, torch.full((3,), 2.0))
    assert torch.equal(torch.vmap(torch.func.grad(apply))(torch.ones(3)), slope)
