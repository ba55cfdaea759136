"""Speakers who never repeat themselves or each other: each words of a figure are said once in a deployment.

A listener that learns whole descriptions by heart gains nothing with them. In everything else they are `people`.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from sim.players.people import PeoplePlayer, Personality, draw_personality
from sim.players.view import View


@dataclass
class _Deck:
    """The words of one figure: those that are left of this pass, in the order in which they will be said."""

    words: tuple[str, ...]
    left: list[str] = field(default_factory=list)
    passes: int = 0


class DescriptionDecks:
    """The words of every figure, dealt out to all players of a deployment without repetition.

    The order of a figure's words depends on the seed alone. When all were said, they are dealt again in a new order.
    """

    def __init__(self, seed: float) -> None:
        self._seed = seed
        self._decks: dict[tuple[str, tuple[str, ...]], _Deck] = {}
        self.said = 0
        """Descriptions so far."""
        self.repeated = 0
        """Of them, those whose words had been said of the same figure before."""

    def deal(self, figure: str, known: Sequence[str], avoid: Sequence[Collection[str]]) -> str:
        """The next words of a figure out of `known`, all its descriptions.

        Of those that are left, the first that is in none of `avoid`; failing that, in all of them but the last, and
        so on.
        """
        deck = self._decks.setdefault((figure, tuple(known)), _Deck(_different(known)))
        if not deck.left:
            order = random.Random(f"{self._seed}/{figure}/{deck.passes}")
            deck.left = order.sample(deck.words, len(deck.words))
            deck.passes += 1
        choice = deck.left
        for count in range(len(avoid), 0, -1):
            unwanted = set().union(*avoid[:count])
            if fitting := [text for text in deck.left if text not in unwanted]:
                choice = fitting
                break
        text = choice[0]
        deck.left.remove(text)
        self.said += 1
        self.repeated += deck.passes > 1
        return text


def _different(known: Sequence[str]) -> tuple[str, ...]:
    """Descriptions that differ in more than case, spaces and a full stop."""
    return tuple({" ".join(text.split()).rstrip(".").casefold(): text for text in reversed(known)}.values())


class FreshPlayer(PeoplePlayer):
    """A person whose descriptions are dealt out, so that how wordy somebody is plays no part."""

    def __init__(
        self,
        rng: random.Random,
        descriptions: dict[str, list[str]],
        words: DescriptionDecks,
        personality: Personality,
    ) -> None:
        super().__init__(rng, descriptions, personality)
        self._words = words

    def _chosen(self, figure: str, known: list[str], view: View) -> str:
        used = self._used.setdefault(figure, [])
        avoid: list[Collection[str]] = [used]
        if self._happens(self.personality.careful):
            avoid.append(self._said_of_others(figure, view))
        text = self._words.deal(figure, known, avoid)
        used.append(text)
        return text


class FreshPlayers:
    """Makes the players of one deployment (`sim.players.view.PlayerFactory`); they share their words.

    The seed of the words comes from the first player's generator, which is left as it was.
    """

    def __init__(self) -> None:
        self._words: DescriptionDecks | None = None

    def __call__(self, rng: random.Random, descriptions: dict[str, list[str]]) -> FreshPlayer:
        words = self._shared(rng)
        return FreshPlayer(rng, descriptions, words, draw_personality(rng))

    def poison(self, rng: random.Random, descriptions: dict[str, list[str]]) -> FreshPlayer:
        """One who poisons the feedback, with the same words."""
        words = self._shared(rng)
        return FreshPlayer(rng, descriptions, words, replace(draw_personality(rng), poison=True))

    @property
    def counts(self) -> tuple[int, int]:
        """(descriptions said, those of them that had been said before)."""
        return (self._words.said, self._words.repeated) if self._words else (0, 0)

    def _shared(self, rng: random.Random) -> DescriptionDecks:
        if self._words is None:
            peek = random.Random()
            peek.setstate(rng.getstate())
            self._words = DescriptionDecks(peek.random())
        return self._words
