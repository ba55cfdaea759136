"""Finished games read from a file: replayed to measure a policy, or put into the store to learn from.

It reads targets, for the rules and for evaluation only: training gets its games from the store, without them.
"""

from research.recorded.importing import Imported, import_games
from research.recorded.reading import RecordedGame, read_games
from research.recorded.replay import ReplayScores, replay, score_replay

__all__ = ["Imported", "RecordedGame", "ReplayScores", "import_games", "read_games", "replay", "score_replay"]
