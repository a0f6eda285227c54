"""The environment of a machine that nobody has used: an empty home, no account, new packages."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Variables of services, and any that are called a secret.
ACCOUNTS = re.compile(
    r"(AWS|AZURE|BRAKET|CLOUDSDK|GOOGLE|IBM|IBMQ|IONQ|IQM|QCS|QISKIT|QUANTINUUM|RIGETTI)_.*"
    r"|.*(API_?KEY|ACCESS_?KEY(_ID)?|CREDENTIALS?|PASSWORD|SECRET|TOKEN)",
    re.IGNORECASE,
)
# The folders of a user, below the home unless a variable names others.
FOLDERS = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
}


def fresh(variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return environment variables with an empty home and without accounts.

    What pip needs to reach its index is kept: its variables, and a configuration and a cache in
    the home of the user.

    Args:
        variables: of the process.
        home: an empty folder.
    """
    kept = {
        name: value
        for name, value in variables.items()
        if name.startswith("PIP_") or not ACCOUNTS.fullmatch(name)
    }
    return (
        _indexes_of(variables)
        | kept
        | {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}  # and nobody asks a network
        | {name: str(home / folder) for name, folder in FOLDERS.items()}
    )


def _indexes_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables that name pip's cache, and the user's configurations of pip and npm."""
    if "HOME" not in variables:
        return {}
    home = Path(variables["HOME"])
    cache = Path(variables.get("XDG_CACHE_HOME") or home / ".cache")
    config = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    found = {"PIP_CACHE_DIR": str(cache / "pip")}
    if (home / ".npmrc").is_file():
        found["NPM_CONFIG_USERCONFIG"] = str(home / ".npmrc")
    for file in (config / "pip" / "pip.conf", home / ".pip" / "pip.conf"):
        if file.is_file():
            return found | {"PIP_CONFIG_FILE": str(file)}
    return found


def made(
    home: Path, interpreter: str, requirements: Sequence[str], *, alone: bool = False
) -> Path | None:
    """Return the Python of a virtual environment with hybridx, or None if it cannot be made.

    It is kept, and made again when the requirements change.

    Args:
        home: its folder.
        interpreter: the Python that makes it.
        requirements: what pip installs; of hybridx nothing is installed beside it.
        alone: nothing but the requirements, without hybridx.
    """
    python, wanted = home / "bin" / "python", "\n".join(requirements)
    installed = home / "requirements.txt"
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    commands = [
        [interpreter, "-m", "venv", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", *requirements],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--editable", str(ROOT)],
    ]
    for command in commands[:-1] if alone else commands:
        if subprocess.run(command, check=False).returncode:
            return None
    installed.write_text(wanted, encoding="utf-8")
    return python
