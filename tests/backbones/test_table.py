"""Of the backbones nine in ten export, and the others say why."""

from __future__ import annotations

from hybridx import errors
from tests.backbones.models import BACKBONES


def test_at_least_nine_of_ten_export():
    assert sum(not backbone.refused for backbone in BACKBONES) >= 0.9 * len(BACKBONES)


def test_what_is_refused_has_a_code_and_a_reason():
    codes = {error.code for error in vars(errors).values() if hasattr(error, "code")}
    for backbone in BACKBONES:
        assert bool(backbone.refused) == bool(backbone.reason)
        assert not backbone.refused or backbone.refused in codes


def test_each_backbone_has_its_own_name():
    names = [(backbone.library, backbone.name) for backbone in BACKBONES]
    assert len(set(names)) == len(names)
