"""`hybridx.lower`: a model that is called as before and holds no circuit any more."""

import copy
import warnings
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture import eagerly
from hybridx.errors import FixedArgumentError, MismatchError, OptionError
from tests import sample_models

Pair = namedtuple("Pair", ["first", "second"])  # noqa: PYI024 (as people write them)


@dataclass
class Answer:
    logits: torch.Tensor
    note: str


class Nested(nn.Module):
    """Arguments and results in containers, a constant, a complex result."""

    def __init__(self):
        super().__init__()
        self.quantum = sample_models.strongly_entangling(3)

    def forward(self, pair, mask=None, *, scale=1.0, kind="logits"):
        x = pair["left"] + pair["right"][0]
        if mask is not None:
            x = x * mask
        y = self.quantum(x) * scale
        return {
            "answer": Answer(y, kind),
            "pair": Pair(y.sum(dim=1), [y, None]),
            "wave": torch.complex(y, x),
        }


def nested(rows):
    return {"left": torch.randn(rows, 3), "right": [torch.randn(rows, 3)]}


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["sandwich", "two_heads", "convolution", "shots"])
def test_computes_what_the_model_computes(name):
    model, example = sample_models.make(name)
    lowered = hybridx.lower(model, (example,))
    assert isinstance(lowered, nn.Module)
    for rows in (1, 4):
        x = torch.randn(rows, *example.shape[1:])
        with eagerly():
            assert_close(lowered(x), model(x))


def test_takes_and_gives_what_the_model_does():
    torch.manual_seed(0)
    model = Nested()
    lowered = hybridx.lower(model, (nested(2),), kwargs={"scale": 0.5})
    pair = nested(4)
    with eagerly():
        found, expected = lowered(pair, scale=0.5), model(pair, scale=0.5)
    assert found.keys() == expected.keys()
    assert type(found["answer"]) is Answer
    assert found["answer"].note == "logits"
    assert_close(found["answer"].logits, expected["answer"].logits)
    assert type(found["pair"]) is Pair
    assert_close(found["pair"].first, expected["pair"].first)
    assert found["pair"].second[1] is None
    assert found["wave"].is_complex()
    assert_close(found["wave"], expected["wave"])


def test_an_argument_may_change_from_position_to_name():
    model = Nested()
    mask = torch.ones(3)
    lowered = hybridx.lower(model, (nested(2), mask))
    pair = nested(2)
    assert_close(lowered(mask=mask, pair=pair)["wave"], lowered(pair, mask)["wave"])


def test_a_constant_is_fixed():
    lowered = hybridx.lower(Nested(), (nested(2),), kwargs={"scale": 0.5})
    with pytest.raises(FixedArgumentError, match=r"2\.0.*0\.5"):
        lowered(nested(2), scale=2.0)
    with pytest.raises(FixedArgumentError, match="left"):
        lowered({"left": torch.ones(2, 3)}, scale=0.5)


def test_float64_is_exact():
    model, example = sample_models.make("sandwich")
    lowered = hybridx.lower(model, (example,), dtype="float64")
    exact = copy.deepcopy(model).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    torch.testing.assert_close(lowered(x), exact(x).detach(), atol=1e-12, rtol=0)
    assert model[0].weight.dtype == torch.float32


def test_the_model_is_left_as_it_was():
    model, example = sample_models.make("sandwich")
    model.train()
    lowered = hybridx.lower(model, (example,))
    assert model.training
    assert not lowered.training
    assert model[0].weight.requires_grad
    lowered.to("meta")
    assert model[0].weight.device.type == "cpu"


def test_it_moves_whole():
    model, example = sample_models.make("sandwich")
    moved = hybridx.lower(model, (example,)).to("meta")
    assert moved(example.to("meta")).device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_runs_on_cuda():
    model, example = sample_models.make("two_heads")
    lowered = hybridx.lower(model, (example,))
    here = lowered(example)
    there = lowered.to("cuda")(example.to("cuda"))
    assert_close([output.cpu() for output in there], list(here))


def test_compiles_with_any_batch():
    model, example = sample_models.make("sandwich")
    lowered = hybridx.lower(model, (example,))
    # The eager backend: that dynamo takes it whole is what is tested, not a C++ compiler.
    compiled = torch.compile(lowered, fullgraph=True, dynamic=True, backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rows in (3, 8):
            x = torch.randn(rows, 4)
            assert_close(compiled(x), lowered(x))


def test_gradients_reach_the_inputs():
    model, example = sample_models.make("sandwich")
    lowered = hybridx.lower(model, (example,), dtype="float64")
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lowered, (x,))


def test_what_does_not_agree_is_refused():
    model, example = sample_models.make("sandwich")
    with pytest.raises(MismatchError, match="torch"):
        hybridx.lower(model, (example,), atol=0.0)


def test_options_are_those_of_export():
    model, example = sample_models.make("sandwich")
    with pytest.raises(OptionError, match="dtype"):
        hybridx.lower(model, (example,), dtype="float16")
    lowered = hybridx.lower(model, (example,), batch=3, strategy="statevector")
    assert lowered(example).shape == (3, 2)


def test_notes_say_what_the_user_should_know():
    model, example = sample_models.make("shots")
    assert any("500 shots" in note for note in hybridx.lower(model, (example,)).notes)
