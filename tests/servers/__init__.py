"""Servers of others, started and asked by clients of others; see `make test-servers`."""
