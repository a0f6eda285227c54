"""What people hand over as the model, and as its arguments."""

from __future__ import annotations

import collections
import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor, nn

import hybridx
from hybridx.capture.model.devices import _OnCpu
from hybridx.capture.model.forward_call import describe_call, read_arguments
from hybridx.capture.model.given import FunctionModule, is_function_of_tensors, read_model
from hybridx.errors import (
    ArgumentsByNameError,
    ArgumentsDoNotFitError,
    NoNumbersError,
    NotAModelError,
    UnorderedOutputError,
)
from tests import sample_models
from tests.sampling import some

X = torch.linspace(-1, 1, 6).reshape(2, 3)
LAYER = sample_models.strongly_entangling()


@qml.qnode(qml.device("default.qubit", wires=2))
def circuit(x, scale=1.0):
    qml.AngleEmbedding(x * scale, wires=range(2))
    return qml.probs(wires=range(2))


def predict(x):
    return LAYER(torch.tanh(x))


def outer(x):
    return predict(x) * 2


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = sample_models.strongly_entangling()

    def forward(self, x):
        return self.layer(x)

    def half(self, x):
        return self.layer(x / 2)


def exported(tmp_path, model, args, **options):
    path = tmp_path / "model.onnx"
    return hybridx.export(model, args, path, overwrite=True, **options), hybridx.load(path)


