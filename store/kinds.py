"""The values of columns that have a few: origins, consents, statuses, reasons."""

from enum import StrEnum


class Origin(StrEnum):
    """Where a game was played. Whether it may be trained on depends on it (`store.training`)."""

    DISCORD = "discord"
    LOCAL = "local"
    """On the local Discord-compatible service, by a person through the browser page or a simulated player."""
    SIMULATED = "simulated"
    IMPORTED = "imported"
    """Played elsewhere and read from a file. The operator who imported it is responsible for the right to use
    it."""


class ConsentKind(StrEnum):
    """The separate choices of a player."""

    TRAINING = "training"
    RESEARCH = "research"
    UNLISTED = "unlisted"
    """Not to be listed on leaderboards."""


class EndReason(StrEnum):
    """Why a game ended before it was won or lost."""

    PLAYER = "player"
    MODERATOR = "moderator"
    IDLE = "idle"
    THREAD = "thread"
    """Its thread or channel was deleted."""
    ERASED = "erased"
    """Its player, or one of its team, erased everything."""


class GameEventKind(StrEnum):
    """What happened in a game (`GameEvent`)."""

    BOARD = "board_shown"
    EDITED = "edited"
    """A message of a player was edited, before it was played or after."""
    WITHDRAWN = "withdrawn"
    """A message of a player was deleted, before it was played or after."""
    SAID_AFTER = "said_after_end"


class RoundStatus(StrEnum):
    """The status of a round."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RoundAction(StrEnum):
    """What was done about rounds and adapters (`RoundEvent`)."""

    CANCEL = "cancel"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    SCHEDULE = "schedule"
    REQUEST = "request"
    """A moderator asked for something that the owner decides."""
    CONFIRM = "confirm"
    REFUSE = "refuse"
    """Such a request was confirmed or refused."""
    GAIN = "gain"
    """The bot reported how much better an adapter plays than the one before it."""
    AFFECTED = "affected"
    """The bot found that the adapter in use learnt from what may no longer be used: its deadline begins."""


class AdapterStatus(StrEnum):
    """The status of an adapter. At most one is current; if none is, new games use the base model."""

    CANDIDATE = "candidate"
    CURRENT = "current"
    RETIRED = "retired"
    REJECTED = "rejected"


class Correctness(StrEnum):
    """A person's judgement of an action: whether it did what was asked for."""

    CORRECT = "correct"
    PARTLY = "partially_correct"
    INCORRECT = "incorrect"


class Satisfaction(StrEnum):
    """A person's judgement of the next utterance, in the words of the paper's data set: whether the speaker was
    satisfied with the action."""

    YES = "yes"
    NO = "no"
    INCORRECT = "incorrect_satisfaction"
    """Satisfied, although the action was incorrect."""
    PARTLY = "partial_correctness_satisfaction"
    """Satisfied with an action that was only partly correct."""
