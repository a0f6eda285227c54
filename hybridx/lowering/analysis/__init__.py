"""What circuits are made of, worked out in NumPy before any step of a program is written."""
