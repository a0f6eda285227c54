"""The peers: each folder has pinned requirements and a program that computes workloads."""
