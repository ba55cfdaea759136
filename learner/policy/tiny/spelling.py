"""Corrects typing errors in the words that figures are described with.

The tokenizer writes an unknown word as pieces, which mean nothing together: "butterlfy" would be any figure.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache

from spellchecker import SpellChecker

SHORTEST = 5
"""Letters of the shortest word that is corrected: shorter ones have too many neighbours."""
_WORDS = re.compile(r"[a-z]+")
_WORD = re.compile(rf"(?<![\w'-])[a-z]{{{SHORTEST},}}(?![\w'-])")


@cache
def english() -> SpellChecker:
    """English words with their frequencies. Loading them takes a second, so it waits for the first unknown word."""
    return SpellChecker(language="en", distance=1)


class Speller:
    """Corrects words that nobody knows to a word of the game that is one error away."""

    def __init__(self, words: Iterable[str], of_the_game: Callable[[], Mapping[str, int]]) -> None:
        """`words`: words that are left alone, as English ones are. `of_the_game`: words that people use in it, with how
        often they occur in descriptions; called when they are needed."""
        self._words = frozenset(words)
        self._of_the_game = of_the_game
        self._corrected = lru_cache(maxsize=20_000)(self._correct)

    def corrected(self, utterance: str) -> str:
        """An utterance as `spoken` gives it, without typing errors. The number of words stays.

        One of which half of the words, or more, remain unknown is left alone: it is in another language.
        """
        corrected = _WORD.sub(lambda found: self._corrected(found[0]), utterance)
        said = _WORDS.findall(corrected)
        strange = sum(len(word) >= SHORTEST and not self._known(word) for word in said)
        return utterance if 2 * strange >= len(said) else corrected

    def _known(self, word: str) -> bool:
        return word in self._words or word in self._of_the_game() or _is_english(word)

    def _correct(self, word: str) -> str:
        if self._known(word):
            return word
        used = self._of_the_game()
        # people seldom mistype the first letter
        near = [other for other in english().edit_distance_1(word) if other[0] == word[0] and other in used]
        return max(near, key=lambda other: (used[other], english()[other], other), default=word)


@lru_cache(maxsize=20_000)
def _is_english(word: str) -> bool:
    """Whether it is an English word, or one without its apostrophe: "wasnt"."""
    return word in english() or any(f"{word[:at]}'{word[at:]}" in english() for at in range(1, len(word)))
