"""Which finished games a round can learn from: one that it cannot read is set aside and stops no other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from games import GAMES
from games.figures import ImageSet, open_images
from store.training import Interaction

log = structlog.get_logger(__name__)

SHOWN = 10
"""Ids of games in a log line."""


@dataclass(frozen=True)
class SetAside:
    """Games sorted into those to go on with and those that are set aside, by reason."""

    kept: list[Interaction]
    reasons: dict[str, list[str]]
    """Reason -> ids of games."""

    def counts(self) -> dict[str, int]:
        """Reason -> number of games, for the round's results. It names no game: results outlive erased ones."""
        return {reason: len(games) for reason, games in self.reasons.items()}


def set_aside(
    interactions: Sequence[Interaction], reason_of: Callable[[Interaction], str | None]
) -> SetAside:
    """Set aside the games that there is a reason to, and log which."""
    kept: list[Interaction] = []
    reasons: dict[str, list[str]] = {}
    for interaction in interactions:
        reason = reason_of(interaction)
        if reason is None:
            kept.append(interaction)
        else:
            reasons.setdefault(reason, []).append(interaction.game_id)
    for reason, games in reasons.items():
        log.warning("games set aside", reason=reason, count=len(games), games=games[:SHOWN])
    return SetAside(kept, reasons)


class Reader:
    """Says of a game why it cannot be read. Opens each image set once."""

    def __init__(self) -> None:
        self._images: dict[str, ImageSet | None] = {}

    def __call__(self, interaction: Interaction) -> str | None:
        """None for a game that can be read, and for one of a kind that is not played here, which nothing reads."""
        if interaction.game not in GAMES:
            return None
        images = self._open(interaction.images)
        if images is None:
            return f"the image set {interaction.images!r} cannot be opened"
        if not all(figure in images for figure in interaction.context):
            return f"a figure is not in the image set {interaction.images!r}"
        if _breaks_the_rules(interaction):
            return "a board, a state or an action is against the rules of the game"
        return None

    def _open(self, spec: str) -> ImageSet | None:
        if spec not in self._images:
            try:
                self._images[spec] = open_images(spec)
            except (ValueError, OSError) as error:
                log.warning("image set not opened", images=spec, error=str(error))
                self._images[spec] = None
        return self._images[spec]


def _breaks_the_rules(interaction: Interaction) -> bool:
    game, context = GAMES[interaction.game], interaction.context
    if len(context) not in game.board_sizes or len(set(context)) != len(context):
        return True
    try:
        for step in interaction.steps:
            game.selected(context, game.apply(step.state, step.action))
    except (ValueError, LookupError):  # `IllegalAction`, or a letter without a figure
        return True
    return False


def too_long(words: Callable[[Iterable[str]], int], most: int) -> Callable[[Interaction], str | None]:
    """Whether a game's utterances have more than `most` tokens, as `words` counts them."""

    def reason_of(interaction: Interaction) -> str | None:
        said = words(step.utterance for step in interaction.steps)
        return f"its utterances have more than {most:,} tokens" if said > most else None

    return reason_of
