"""Runs on Ray, with Ray itself, in an environment that pip makes: `make test-ray`."""
