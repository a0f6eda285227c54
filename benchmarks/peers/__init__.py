"""Each folder is a peer: its pinned requirements and how it computes a workload."""
