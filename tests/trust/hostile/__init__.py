"""Files of an enemy, and what a command may make of one."""
