"""Lets torchvision be imported beside a build of torch that its wheel does not fit."""

from __future__ import annotations

from functools import cache

import torch


@cache
def declare() -> torch.library.Library:
    """Declare the C++ operators that torchvision looks for when it is imported.

    The wheel of the package index is built for CUDA, and its C++ part does not load beside the CPU
    build of torch. Classification models call none of these operators.
    """
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
