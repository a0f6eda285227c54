"""Coverage-guided fuzzing of all that reads what others wrote: `python -m tests.fuzzing`."""
