"""What goes into a feedback decoder and what comes out. It has no field for targets: no decoder sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from games.core import Change, Game, Step, change_of

Scheme = Literal["binary", "ternary"]
"""Binary: positive or negative, neutral-sounding counts as negative. Ternary adds neutral."""

Label = Literal[-1, 0, 1]
"""+1 positive, 0 neutral (ternary only), -1 negative."""

LABEL_NAMES: dict[Label, str] = {1: "positive", 0: "neutral", -1: "negative"}


@dataclass(frozen=True)
class Exchange:
    """One turn seen from the next one (METHOD: "Retrospection")."""

    utterance: str
    """What the speaker asked for in this turn."""
    action: str
    """What the listener did, as `games.core.Game` writes actions."""
    next_utterance: str
    """What the speaker said after it: the feedback to decode."""
    change: Change
    """What `action` did."""
    max_targets: int
    """Of the game."""
    setting: str
    """Who sees and does what in the game (`games.core.Words.setting`)."""
    previous_action: str = ""
    """The action of the turn before, empty on the first turn."""
    earlier: tuple[str, ...] = ()
    """Utterances of the turns before this one, oldest first."""


def exchange_of(game: Game, context: Sequence[str], steps: Sequence[Step], said: str) -> Exchange:
    """The last of `steps` with what was said after it. Raises `IllegalAction` if the game does not allow its action."""
    *earlier, step = steps
    return Exchange(
        utterance=step.utterance,
        action=step.action,
        next_utterance=said,
        change=change_of(game, context, step.state, step.action),
        max_targets=game.max_targets,
        setting=game.words.setting,
        previous_action=earlier[-1].action if earlier else "",
        earlier=tuple(past.utterance for past in earlier),
    )


@dataclass(frozen=True)
class Verdict:
    """What one decoder read out of one exchange."""

    label: Label
    confidence: float
    """The decoder's own probability of `label`, 0 to 1. It may lie below one half: a doubtful action is not
    called positive even where it is more likely right than wrong."""
    decoder: str
    version: str
    """Changes whenever the same exchange could be decoded differently."""
    scheme: Scheme
    p_positive: float
    """The decoder's probability that the action was right, 0 to 1."""
    cue: str = ""
    """What the decoder went by, for audits."""


class Confident(Protocol):
    """What has a confidence: a `Verdict`, or its row in the store."""

    @property
    def confidence(self) -> float: ...


def says_something(verdict: Confident | None) -> bool:
    """Whether there is a verdict, and one to learn from: a confidence of 0 means that nothing was recognised."""
    return verdict is not None and verdict.confidence > 0


class Decoder(Protocol):
    """Reads feedback out of finished exchanges. Never raises for what people may type."""

    name: str
    version: str
    scheme: Scheme

    def decode(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict for each exchange, in order."""
        ...
