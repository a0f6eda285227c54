"""Constructor arguments as text: every type that a signature may ask for, and what is refused."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Optional

import pytest
import torch

from hybridx.errors import FactoryArgumentError
from hybridx.sources.arguments import needed, read_call, takes_settings

if TYPE_CHECKING:
    from elsewhere import Unknown  # type: ignore[import-not-found]


class Colour(enum.Enum):
    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Config:
    width: int = 4
    names: list[str] = dataclasses.field(default_factory=list)


def factory(
    whole: int = 1,
    number: float = 1.0,
    flag: bool = False,
    text: str = "a",
    choice: Literal["a", 3] = "a",
    colour: Colour = Colour.RED,
    maybe: Optional[int] = None,  # noqa: UP045 - people write it so
    text_or_none: str | None = "x",
    either: int | str = 1,
    path: Path = Path(),
    sizes: tuple[int, ...] = (),
    pair: tuple[int, float] = (1, 1.0),
    names: list[str] = [],  # noqa: B006 - never called
    table: dict[str, int] = {},  # noqa: B006
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    unknown: Unknown = None,
    activation: Callable[..., object] = torch.tanh,
    plain=0,
    plain_flag=True,
    plain_text="1",
    plain_sizes=(1, 2),
    bare=None,
    config: Config = Config(),  # noqa: B008 - never called
):
    raise AssertionError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("whole=32", 32),
        ("whole=-1", -1),
        ("number=2", 2.0),
        ("number=1e-3", 1e-3),
        ("flag=true", True),
        ("flag=False", False),
        ("flag=1", True),
        ("text=32", "32"),
        ("text=", ""),
        ("text=a=b", "a=b"),
        ("choice=3", 3),
        ("colour=RED", Colour.RED),
        ("colour=red", Colour.RED),
        ("colour=2", Colour.TWO),
        ("maybe=none", None),
        ("maybe=4", 4),
        ("text_or_none=None", None),
        ("text_or_none=word", "word"),
        ("either=5", 5),
        ("either=five", "five"),
        ("path=/a/b.txt", Path("/a/b.txt")),
        ("sizes=[4,5]", (4, 5)),
        ("sizes=4,5", (4, 5)),
        ("pair=1,2", (1, 2.0)),
        ('names=["a","b"]', ["a", "b"]),
        ('table={"a": 1}', {"a": 1}),
        ("dtype=float64", torch.float64),
        ("dtype=torch.float64", torch.float64),
        ("device=cpu", torch.device("cpu")),
        ("unknown=[1]", [1]),
        ("plain=0.5", 0.5),
        ("plain=3", 3),
        ("plain_flag=false", False),
        ("plain_text=2", "2"),
        ("plain_sizes=3", (3,)),
        ('config={"width": 8}', Config(8)),
        ("bare=word", "word"),
        ("bare=2.5", 2.5),
        ("text-or-none=dashes", "dashes"),
    ],
)
def test_a_text_becomes_a_value_of_the_parameters_type(text, value):
    (found,) = read_call(factory, [text], {}).kwargs.values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("whole=x", "'x' is not int"),
        ("whole=1.5", "'1.5' is not int"),
        ("flag=maybe", "'maybe' is not bool"),
        ("choice=b", "none of a, 3"),
        ("colour=blue", "none of red, 2, RED, TWO"),
        ("sizes=a,b", "not tuple[int, ...]"),
        ("maybe=x", "'x' is not"),
        ("config=8", "'8' is not Config, a JSON object with the keys width, names"),
        ('config={"width": "x"}', "is not Config"),
        ("dtype=flaot", "no dtype"),
        ("dtype=nn", "no dtype"),
        ("device=nowhere", "no device"),
        ("activation=relu", "a text cannot stand for"),
        ("hole=1", "no parameter 'hole'; the nearest is 'whole'"),
        ("whole", "is not NAME=VALUE"),
        ("=3", "is not NAME=VALUE"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_signature(text, fact):
    with pytest.raises(FactoryArgumentError) as refused:
        read_call(factory, [text], {})
    assert fact in str(refused.value)
    assert "factory(whole: int = 1, number: float = 1.0" in str(refused.value)


class Net(torch.nn.Module):
    def __init__(self, hidden: int, /, layers: int = 2, **more: object):
        super().__init__()


class Heir(Net):
    pass


def test_names_are_given_once_and_all_that_are_needed():
    with pytest.raises(FactoryArgumentError, match=r"arg hidden=… must be given"):
        read_call(Heir, ["layers=3"], {})
    with pytest.raises(FactoryArgumentError, match="twice"):
        read_call(Heir, ["hidden=3", "hidden=4"], {})
    call = read_call(Heir, ["hidden=3", "other=x"], {})
    assert (call.args, call.kwargs) == ((3,), {"other": "x"})
    assert call.text == "Heir(hidden=3, other='x')"
    assert needed(Heir) == {"hidden"}


def test_an_annotation_tells_a_setting_from_a_tensor():
    def of_tensors(x, y: torch.Tensor, scale: float, depth: int = 2):
        """Only `scale` is no tensor, and a function of one may be annotated so."""

    def of_numbers(width: int):
        pass

    def of_choices(kind: Literal["a", "b"], x: torch.Tensor):
        pass

    def of_config(x, config: "Config"):  # noqa: UP037 - as in modules with cyclic imports
        pass

    found = [takes_settings(one) for one in (of_tensors, of_numbers, of_choices, of_config)]
    assert found == [False, True, True, True]


def test_a_checkpoint_fills_in_what_is_not_given():
    call = read_call(Heir, ["layers=5"], {"hidden": 4, "layers": 6, "learning_rate": 0.1})
    assert (call.args, call.kwargs) == ((4,), {"layers": 5})
    assert call.learned == ("hidden",)


def test_a_partial_and_a_class_of_c_are_called_too():
    assert read_call(functools.partial(factory, text="b"), ["whole=2"], {}).kwargs == {"whole": 2}
    assert read_call(dict, [], {}).text == "dict()"
