"""Ways to compute a circuit, one a file; `select` counts all and takes the cheapest."""
