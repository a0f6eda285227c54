from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _fixed_inputs():
    """Every test draws the same inputs, alone or among others."""
    torch.manual_seed(0)
