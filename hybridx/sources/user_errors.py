"""Errors that the user's own code raises, with its line and with what helps."""

from __future__ import annotations

import ast
from pathlib import Path

from hybridx.capture import line_of_user
from hybridx.errors import SourceRaisesError, first_line


def raised_on_import(source: str, error: BaseException) -> SourceRaisesError:
    """Return the error of a user's module that cannot be imported.

    Args:
        source: the SOURCE.
        error: that its import raised.
    """
    if isinstance(error, SyntaxError):
        raised = f"SyntaxError: {error.msg}"
        place = f"{error.filename}:{error.lineno}"
        return SourceRaisesError(source, raised, place, "correct this line")
    raised = f"{type(error).__name__}: {first_line(error)}"
    place = line_of_user(error) or "a file of a library"
    return SourceRaisesError(source, raised, place, _advice(error))


def _advice(error: BaseException) -> str:
    match error:
        case SystemExit():
            return (
                "put what reads arguments and what ends the program under "
                'if __name__ == "__main__":, so that the file can be imported'
            )
        case ImportError() if "relative import" in str(error):
            return (
                "name the module by its package, package.module:attribute, in the folder that "
                "contains the package"
            )
        case ModuleNotFoundError() if error.name:
            top = error.name.partition(".")[0]
            return f"install {top}, or run hybridx where the model was written and {top} is found"
    return (
        "mend this line, or put what is not needed to make the model under "
        'if __name__ == "__main__":'
    )


def is_made_by_main(place: str, name: str) -> bool:
    """Return whether a file sets a name only where it runs as a program, not where it is imported.

    Args:
        place: the part of a SOURCE before the colon.
        name: the part behind it.
    """
    if not place.endswith(".py"):
        return False
    tree = ast.parse(Path(place).read_bytes())
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for block in tree.body
        if isinstance(block, ast.If) and "__main__" in ast.unparse(block.test)
        for node in ast.walk(block)
    )
