"""The benchmark: workloads, peers, measurements and the report on the results."""
