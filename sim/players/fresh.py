"""Speakers who do not repeat descriptions: each description of a figure is used once in a deployment.

A listener cannot gain by memorising whole descriptions. Otherwise these players are like `people`.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sim.players.people import PeoplePlayer, Personality, draw_personality
from sim.players.view import View


@dataclass
class _Deck:
    """The descriptions of one figure that are left in this pass, in order of use."""

    words: tuple[str, ...]
    left: list[str] = field(default_factory=list)
    passes: int = 0


class DescriptionDecks:
    """Deals the descriptions of every figure to all players of a deployment without repetition.

    The order of a figure's descriptions depends only on the seed. When all were used, they are dealt again in a new
    order.
    """

    def __init__(self, seed: float) -> None:
        self._seed = seed
        self._decks: dict[tuple[str, tuple[str, ...]], _Deck] = {}
        self.said = 0
        """Number of descriptions dealt."""
        self.repeated = 0
        """Number of those that had been dealt for the same figure before."""

    def deal(self, figure: str, known: Sequence[str], avoid: Sequence[Collection[str]]) -> str:
        """The next description of a figure, of all its descriptions `known`.

        It is the first one left that is in no collection of `avoid`; if there is none, the last collection is
        ignored, and so on.
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
    """A person whose descriptions are dealt, independent of `Personality.wordy`."""

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
    """Makes the players of one deployment (`sim.players.view.PlayerFactory`); they share the descriptions. Their
    seed is drawn from the first player's generator without changing its state.
    """

    def __init__(self) -> None:
        self._words: DescriptionDecks | None = None

    def __call__(self, rng: random.Random, descriptions: dict[str, list[str]]) -> FreshPlayer:
        words = self._shared(rng)
        return FreshPlayer(rng, descriptions, words, draw_personality(rng))

    @property
    def counts(self) -> tuple[int, int]:
        """(number of descriptions, number of those that had been used before)."""
        return (self._words.said, self._words.repeated) if self._words else (0, 0)

    def _shared(self, rng: random.Random) -> DescriptionDecks:
        if self._words is None:
            peek = random.Random()
            peek.setstate(rng.getstate())
            self._words = DescriptionDecks(peek.random())
        return self._words
