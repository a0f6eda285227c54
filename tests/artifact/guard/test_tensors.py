"""Tables of tensors against their bytes: what is beyond these, or is no table, is refused."""

import pickle

import pytest

from hybridx.artifact.guard.refusal import Foreign
from hybridx.artifact.guard.tensors import attributes_of, check_tensor
from tests.artifact.guard.archives import number, table, text

MEMBERS = {"data/0": bytes(24), "data/1": bytes(5) + b"\2"}
FLAGS = text("training") + b"\x89" + text("_is_full_backward_hook") + b"N"


def shape(*sizes):
    return b"(" + b"".join(map(number, sizes)) + b"t"


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_a_table_is_read():
    assert attributes_of(table(more=FLAGS), MEMBERS) == {
        "weight_0": "Tensor",
        "training": "bool",
        "_is_full_backward_hook": "None",
    }


BEYOND = {
    "a storage that is longer": {"count": 1_000_000},
    "a storage that is shorter": {"count": 1},
    "a storage of 2^31": {"count": 2**31},
    "a storage of 2^60": {"count": 2**60},
    "a storage of 2^2000": {"count": 2**2000},
    "a negative storage": {"count": -6},
    "a storage of a truth value": {"count": b"\x88"},
    "a storage of a text": {"count": text("6")},
    "numbers of another size": {"kind": b"ctorch\nDoubleStorage\n"},
    "a complex storage": {"kind": b"ctorch\nComplexFloatStorage\n"},
    "a quantized storage": {"kind": b"ctorch\nQInt8Storage\n"},
    "an untyped storage": {"kind": b"ctorch.storage\nUntypedStorage\n"},
    "truth values of 2": {"kind": b"ctorch\nBoolStorage\n", "key": text("1")},
    "a storage that is not there": {"key": text("999")},
    "a storage of a path": {"key": text("../../../etc/passwd")},
    "a storage of a name": {"key": text("０")},
    "a storage on a GPU": {"device": text("cuda:0")},
    "a storage on meta": {"device": text("meta")},
    "a storage of another word": {"word": text("module")},
    "an offset beyond": {"offset": 1},
    "an offset of 2^31": {"offset": 2**31},
    "a negative offset": {"offset": -4},
    "more rows": {"sizes": shape(3, 3)},
    "2^62 rows": {"sizes": shape(2**62, 2**62)},
    "negative lengths": {"sizes": shape(-2, -3)},
    "no rows of 2^62": {"sizes": shape(0, 2**62)},
    "a negative stride": {"strides": shape(-3, 1)},
    "a huge stride": {"strides": shape(2**40, 1)},
    "a stride that repeats": {"sizes": shape(6, 6), "strides": shape(0, 1)},
    "fewer strides": {"strides": shape(3)},
    "a text for a length": {"sizes": b"(" + text("2") + number(3) + b"t"},
    "lengths that are none": {"sizes": number(6)},
    "a gradient": {"gradient": b"\x88"},
    "hooks": {"hooks": b"ccollections\nOrderedDict\n"},
}
ODD = {
    "another class": {"model": b"c__torch__\nEvil\n)\x81"},
    "a function": {"hooks": b"cos\nsystem\n" + text("touch x") + b"\x85R"},
    "a call of ours with others": {"hooks": b"ctorch._utils\n_rebuild_tensor_v2\n)R"},
    "an instance": {"more": b"(iposix\nsystem\n"},
    "an object": {"more": text("x") + b"(cposix\nsystem\no"},
    "a stack global": {"more": text("x") + text("posix") + text("system") + b"\x93"},
    "an extension": {"more": text("x") + b"\x82\x01"},
    "bytes": {"more": text("x") + b"C\x01a"},
    "a list": {"more": text("x") + b"]"},
    "a float": {"more": text("x") + b"G\x00\x00\x00\x00\x00\x00\x00\x00"},
    "a number": {"more": text("x") + number(7)},
    "a dict that holds itself": {"more": text("x") + b"}q\x00h\x00"},
    "a name twice": {"more": text("weight_0") + b"N"},
    "a name that is a number": {"name": number(7)},
    "a name that is no word": {"name": text("weight 0")},
    "a memo of 2^31": {"more": text("x") + b"Nr\xff\xff\xff\x7f"},
    "a memo that is not there": {"more": text("x") + b"h\x07"},
    "another protocol": {"more": text("x") + b"N\x80\x04"},
    "a mark that is left": {"more": b"("},
    "bytes behind": {"end": b"ub.x"},
    "no end": {"end": b"ub"},
    "two states": {"end": b"ub}b."},
    "nothing": {"end": b"ub0."},
}


@pytest.mark.parametrize("name", [*BEYOND, *ODD])
def test_what_torch_would_trust_is_refused(name):
    changed = table(**{**BEYOND, **ODD}[name])
    with pytest.raises((Foreign, ValueError, IndexError, TypeError)):
        attributes_of(changed, MEMBERS)


@pytest.mark.parametrize("protocol", range(6))
def test_no_pickle_of_another_kind_is_executed(protocol, capsys):
    with pytest.raises((Foreign, ValueError)):
        attributes_of(pickle.dumps(Evil(), protocol), MEMBERS)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("sizes", "strides", "offset"),
    [
        ((2, 3), (3, 1), 0),
        ((3, 2), (1, 3), 0),
        ((), (), 5),
        ((0, 7), (7, 1), 6),
        ((1, 2), (9, 3), 2),
    ],
)
def test_tensors_within_their_bytes_pass(sizes, strides, offset):
    check_tensor("w", bytes(24), 4, sizes, strides, offset)


def test_more_axes_than_torch_has_are_refused():
    with pytest.raises(Foreign, match="65 axes"):
        check_tensor("w", bytes(24), 4, [1] * 65, [1] * 65, 0)
