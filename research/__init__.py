"""Tools for research: reports over finished games, and games read from files for replay or training.

Targets are read for evaluation only: training reads its games from the store, without targets.
"""
