"""Write the golden files of today's formats anew: `python -m tests.golden`; read the difference."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.golden.files import SUMS, check_layout, newest, sums, write


def main() -> None:
    """Write every file, but none whose layout is not that of the file it replaces."""
    for name, golden in newest().items():
        with tempfile.TemporaryDirectory() as folder:
            new = Path(folder) / golden.name
            write(name, new)
            if golden.exists():
                check_layout(name, new, golden)
            if new.is_dir():
                shutil.rmtree(golden, ignore_errors=True)
                shutil.copytree(new, golden)
            else:
                golden.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(new, golden)
        print(golden.name)
    SUMS.write_text(sums(), encoding="utf-8")


if __name__ == "__main__":
    main()
