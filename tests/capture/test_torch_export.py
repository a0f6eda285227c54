"""What torch.export is told about open axes."""

from __future__ import annotations

import torch

from hybridx.capture.torch_export import from_two


def test_axes_are_two_long_or_longer_and_keep_their_bounds():
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time", min=4, max=9)
    shapes = from_two(({0: batch, 1: time}, {}, {1: batch}))
    assert [[*one] for one in shapes] == [[0, 1], [], [1]]
    assert (shapes[0][0].min, shapes[0][1].min, shapes[0][1].max) == (2, 4, 9)
    assert shapes[0][0] is shapes[2][1]
    assert shapes[0][0].__name__ == "batch"
