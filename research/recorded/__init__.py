"""Finished games read from a file: replayed to evaluate a policy, or imported into the store for training.

Targets are read for the rules and for evaluation only: training reads its games from the store, without targets.
"""

from research.recorded.importing import Imported, import_games
from research.recorded.judgements import RecordedJudgements, read_judgements
from research.recorded.reading import RecordedGame, read_games
from research.recorded.replay import ReplayScores, replay, score_replay

__all__ = [
    "Imported",
    "RecordedGame",
    "RecordedJudgements",
    "ReplayScores",
    "import_games",
    "read_games",
    "read_judgements",
    "replay",
    "score_replay",
]
