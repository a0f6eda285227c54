"""Write `conformance.toml` anew: `python -m tests.backend`; read the difference."""

from __future__ import annotations

from tests.backend import conformance

if __name__ == "__main__":
    conformance.TABLE.write_text(conformance.found())
