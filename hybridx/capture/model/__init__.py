"""A model as a function of tensors: how it is called, what it returns, in which state it runs."""
