"""Write the golden files of today's formats that are not there: `python -m tests.golden`."""

from __future__ import annotations

from tests.golden.files import SUMS, newest, sums, write
from tests.golden.schemas import write_missing


def main() -> None:
    """Write the files that are missing; what is there was written once and stays."""
    for name, golden in newest().items():
        if not golden.exists():
            golden.parent.mkdir(parents=True, exist_ok=True)
            write(name, golden)
            print(golden.relative_to(golden.parents[1]))
    write_missing()
    SUMS.write_text(sums(), encoding="utf-8")


if __name__ == "__main__":
    main()
