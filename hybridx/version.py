"""The version of this package, read from its installed metadata."""

from importlib.metadata import version

__version__ = version("hybridx")
