"""What gives a torch module: a model with its circuits compiled, and a file made one again."""
