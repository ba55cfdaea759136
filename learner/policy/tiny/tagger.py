"""Finds the descriptions of figures in what a person said, and writes it with marks around them."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from games.words import spoken
from learner.feedback.rules.decoder import rejects
from learner.feedback.rules.lexicon import DESELECT_VERBS, LOOSE_DESELECT_VERBS, REJECTIONS
from learner.policy.tiny.dialogues import Utterance
from learner.policy.tiny.modules import TAGS
from learner.policy.tiny.phrases import NOUN, ORDINAL, every_word
from learner.policy.tiny.tokenizer import AGAIN, CLOSES, OPENS

OUTSIDE, FIRST, INSIDE = range(TAGS)
"""Tags of tokens."""
STRANGE_LOGITS = 4.0
"""How much less likely a word is to stand outside of descriptions if neither a phrase of the scripted dialogues nor the
rules decoder's lists of rejections have it."""
_WORD = re.compile(r"\w+")
_COURTESY = re.compile(r",\s*\b(?:please|pls|plz)\b,|\s*\b(?:please|pls|plz)\b,?")
"""Says nothing, but the language part would have to learn that for each place in a message."""
_BARE_VERB = re.compile(
    rf"({OPENS}.*?{CLOSES})|(?<![\w-])({'|'.join(sorted(map(re.escape, DESELECT_VERBS)))})"
    r"(?=\s*(?:[.,;!?]|$|(?:[:-]\s*)?(?:and|then|next|now|pick|select|choose|find|click|get|looks?)\b(?!-)))"
)
"""A description, or else a verb that asks to deselect and has no object."""

_ARTICLES = frozenset(("a", "an", "the", "this", "that", "these"))
_FITS_ANY = frozenset(
    (*ORDINAL, *NOUN, *(f"{noun}s" for noun in NOUN), "it", "they", "is", "be", "do", "not")
)
"""Words that would fit any figure: they alone do not describe one."""


class Marker:
    """Marks the descriptions in utterances with a model's tagger."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        """`model`: a `TinyVlmModel`."""
        self._model = model
        self._encode = tokenizer.backend_tokenizer.encode
        self._framing = frozenset(
            word for text in every_word() for word in _WORD.findall(spoken(text))
        ).union(DESELECT_VERBS, LOOSE_DESELECT_VERBS, REJECTIONS)
        """Words that are said around descriptions."""
        self.marked = lru_cache(maxsize=20_000)(self._marked)
        """An utterance as `spoken` gives it without courtesies, with its descriptions between `OPENS` and `CLOSES`. If
        it rejects the last pick, `AGAIN` stands before it, and verbs that ask to deselect have an object."""

    def _marked(self, typed: str) -> str:
        utterance = _COURTESY.sub("", typed).strip()
        if not _WORD.search(utterance):
            utterance = typed
        encoding = self._encode(utterance, add_special_tokens=False)
        if not encoding.ids:
            return utterance
        with torch.inference_mode():
            vectors = self._model.get_input_embeddings()(
                torch.tensor([encoding.ids], device=self._model.device)
            )
            logits = self._model.tagger(vectors, torch.tensor([len(encoding.ids)]))[0].cpu()
        # `char_to_token` and `offsets` take a time that grows with the text, each time
        offsets = encoding.offsets
        token_of = {
            place: number for number, (start, stop) in enumerate(offsets) for place in range(start, stop)
        }
        strange = torch.zeros(len(encoding.ids))
        for word in _WORD.finditer(utterance):
            token = token_of.get(word.start())
            if token is not None and word[0] not in self._framing:
                strange[token] = STRANGE_LOGITS
        tags = (logits - strange[:, None] * torch.eye(TAGS)[OUTSIDE]).argmax(-1).tolist()
        marked, end = "", 0
        for first, last in spans(tags, [token.startswith("##") for token in encoding.tokens]):
            start, stop = offsets[first][0], offsets[last][1]
            if says_nothing(utterance[start:stop], utterance[stop:]):
                continue
            marked += f"{utterance[end:start]} {OPENS} {utterance[start:stop]} {CLOSES} "
            end = stop
        marked += utterance[end:]
        if rejects(typed):
            marked = f"{AGAIN} {_BARE_VERB.sub(lambda found: found[1] or f'{found[2]} it', marked)}"
        return " ".join(marked.split())


def says_nothing(description: str, after: str) -> bool:
    """Whether a description would fit any figure: "the other shape", or "a" where "drawing" comes `after` it."""
    words = _WORD.findall(description)
    if words and words[0] in _ARTICLES:
        rest = words[1:] or _WORD.findall(after)[:1]
        return bool(rest) and _FITS_ANY.issuperset(rest)
    return _FITS_ANY.issuperset(words)


def spans(tags: Sequence[int], continues: Sequence[bool]) -> list[tuple[int, int]]:
    """(first, last) token of each description. `continues`: whether a token is a piece of the word before it, which has
    the same tag as the word."""
    found: list[tuple[int, int]] = []
    tag = OUTSIDE
    for place, (own, continuing) in enumerate(zip(tags, continues, strict=True)):
        before = tag
        tag = (INSIDE if before else OUTSIDE) if continuing else own
        if tag == OUTSIDE:
            continue
        if tag == FIRST or before == OUTSIDE:
            found.append((place, place))
        else:
            found[-1] = (found[-1][0], place)
    return found


def tagged(utterance: Utterance, tokenise: Any) -> tuple[list[int], list[int]]:
    """(token ids, tags) of a scripted utterance."""
    ids: list[int] = []
    tags: list[int] = []
    for part in utterance:
        own = tokenise(spoken(part if isinstance(part, str) else part.text))
        ids += own
        tags += [OUTSIDE] * len(own) if isinstance(part, str) else [FIRST, *[INSIDE] * (len(own) - 1)]
    return ids, tags
