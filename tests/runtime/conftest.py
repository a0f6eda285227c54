"""Fixtures that several tests of the runtime share."""

from tests.runtime.installed import without_plugins

__all__ = ["without_plugins"]
