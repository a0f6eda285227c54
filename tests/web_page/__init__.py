"""The page that runs a model in a browser, as it is filled; `tests/page` opens it."""
