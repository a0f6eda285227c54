"""`python -m hybridx` is the command `hybridx`."""

from hybridx.cli import main

main()
