"""Rows that others divide or hand over: pieces of files for a cluster, batches of columns."""
