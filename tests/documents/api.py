"""`docs/api.md`, generated from the public names."""

from __future__ import annotations

import inspect

import hybridx
from hybridx import models

HEAD = """\
# Python

Everything on this page is public: `hybridx.<name>` and `hybridx.models.<name>`. Names that are
not on it may change in any version.

This page is written by `make documents`.
"""


def api() -> str:
    """Return the page: each public name, to be filled from its docstring."""
    public = {name: getattr(hybridx, name) for name in hybridx.__all__}
    functions = [name for name, one in public.items() if inspect.isfunction(one)]
    classes = [name for name, one in public.items() if inspect.isclass(one)]
    values = sorted(set(public) - {*functions, *classes})
    parts = [HEAD, "## Functions\n", *map(_directive, functions)]
    parts += ["## Reports and sessions\n", *(_directive(name) for name in classes)]
    parts += ["## Constants\n", "| name | value |\n|---|---|"]
    parts += [f"| `{name}` | `{_value(public[name])}` |" for name in values]
    parts += ["\n## Reference models\n", "Names in `hybridx.models`.\n"]
    parts += [_directive(f"models.{name}") for name in sorted(models.__all__)]
    return "\n".join(parts)


def _directive(name: str) -> str:
    return f"::: hybridx.{name}\n"


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(getattr(one, "name", one)) for one in value)
    return str(value)
