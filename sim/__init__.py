"""A world without Discord: simulated players and a local Discord-compatible service."""
