"""For researchers: reports over finished games, and games read from files to replay or to learn from.

It reads targets, for evaluation alone: training gets its games from the store, without them.
"""
