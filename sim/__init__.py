"""Simulation without Discord: simulated players, whole deployments, the demo, and benchmarks."""
