"""Checkpoints as people save them: the same weights in many wrappings, and what is refused."""

from __future__ import annotations

import argparse
import copy
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import hybridx
from hybridx.bounds import CHECKPOINT_BYTES
from hybridx.errors import CheckpointError, FileMissingError, TooLargeError
from hybridx.sources.checkpoints import load_checkpoint, read_checkpoint


class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 1)


TRAINED = Net()
STATE = TRAINED.state_dict()


def optimizer():
    used = torch.optim.Adam(TRAINED.parameters())
    for parameter in TRAINED.parameters():
        parameter.grad = torch.ones_like(parameter)
    copied = copy.deepcopy(TRAINED.state_dict())
    used.step()
    TRAINED.load_state_dict(copied)
    return used.state_dict()


def under(prefix, state=STATE):
    return {prefix + key: value for key, value in state.items()}


def other():
    return {key: torch.zeros_like(value) for key, value in STATE.items()}


LIGHTNING = {
    "state_dict": under("model.") | {"criterion.weight": torch.ones(2)},
    "hyper_parameters": {"width": 3},
    "optimizer_states": [optimizer()],
    "callbacks": {"best": {"score": torch.tensor(1.0)}},
    "pytorch-lightning_version": "2.5.0",
}

# name: what is saved, and words of the note ("" for none)
WRAPPINGS = {
    "as it is": (STATE, ""),
    "state_dict": ({"state_dict": STATE, "epoch": 3}, "those in ['state_dict']"),
    "model_state_dict": (
        {"model_state_dict": STATE, "optimizer_state_dict": optimizer()},
        "those in ['model_state_dict']",
    ),
    "model, with an optimizer": ({"optimizer": optimizer(), "model": STATE}, "['model']"),
    "net": ({"net": STATE}, "['net']"),
    "deep": ({"state": {"model": {"weights": STATE}}}, "['state']['model']['weights']"),
    "DataParallel": (under("module."), "without 'module.'"),
    "torch.compile": (under("_orig_mod."), "without '_orig_mod.'"),
    "both, inside": (
        {key.replace("first.", "first._orig_mod.module."): one for key, one in STATE.items()},
        "'_orig_mod.' and 'module.'",
    ),
    "a prefix of one's own": (under("encoder.head."), "prefix 'encoder.head.' was taken off"),
    "Lightning": (LIGHTNING, "no such weights: criterion.weight"),
    "with EMA beside it": ({"ema": other(), "model": STATE}, "['ema'], which were not taken"),
    "EMA alone": ({"ema_state_dict": STATE}, "averaged (EMA) weights are those"),
    "AveragedModel": (
        {"n_averaged": torch.tensor(3), **under("module.")},
        "averaged ones (EMA)",
    ),
    "float64": (
        {key: one.double() if one.is_floating_point() else one for key, one in STATE.items()},
        "8 weights in float64 became float32",
    ),
    "with numbers of NumPy and arguments": (
        {"model": STATE, "best": np.float64(0.5), "args": argparse.Namespace(out=Path("x"))},
        "['model']",
    ),
}


def saved(content, folder, name="weights.pt"):
    path = folder / name
    torch.save(content, path)
    return path


def assert_loaded(model):
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, STATE[key], rtol=0, atol=0)


@pytest.mark.parametrize("name", WRAPPINGS)
def test_weights_are_found_and_it_is_said_where(name, tmp_path):
    content, words = WRAPPINGS[name]
    model = Net()
    notes = load_checkpoint(model, read_checkpoint(saved(content, tmp_path)))
    assert_loaded(model)
    assert bool(notes) == bool(words)
    assert words in " ".join(notes)


def test_the_model_may_have_a_prefix_that_the_weights_lack(tmp_path):
    outer = nn.Module()
    outer.net = Net()
    notes = load_checkpoint(outer, read_checkpoint(saved(STATE, tmp_path)))
    assert_loaded(outer.net)
    assert "'net.' was put before their names" in notes[0]


def test_a_compiled_model_takes_plain_weights(tmp_path):
    model = nn.Sequential()
    model.add_module("_orig_mod", Net())
    load_checkpoint(model, read_checkpoint(saved(STATE, tmp_path)))
    assert_loaded(model.get_submodule("_orig_mod"))


