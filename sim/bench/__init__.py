"""Benchmarks: each measures our implementation and an alternative in one run."""
