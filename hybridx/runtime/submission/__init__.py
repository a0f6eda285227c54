"""How one submission reaches a device: repeated, cancelled, and its errors read."""