def test_safetensors_by_any_name_and_with_tied_weights(tmp_path):
    path = tmp_path / "weights.bin"
    safetensors.torch.save_file(STATE, path)
    model = Net()
    assert load_checkpoint(model, read_checkpoint(path)) == ()
    assert_loaded(model)

    def tied():
        made = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
        made[1].weight = made[0].weight
        return made

    source, target = tied(), tied()
    safetensors.torch.save_model(source, tmp_path / "tied.safetensors")
    load_checkpoint(target, read_checkpoint(tmp_path / "tied.safetensors"))
    assert torch.equal(target[0].weight, source[0].weight)
    assert target[0].weight is target[1].weight


def test_a_model_that_reads_other_names_itself(tmp_path):
    class Moved(Net):
        def _load_from_state_dict(self, state, prefix, *rest):
            for key in [key for key in state if key.startswith("old")]:
                state[key.replace("old", "first")] = state.pop(key)
            super()._load_from_state_dict(state, prefix, *rest)

    old = {key.replace("first", "old"): value for key, value in STATE.items()}
    model = Moved()
    load_checkpoint(model, read_checkpoint(saved(old, tmp_path)))
    assert_loaded(model)


def test_lazy_weights_take_the_shapes_of_the_checkpoint(tmp_path):
    model = nn.Sequential(nn.LazyLinear(3))
    plain = nn.Sequential(nn.Linear(2, 3))
    load_checkpoint(model, read_checkpoint(saved(plain.state_dict(), tmp_path)))
    assert torch.equal(model[0].weight, plain[0].weight)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([STATE], "it holds a list"),
        (torch.ones(2), "it holds a Tensor"),
        ({}, "an empty dict"),
        ({"optimizer": optimizer()}, "it holds no weights, only optimizer"),
        (
            {("lats.bias" if key == "last.bias" else key): one for key, one in STATE.items()},
            "missing keys: last.bias; unexpected keys: lats.bias; lats.bias may be last.bias",
        ),
        (Net(5).state_dict(), "first.weight has shape [5, 2], in the model [3, 2]"),
        (STATE | {"last.bias": STATE["last.bias"] * 1j}, "last.bias is complex64"),
        (
            STATE | {"norm.num_batches_tracked": torch.tensor(0.5)},
            "float32, which int64 of the model loses",
        ),
        # Part of a larger model: which of its layers is meant is not known.
        (under("a.") | {"b.weight": torch.ones(1)}, "unexpected keys: a.* (9 keys), b.weight"),
        # The model has other layers; what a wrapper put before the names is no difference.
        (
            under("module.", STATE | under("more.0.", nn.LSTM(2, 2).state_dict())),
            "missing keys: none; unexpected keys: more.0.bias_hh_l0, more.0.bias_ih_l0, "
            "more.0.weight_hh_l0, more.0.weight_ih_l0",
        ),
        (
            {"model": under("net.", STATE | under("more.0.", Net().state_dict()))},
            "missing keys: none; unexpected keys: more.0.* (9 keys)",
        ),
        (nn.Linear(1, 1), "pickled Python objects (torch.nn.modules.linear.Linear)"),
        ({"kind": np.dtype}, "pickled Python objects (numpy.dtype)"),
    ],
    ids=["list", "tensor", "empty", "optimizer", "misspelt", "width", "complex", "half", "part",
         "wrapped", "more", "pickle", "class"],
)  # fmt: skip
def test_other_content_is_refused(content, words, tmp_path):
    path = saved(content, tmp_path)
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(Net(), read_checkpoint(path))
    assert words in str(refused.value)
    assert "help: " in str(refused.value)