class TestModels:
    def test_a_module_stays_as_it_is(self):
        model = Wrapped()
        assert read_model(model) == (model, ())

    def test_shells_come_off_with_a_note(self):
        model = Wrapped()
        shells = [
            torch.compile(model),
            nn.DataParallel(model),
            torch.compile(nn.DataParallel(model)),
        ]
        for shell in shells:
            inside, notes = read_model(shell)
            assert inside is model
            assert notes
        inside, _ = read_model(torch.optim.swa_utils.AveragedModel(model))
        assert isinstance(inside, Wrapped)

    def test_a_class_of_the_users_with_such_a_name_is_no_shell(self):
        class DataParallel(nn.Module):
            def __init__(self):
                super().__init__()
                self.module = nn.Linear(2, 2)

        model = DataParallel()
        assert read_model(model)[0] is model

    @pytest.mark.parametrize(
        "function",
        [circuit, predict, outer, functools.partial(predict), Wrapped().half, lambda x: LAYER(x)],
    )
    def test_functions_become_modules_with_the_modules_they_use(self, function):
        model, notes = read_model(function)
        assert isinstance(model, FunctionModule)
        assert "is exported as the forward of a module" in notes[-1]
        x = X[:, :2] if function is circuit else X
        torch.testing.assert_close(model(x), function(x))
        assert (function is circuit) == (not list(model.children()))

    @pytest.mark.parametrize(
        ("given", "found", "advice"),
        [
            (Wrapped, "the class Wrapped", "Wrapped("),
            (Wrapped().state_dict(), "a state_dict", "load_state_dict"),
            ("model.pt", "the path 'model.pt'", "--checkpoint"),
            (Path("model.pt"), "the path 'model.pt'", "--checkpoint"),
            ([nn.Linear(2, 2)], "a list", "torch.nn.Sequential"),
            (3, "a int", "give a Module"),
            (torch.jit.trace(nn.Linear(2, 2), (torch.ones(1, 2),)), "TorchScript", "traced"),
            (nn.Sequential(torch.jit.trace(nn.Linear(2, 2), (torch.ones(1, 2),))), "'0'", "traced"),
        ],
        ids=range(8),
    )
    @pytest.mark.filterwarnings("ignore:`torch.jit")
    def test_anything_else_is_refused_with_the_way_out(self, given, found, advice):
        with pytest.raises(NotAModelError) as caught:
            read_model(given)
        assert found in caught.value.found
        assert advice in caught.value.advice

    def test_a_function_that_needs_nothing_is_a_factory(self):
        assert is_function_of_tensors(circuit)
        assert is_function_of_tensors(predict)
        assert not is_function_of_tensors(Wrapped)
        assert not is_function_of_tensors(lambda: Wrapped())
        assert not is_function_of_tensors(Wrapped())

    def test_a_qnode_is_exported(self, tmp_path):
        report, session = exported(tmp_path, circuit, X[:, :2])
        assert report.is_dynamic
        assert session.input_names == ("x",)
        expected = circuit(X[:1, :2]).float().numpy()
        (found,) = session.run({"x": X[:1, :2].numpy()}).values()
        assert abs(found - expected).max() < 1e-6  # one rotation a wire in float32

    def test_compiled_parts_run_as_they_were_written(self, tmp_path):
        class Compiled(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = torch.compile(nn.Linear(3, 3))
                self.layer = sample_models.strongly_entangling()
                self.tail = nn.Linear(3, 2)
                self.tail.compile()

            def forward(self, x):
                return self.tail(self.layer(self.inner(x)))

        report, _ = exported(tmp_path, torch.compile(Compiled()), (X,))
        assert report.is_dynamic
        assert any("torch.compile" in note for note in report.notes)

    def test_weights_without_numbers_are_refused(self, tmp_path):
        with torch.device("meta"):
            model = nn.Linear(3, 2)
        with pytest.raises(NoNumbersError, match="'weight'"):
            exported(tmp_path, model, (X,))
        with pytest.raises(NoNumbersError, match="lazy"):
            exported(tmp_path, nn.LazyLinear(2), (X,))
        with pytest.raises(NoNumbersError, match="'input'"):
            exported(tmp_path, nn.Linear(3, 2), (X.to("meta"),))


def test_code_that_names_another_device_is_sent_to_the_cpu():
    with _OnCpu():
        made = [
            torch.zeros(2, device="cuda:0"),
            X.to("cuda"),
            X.cuda(),
            torch.tensor([1.0], device=torch.device("cuda")),
            X.to(device="mps", dtype=torch.float64),
        ]
    assert {one.device.type for one in made} == {"cpu"}
    assert made[-1].dtype == torch.float64


@dataclass(frozen=True)
class Pair:
    left: Tensor
    right: Tensor
    power: int = 1


class Named(NamedTuple):
    left: Tensor
    right: Tensor
    power: int = 1


class Graphs:
    """An object that says what it holds, as torch_geometric's graphs do."""

    def __init__(self, **items):
        self.items = items

    def keys(self):
        return list(self.items)

    def to_dict(self):
        return dict(self.items)

    def __getattr__(self, name):
        if name == "items":
            raise AttributeError(name)
        return self.items[name]

    def __setitem__(self, name, value):
        self.items[name] = value

    def __copy__(self):
        return Graphs(**self.items)


class TakesAPair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = sample_models.strongly_entangling()

    def forward(self, pair):
        return self.layer(pair.left) + pair.right**pair.power


class TestArguments:
    @pytest.mark.parametrize("kind", [Pair, Named, SimpleNamespace, Graphs])
    def test_an_object_comes_apart_into_its_parts(self, tmp_path, kind):
        model = TakesAPair().eval()
        pair = kind(left=X, right=X / 2, power=2)
        held = copy.copy(pair)
        report, session = exported(tmp_path, model, (pair,))
        assert report.is_dynamic
        assert session.input_names == ("pair_left", "pair_right")
        assert pair.left is held.left
        hybridx.verify(tmp_path / "model.onnx", against=model)

    def test_a_lowered_model_takes_such_an_object(self):
        model = TakesAPair().eval()
        lowered = hybridx.lower(model, (Pair(X, X / 2, 2),))
        other = Pair(X * 2, X, 2)
        torch.testing.assert_close(lowered(other), model(other))

    def test_one_value_is_the_only_argument(self):
        pair = Named(X, X)
        assert read_arguments(X) == (X,)
        assert read_arguments(pair) == (pair,)
        assert read_arguments([X]) == [X]
        with pytest.raises(ArgumentsByNameError):
            read_arguments({"x": X})

    @pytest.mark.parametrize(
        "args", [X, X.numpy(), X.tolist(), [X.numpy()], [X.tolist()]], ids=range(5)
    )
    def test_numbers_and_arrays_are_tensors(self, args):
        call, tensors = describe_call(nn.Linear(3, 2), read_arguments(args), {})
        assert call.names[0] == "input"
        found = torch.stack([*tensors.values()]) if len(tensors) == 2 else tensors["input"]
        torch.testing.assert_close(found, X)

    def test_whole_numbers_stay_constants(self):
        call, tensors = describe_call(nn.Linear(3, 2), (X, [2, 3], 0.5), {})
        assert list(tensors) == ["input"]
        assert call.args[1:] == ([2, 3], 0.5)


class Policy(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer = sample_models.strongly_entangling()
        self.kind = kind

    def forward(self, x):
        return self.kind(self.layer(x))


d = torch.distributions
POLICIES: dict[str, tuple[Any, list[str]]] = {
    "categorical": (lambda y: d.Categorical(probs=y.softmax(-1)), ["logits"]),
    "bernoulli": (lambda y: d.Bernoulli(logits=y), ["logits"]),
    "normal": (lambda y: d.Normal(y, 0.5), ["loc", "scale"]),
    "independent": (lambda y: d.Independent(d.Normal(y, y.exp()), 1), ["loc", "scale"]),
    "beta": (lambda y: d.Beta(y.exp(), y.exp() + 1), ["concentration1", "concentration0"]),
    "squashed": (
        lambda y: d.TransformedDistribution(
            d.Normal(y, y.exp()), [d.TanhTransform(), d.AffineTransform(y, 2.0)]
        ),
        ["loc", "scale", "transforms_loc"],
    ),
    "mixture": (
        lambda y: d.MixtureSameFamily(d.Categorical(logits=y), d.Normal(y, y.exp())),
        [
            "mixture_distribution_logits",
            "component_distribution_loc",
            "component_distribution_scale",
        ],
    ),
    "gaussian": (
        lambda y: d.MultivariateNormal(y, scale_tril=torch.eye(3).expand(len(y), 3, 3)),
        ["loc", "scale_tril"],
    ),
    "two": (lambda y: {"pi": d.Categorical(logits=y), "v": y.sum(-1)}, ["pi_logits", "v"]),
    "checked": (lambda y: d.Normal(y, y.exp(), validate_args=True), ["loc", "scale"]),
    "array": (lambda y: y.detach().numpy() * 2, ["output"]),
    "object": (lambda y: SimpleNamespace(mean=y, count=3), ["mean"]),
    "generator": (lambda y: (part for part in (y, y * 2)), ["output_0", "output_1"]),
    "ordered": (lambda y: collections.OrderedDict(a=y), ["a"]),
}


class TestResults:
    @pytest.mark.parametrize("name", some(POLICIES, every=3))
    def test_no_tensor_is_left_out(self, tmp_path, name):
        kind, names = POLICIES[name]
        report, session = exported(tmp_path, Policy(kind).eval(), (X,))
        assert list(session.output_names) == names
        assert report.is_dynamic

    def test_a_lowered_policy_returns_a_distribution(self):
        model = Policy(POLICIES["squashed"][0]).eval()
        found, expected = hybridx.lower(model, (X,))(X), model(X)
        assert isinstance(found, d.TransformedDistribution)
        torch.testing.assert_close(found.base_dist.loc, expected.base_dist.loc)
        torch.testing.assert_close(found.transforms[1].loc, expected.transforms[1].loc)

    def test_a_set_of_tensors_is_refused(self, tmp_path):
        with pytest.raises(UnorderedOutputError, match="'output'"):
            exported(tmp_path, Policy(lambda y: {y, y + 1}), (X,))


class TwoArguments(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 2)

    def forward(self, x, scale):
        return self.inner(x) * scale


class TestArgumentsAsPeopleHaveThem:
    def test_an_array_of_numpy_has_the_models_precision(self, tmp_path):
        wide = np.random.default_rng(1).standard_normal((3, 4))
        _, session = exported(tmp_path, nn.Linear(4, 2), wide)
        assert session.inputs[0].dtype == np.float32
        _, session = exported(tmp_path, nn.Linear(4, 2).double(), wide)
        assert session.inputs[0].dtype == np.float64
        _, session = exported(tmp_path, lambda x: x.sin(), wide)
        assert session.inputs[0].dtype == np.float64

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (torch.ones(3, 4), "missing a required argument: 'scale'"),
            ((torch.ones(3, 4),) * 3, "too many positional arguments"),
            ((), "missing a required argument: 'x'"),
            ((3, 4, 4), "for example torch.randn(3, 4, 4)"),
        ],
    )
    def test_arguments_that_forward_does_not_take(self, args, words, tmp_path):
        with pytest.raises(ArgumentsDoNotFitError) as refused:
            hybridx.export(TwoArguments(), args, tmp_path / "model.onnx")
        assert "forward(x, scale) does not take" in str(refused.value)
        assert words in str(refused.value)

    def test_a_shape_is_not_blamed_for_a_dtype(self, tmp_path):
        for wrong in (torch.ones(3, 4).double(), torch.ones(3, 4).long()):
            with pytest.raises(ArgumentsDoNotFitError) as refused:
                hybridx.export(nn.Linear(4, 2), wrong, tmp_path / "model.onnx")
            assert f"input is {wrong.dtype}, and the weights are torch.float32" in str(
                refused.value
            )
            assert "give input.to(torch.float32)" in str(refused.value)

    def test_a_command_in_a_message_stays_as_it_is_given(self, tmp_path):
        with pytest.raises(
            NotAModelError, match=r"`hybridx export file\.py:model --checkpoint PATH`"
        ):
            hybridx.export("model.pt", torch.ones(3, 4), tmp_path / "model.onnx")

    @pytest.mark.parametrize(
        "model",
        [lambda: nn.Linear(4, 2), functools.partial(nn.Linear, 4, 2)],
        ids=["def", "partial"],
    )
    def test_what_makes_a_model_is_no_model(self, model, tmp_path):
        with pytest.raises(NotAModelError, match="call it, and give the Module that it returns"):
            hybridx.export(model, torch.ones(3, 4), tmp_path / "model.onnx")
