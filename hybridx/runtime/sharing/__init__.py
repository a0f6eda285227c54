"""What threads of a process share, and what a forked process must not share with its parent."""