def test_what_is_no_checkpoint_is_named(tmp_path):
    torch.save(STATE, tmp_path / "good.pt")
    safetensors.torch.save_file(STATE, tmp_path / "good.safetensors")
    good, safe = ((tmp_path / f"good.{end}").read_bytes() for end in ("pt", "safetensors"))
    torch.jit.script(nn.Linear(1, 1)).save(str(tmp_path / "script.pt"))
    for content, name, words in (
        (b"", "w.pt", "it is empty"),
        (good[:-100], "w.pt", "cut off or damaged"),
        (good[:60], "w.pt", "cut off or damaged"),
        (safe[:-9], "w.safetensors", "cut off or damaged"),
        (safe[:30], "w.safetensors", "it ends after 30 bytes"),
        (safe[:8][::-1] + safe[8:], "w.safetensors", "wrong order (big-endian)"),
        (b"words", "w.safetensors", "not in the format of safetensors"),
        (b"words" * 9, "w.pt", "neither a file of torch.save nor of safetensors"),
        (b"\x80\x02garbage", "w.pt", "damaged"),
        (b"version https://git-lfs.github.com/spec/v1", "w.pt", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "w.safetensors", "it is a web page"),
        (b"\x89HDF\r\n", "w.h5", "HDF5"),
        (b'{"metadata": {}, "weight_map": {}}', "w.json", "it names no weights"),
        (b'{"metadata": {}}', "w.json", "it is no index of weights"),
        (b'{"weight_map": {"a": 1}}', "w.json", "it is no index of weights"),
        (b'{"weight_map": {"\xff": "a"}}', "w.json", "it is no index of weights"),
        ((tmp_path / "script.pt").read_bytes(), "w.pt", "TorchScript"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(CheckpointError) as refused:
            read_checkpoint(path)
        assert words in str(refused.value)
    with pytest.raises(CheckpointError, match=r"give a file in it: good\.pt, good\.safetensors"):
        read_checkpoint(tmp_path)
    with pytest.raises(FileMissingError, match="No such file"):
        read_checkpoint(tmp_path / "none.pt")


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def index(tmp_path):
    """The weights in two files, as Hugging Face saves large models."""
    files = {name: SHARDS[name.startswith("last")] for name in STATE}
    for shard in SHARDS:
        held = {name: value for name, value in STATE.items() if files[name] == shard}
        safetensors.torch.save_file(held, tmp_path / shard)
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 99}, "weight_map": files}))
    return path


def test_weights_in_several_files(index):
    model = Net()
    assert load_checkpoint(model, read_checkpoint(index)) == ()
    for name, value in model.state_dict().items():
        assert torch.equal(value, STATE[name])
    with pytest.raises(
        CheckpointError, match=r"give a file in it: model\.safetensors\.index\.json"
    ):
        read_checkpoint(index.parent)


def test_files_of_torch_may_be_named_by_an_index(index):
    last = {name: value for name, value in STATE.items() if name.startswith("last")}
    torch.save(last, index.parent / "b.bin")
    index.write_text(index.read_text().replace(SHARDS[1], "b.bin"))
    assert read_checkpoint(index).content.keys() == STATE.keys()


def test_a_file_that_an_index_names_and_is_missing_is_named(index):
    (index.parent / SHARDS[1]).unlink()
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(index)
    assert f"{SHARDS[1]}, with 2 of its weights, is not there" in str(refused.value)
    assert SHARDS[0] in refused.value.help


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("../model.safetensors", "is not a file beside it"),
        ("/etc/passwd", "is not a file beside it"),
        ("n" * 300, "is not there"),
        ("a\0b", "is not there"),
        ("", "is not a file beside it"),
        ("model.safetensors.index.json", "is not a file beside it"),
        (SHARDS[0], "does not hold last"),
        ("again.json", "neither a file of torch.save nor of safetensors"),
    ],
)
def test_an_index_that_is_wrong_is_refused(named, words, index):
    files = json.loads(index.read_text())["weight_map"]
    files = {name: named if name.startswith("last") else shard for name, shard in files.items()}
    text = json.dumps({"weight_map": files})
    index.write_text(text)
    (index.parent / "again.json").write_text(text)
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(index)
    assert words in str(refused.value)


# --- what comes from anybody ---------------------------------------------------------------------

SAVED = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2)}


def content_of(value=None, **options):
    content = io.BytesIO()
    torch.save(SAVED if value is None else value, content, **options)
    return content.getvalue()


