"""A paid run that is killed at every one of its steps: nothing bought twice, nothing lost."""

from __future__ import annotations

import os

import pytest

from tests.runtime.submission import killed, killed_slices


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_run_that_is_killed_at_any_step_is_paid_for_once(tmp_path):
    expected = killed.prepare(tmp_path)
    steps = killed.in_child(tmp_path, 0)
    for kill_at in range(1, steps + 1):
        killed.check(tmp_path, expected, kill_at)
    print(f"{steps} kills: nothing bought twice unasked, nothing lost")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("device", killed_slices.DEVICES)
def test_a_slice_of_processes_that_are_killed_at_any_step_is_paid_for_once(device, tmp_path):
    device = killed_slices.DEVICES[device]
    expected = killed_slices.prepare(tmp_path)
    steps = killed_slices.steps_of(tmp_path, device)
    unknown = sum(
        killed_slices.check(tmp_path, expected, device, kill_at) for kill_at in range(1, steps + 1)
    )
    print(f"{steps} kills: nothing bought twice unasked, {unknown} times nobody knew")
