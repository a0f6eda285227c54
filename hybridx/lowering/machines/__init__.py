"""What work takes on each kind of machine: one table of numbers a file."""
