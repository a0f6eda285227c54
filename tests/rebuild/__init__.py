"""The way back: files as torch modules."""
