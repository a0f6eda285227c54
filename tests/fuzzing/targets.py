"""All targets by name."""

from __future__ import annotations

from tests.fuzzing import commands, data_files, model_files

TARGETS = {one.name: one for one in (*model_files.TARGETS, *data_files.TARGETS, *commands.TARGETS)}
