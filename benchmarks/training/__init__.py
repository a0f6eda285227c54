"""The benchmark of training: `make bench-train`. A step is forward, loss, backward and Adam."""
