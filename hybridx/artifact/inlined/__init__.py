"""Files without functions: bodies in the place of their calls, and calls made again of them."""
