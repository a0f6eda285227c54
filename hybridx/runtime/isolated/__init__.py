"""A model file run in a process of its own, so that its end is an error of this one."""
