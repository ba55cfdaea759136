"""Pretrains the tagger of the embedded model, which finds the descriptions in what is said."""

import random
from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from games.words import spoken
from learner.policy.tiny.dialogues import ScriptedSpeaker
from learner.policy.tiny.elaborations import WORDS_BETWEEN, elaborated
from learner.policy.tiny.modeling import TinyVlmForConditionalGeneration
from learner.policy.tiny.pretrain import LanguageSettings, OnProgress, set_rate, some_letters, tokenise
from learner.policy.tiny.tagger import INSIDE, tagged

SHORT_WORDS = 3
"""Half of the speakers only use descriptions of up to so many words, so that "duck, house" is not taken for one."""


class ElaboratingSpeaker(ScriptedSpeaker):
    """A speaker some of whose descriptions go on for several clauses and sentences."""

    def __init__(self, descriptions: Mapping[str, Sequence[str]], share: float, rng: random.Random) -> None:
        """`share`: of descriptions that go on."""
        super().__init__(descriptions, rng)
        self._share = share

    def describe(self, figure: str) -> str:
        words = super().describe(figure)
        if self.rng.random() >= self._share:
            return words
        return elaborated(words, self.descriptions[figure], self.rng)


def train_tagger(
    model: TinyVlmForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    descriptions: Mapping[str, Sequence[str]],
    settings: LanguageSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Train the tagger on the utterances of scripted dialogues. Loss: cross-entropy of the tags."""
    rng = random.Random(f"tagger {seed}")
    short = {
        figure: [words for words in said if len(words.split()) <= SHORT_WORDS] or said
        for figure, said in descriptions.items()
    }
    speakers = [
        ElaboratingSpeaker(of, share, rng) for of in (descriptions, short) for share in settings.elaborated
    ]
    encode = tokenise(tokenizer)
    strange, pieces = _plain_words(tokenizer), _pieces(tokenizer)
    between = frozenset(encode(spoken(WORDS_BETWEEN)))
    tagger, embed = model.model.tagger, model.get_input_embeddings()
    optimiser = torch.optim.AdamW(tagger.parameters(), weight_decay=0.01, fused=True)
    for step in range(settings.tagger_steps):
        set_rate(optimiser, settings.tagger_rate, step, settings.tagger_steps)
        rows = []
        for _ in range(settings.tagger_batch):
            for turn in rng.choice(speakers).play(some_letters(rng), settings.turns).turns:
                ids, tags = tagged(turn.utterance, encode)
                if ids:
                    rows.append(
                        _strange(ids, tags, rng.choice(settings.strange), strange, pieces, between, rng)
                    )
        lengths = torch.tensor([len(ids) for ids, _ in rows])
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids, _ in rows], batch_first=True)
        tags = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(tags) for _, tags in rows], batch_first=True, padding_value=-100
        )
        with torch.no_grad():
            vectors = embed(ids)
        logits = tagger(vectors, lengths)
        loss = functional.cross_entropy(logits.transpose(1, 2), tags)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress("tagger", step + 1, settings.tagger_steps, loss.item())


def _strange(
    ids: Sequence[int],
    tags: Sequence[int],
    share: float,
    words: list[int],
    pieces: list[int],
    kept: frozenset[int],
    rng: random.Random,
) -> tuple[list[int], list[int]]:
    """With this share of the tokens of descriptions, but for those to be kept, replaced by random words, some of them
    of several pieces."""
    said: list[int] = []
    given: list[int] = []
    for token, tag in zip(ids, tags, strict=True):
        own = [token]
        if tag and token not in kept and rng.random() < share:
            own = [rng.choice(words), *rng.choices(pieces, k=rng.choice((0, 0, 1, 2)))]
        said += own
        given += [tag, *[INSIDE] * (len(own) - 1)]
    return said, given


def _plain_words(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids of whole words."""
    return [
        id
        for word, id in sorted(tokenizer.get_vocab().items())
        if word.isalpha() and word.islower() and len(word) > 2
    ]


def _pieces(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids of pieces of words that are no beginning."""
    return [
        id for piece, id in sorted(tokenizer.get_vocab().items()) if piece[:2] == "##" and piece[2:].isalpha()
    ]
