"""The core of the tests with other versions of the libraries that hybridx stands on."""
