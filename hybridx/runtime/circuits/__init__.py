"""The circuits of a file by themselves: what each gives, and whether its compiled body agrees."""
