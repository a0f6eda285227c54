"""The commands, by family: each is parsed, calls one function of `api` and prints its report."""
