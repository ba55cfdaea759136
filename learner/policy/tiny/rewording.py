"""Varies the words of descriptions as strangers vary them, so that rounds learn what a figure looks like rather than the
very words of a few people.

Others will use similar words, and more or fewer words that say nothing of the figure ("the one that looks a bit like
a candle").
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from games.words import spoken
from learner.policy.tiny.elaborations import WORDS_BETWEEN
from learner.policy.tiny.phrases import every_word
from learner.policy.tiny.tokenizer import token_bags

FRAMED, MOST_FRAMING = 0.5, 6
"""Share of descriptions that get words that say nothing of a figure, and the maximum number of these words."""
REPLACED, ALIKE = 0.1, 8
"""Share of words that are replaced by one with a similar vector, and the number of similar words to choose from."""
_WORD = re.compile(r"\w+")
_WHOLE = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True)
class Rewording:
    """What words may be added and exchanged."""

    framing: Sequence[Sequence[int]]
    """Token ids of each word that is said around descriptions and between their parts."""
    alike: dict[int, list[int]]
    """Token id of a whole word -> those of words with similar vectors."""

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerFast, vectors: torch.Tensor, descriptions: Iterable[Sequence[int]]
    ) -> "Rewording":
        """For the words of `descriptions`. `vectors` [vocabulary, D]: the frozen vectors of words."""
        framing = {word for text in (*every_word(), WORDS_BETWEEN) for word in _WORD.findall(spoken(text))}
        whole = sorted(token for word, token in tokenizer.get_vocab().items() if _WHOLE.fullmatch(word))
        own = sorted({word for words in descriptions for word in words}.intersection(whole))
        alike = dict(zip(own, _nearest(vectors, own, whole), strict=True)) if len(whole) > ALIKE else {}
        return cls(token_bags(tokenizer, sorted(framing)), alike)

    def __call__(self, words: Sequence[int], dropout: float, rng: random.Random) -> list[int]:
        """A description's token ids, at least one, reworded. A share `dropout` of them is left out; at least one
        stays."""
        kept = [word for word in words if rng.random() >= dropout] or [rng.choice(words)]
        said = [
            rng.choice(self.alike[word]) if word in self.alike and rng.random() < REPLACED else word
            for word in kept
        ]
        if rng.random() < FRAMED:
            said += [
                token for _ in range(rng.randint(1, MOST_FRAMING)) for token in rng.choice(self.framing)
            ]
        return said


def _nearest(vectors: torch.Tensor, own: Sequence[int], whole: Sequence[int]) -> list[list[int]]:
    """For each token of `own` the `ALIKE` most similar others of `whole`, which contains them."""
    among = torch.tensor(whole)
    directions = functional.normalize(vectors[among] - vectors[among].mean(0), dim=1)
    places = torch.searchsorted(among, torch.tensor(own, dtype=among.dtype))
    nearest = [(part @ directions.T).topk(ALIKE + 1).indices for part in directions[places].split(1000)]
    return [
        [near for near in row if near != token][:ALIKE]
        for token, row in zip(own, among[torch.cat(nearest)].tolist() if nearest else [], strict=True)
    ]