def members():
    with zipfile.ZipFile(io.BytesIO(content_of())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive(members, **options):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as written:
        for name, data in members.items():
            written.writestr(name, data)
    return content.getvalue()


def pickled(old, new):
    """A checkpoint whose pickle says something else."""
    found = members()
    name = next(name for name in found if name.endswith("data.pkl"))
    assert old in found[name]
    return archive(found | {name: found[name].replace(old, new, 1)})


def legacy(old=b"", new=b""):
    content = content_of(_use_new_zipfile_serialization=False)
    assert old in content
    return content.replace(old, new, 1)


def opcodes(count):
    found = members()
    name = next(name for name in found if name.endswith("data.pkl"))
    return archive(found | {name: b"\x80\x02" + b"N0" * (count // 2) + b"}."})


OFFSET = b"QK\x00K\x02K\x03\x86"  # of the first number, then the lengths of the tensor
HOSTILE = {
    "an offset beyond": (lambda: pickled(OFFSET, b"QK\x64K\x02K\x03\x86"), "damaged"),
    "a stride beyond": (lambda: pickled(b"K\x03K\x01\x86", b"K\x03K\x63\x86"), "damaged"),
    "an offset beyond, in pickles": (
        lambda: legacy(OFFSET, b"QK\x64K\x02K\x03\x86"),
        "damaged",
    ),
    "a length beyond, in pickles": (lambda: legacy(b"K\x06N", b"J\xff\xff\xff\x0fN"), "damaged"),
    "something behind pickles": (lambda: legacy() + b"x", "something follows it"),
    "a cut behind pickles": (lambda: legacy()[:-9], "damaged"),
    "packed members": (lambda: archive(members(), compression=zipfile.ZIP_DEFLATED), "packed"),
}


@pytest.mark.parametrize(("make", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_a_tensor_stays_within_its_numbers(make, problem, tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(make())
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(path)
    assert problem in refused.value.problem


@pytest.mark.parametrize("make", [content_of, legacy], ids=["archive", "pickles"])
def test_both_formats_of_torch_are_read(make, tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(make())
    found = read_checkpoint(path).content
    assert torch.equal(found["weight"], SAVED["weight"])


def test_pickles_that_take_long_are_not_unpickled(tmp_path):
    path = tmp_path / "w.pt"
    for content in (opcodes(3_000), b"\x80\x02" + b"N0" * 3_000):
        path.write_bytes(content)
        with (
            hybridx.limits(checkpoint_opcodes=2_000),
            pytest.raises(TooLargeError, match="more than 2000"),
        ):
            read_checkpoint(path)


def test_files_of_weights_have_limits(tmp_path):
    header = b"{" + b",".join(b'"w%d":{}' % one for one in range(9)) + b"}"
    files = {
        "w.safetensors": (len(header).to_bytes(8, "little") + header, "checkpoint_header"),
        "w.index.json": (b'{"weight_map": {"a": "b", "c": "d", "e": "f"}}', "json_values"),
    }
    for name, (content, limit) in files.items():
        (tmp_path / name).write_bytes(content)
        with hybridx.limits(**{limit: 1}), pytest.raises(TooLargeError) as refused:
            read_checkpoint(tmp_path / name)
        assert refused.value.name == limit
    with (tmp_path / "long.pt").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(CHECKPOINT_BYTES.default + 1)
    with pytest.raises(TooLargeError, match="8000000001"):
        read_checkpoint(tmp_path / "long.pt")


@pytest.mark.parametrize("name", ["weight_map", "metadata"])
def test_a_deep_index_is_refused(name, tmp_path):
    (tmp_path / "w.index.json").write_text(f'{{"{name}": {"[" * 99_999}')
    with pytest.raises(CheckpointError, match="no index of weights"):
        read_checkpoint(tmp_path / "w.index.json")


def test_a_weight_is_a_tensor_of_numbers(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(content_of(SAVED | {"weight": torch.zeros(2, 3, device="meta")}))
    with pytest.raises(CheckpointError, match="weight is a meta tensor"):
        load_checkpoint(nn.Linear(3, 2), read_checkpoint(path))
