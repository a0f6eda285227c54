"""What takes minutes to show that a file can be trusted: `make test-trust`.

Each file is one question. Nothing here is part of `make test` or `make test-slow`.
"""
