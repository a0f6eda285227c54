"""Forms of data files, one file each: read in slices, and written from slices."""
