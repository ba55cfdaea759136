"""What all tests share."""

import os

os.environ.setdefault("RESPECT_SEED_GAMES", "none")
"""Rounds are quicker on what was played alone. `tests/learner/test_seed.py` tests rounds with seed games."""
