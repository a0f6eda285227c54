"""The page of `hybridx page` in Chromium: `make test-page`."""
