"""The second reader, `web/reader`, which knows the format from the documents alone."""
