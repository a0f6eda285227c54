"""What is measured, by whom, and how the results are told."""
