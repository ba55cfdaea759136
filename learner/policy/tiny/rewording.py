"""Exchanges words of descriptions for similar ones, so that rounds learn more than the very words of a few people.

Others will use similar words for the same figure.
"""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

ALIKE = 8
"""Number of similar words to choose from."""
_WHOLE = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True)
class Rewording:
    """Which words may be exchanged."""

    alike: dict[int, list[int]]
    """Token id of a whole word -> those of words with similar vectors."""
    share: float
    """Share of these words that are exchanged, 0 to 1."""

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerFast,
        vectors: torch.Tensor,
        descriptions: Iterable[Sequence[int]],
        share: float,
    ) -> "Rewording":
        """For the words of `descriptions`. `vectors` [vocabulary, D]: the frozen vectors of words."""
        if not share:
            return cls({}, share)
        whole = sorted(token for word, token in tokenizer.get_vocab().items() if _WHOLE.fullmatch(word))
        own = sorted({word for words in descriptions for word in words}.intersection(whole))
        if not own or len(whole) <= ALIKE:
            return cls({}, share)
        among = torch.tensor(whole)
        directions = functional.normalize(vectors[among] - vectors[among].mean(0), dim=1).cpu()
        places = torch.searchsorted(among, torch.tensor(own))
        nearest = [(part @ directions.T).topk(ALIKE + 1).indices for part in directions[places].split(1000)]
        alike = {
            token: [near for near in row if near != token][:ALIKE]
            for token, row in zip(own, among[torch.cat(nearest)].tolist(), strict=True)
        }
        return cls(alike, share)

    def __call__(self, words: Sequence[int], dropout: float, rng: random.Random) -> tuple[int, ...]:
        """A description's token ids, at least one, reworded. A share `dropout` of them is left out; all stay if none
        would be left."""
        kept = [word for word in words if rng.random() >= dropout] or words
        return tuple(
            rng.choice(self.alike[word]) if word in self.alike and rng.random() < self.share else word
            for word in kept
        )
