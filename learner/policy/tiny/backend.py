"""The backend of the embedded model: packed inference, adapters that include the matcher, and grounding as warm
start."""

import hashlib
import random
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch

from games.words import emoji_named, spoken
from learner.examples.labels import TrainingGame
from learner.examples.seed import SeedError
from learner.feedback.rules.lexicon import DESELECT_VERBS
from learner.policy.backend import LoraTargets, Span, Trainee, WarmStart, WarmStartSettings
from learner.policy.hf import HfBackend
from learner.policy.tiny.engine import PackedEngine
from learner.policy.tiny.grounding import Grounding, Reference, known_references
from learner.policy.tiny.known import KnownDescriptions, known_words, read_known
from learner.policy.tiny.matcher import Matching
from learner.policy.tiny.spelling import Speller
from learner.policy.tiny.tagger import Marker
from learner.registry import LANGUAGE_LAYERS

log = structlog.get_logger(__name__)

MATCHER = r"model\.matcher\.(words|query|key)"
"""Modules of the matcher, which adapters change too."""
MATCHER_RANK_FACTOR = 8
"""Factor on the LoRA rank for those modules: names of hundreds of figures do not fit into a low rank."""


class TinyBackend(HfBackend):
    """See `Backend`."""

    pads = False
    learns_from_rejections = True

    def __init__(self, model: Any, processor: Any, fingerprint: str, folder: Path) -> None:
        lora = LoraTargets(rf"{LANGUAGE_LAYERS}|{MATCHER}", {MATCHER: MATCHER_RANK_FACTOR})
        super().__init__(model, processor, fingerprint, model.config.image_size, lora)
        self.matching = Matching(model.model)
        self._marker = Marker(model.model, processor.tokenizer)
        self._speller = Speller(processor.tokenizer.get_vocab(), lambda: self._words_of_the_game)
        self._engine = PackedEngine(model)
        self._folder = folder

    def spell(self, utterance: str) -> str:
        """See `Backend`. In lower case, because capital letters are labels of figures, with marks around descriptions,
        and without typing errors, but for those in other scripts."""
        words = spoken(utterance)
        return self._marker.marked(
            self._speller.corrected(words) if emoji_named(utterance).isascii() else words
        )

    def step(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """See `Backend`."""
        return self._engine.run(spans, self._embeddings(spans))

    def forget(self, adapter: str | None = None) -> None:
        """See `Backend`."""
        self._engine.forget(adapter)

    def reusable(self, ids: Sequence[int]) -> int:
        """See `Backend`. A token that opens a description depends on the words up to the one that closes it."""
        config = self.model.config
        for place in range(len(ids) - 1, -1, -1):
            if ids[place] == config.closes_token_id:
                break
            if ids[place] == config.opens_token_id:
                return place
        return len(ids)

    def rehearsed(self) -> str:
        """See `Backend`."""
        return hashlib.sha256(self._known.model_dump_json().encode()).hexdigest()

    def warm_start(
        self,
        trainee: Trainee,
        games: Sequence[TrainingGame],
        settings: WarmStartSettings,
        rng: random.Random,
        share: Callable[[], None],
    ) -> WarmStart:
        """See `Backend`. Trains the matcher (`learner.policy.tiny.grounding`)."""
        tokenizer = self.processor.tokenizer
        grounding = Grounding(self.matching, trainee, tokenizer, self._known_references)
        losses = grounding.train(games, settings, rng)
        share()
        return WarmStart(tuple(losses), grounding.reweighted(games) if losses else list(games))

    @cached_property
    def _words_of_the_game(self) -> dict[str, int]:
        """Verbs that ask to deselect, and words of descriptions, with how often they occur there."""
        try:
            described = known_words(self._folder)
        except SeedError as error:  # a round says so too, and play does without
            log.warning("typing errors in descriptions are not corrected", error=str(error))
            described = {}
        return {**dict.fromkeys(DESELECT_VERBS, 0), **described}

    @cached_property
    def _known(self) -> KnownDescriptions:
        """Read when a round asks for it: play does without."""
        return read_known(self._folder)

    @cached_property
    def _known_references(self) -> Sequence[Reference]:
        return known_references(self._known, self.processor.tokenizer)

    def _embeddings(self, spans: Sequence[Span]) -> list[torch.Tensor]:
        """[n, D] embeddings of the new tokens of each span. That of a summary token depends on the prompt before
        it."""
        draft = self._embed([span.draft for span in spans], left=False)
        embeddings = [draft[i, : len(span.draft)] for i, span in enumerate(spans)]
        if not any(span.unseen for span in spans):
            return embeddings
        features = torch.cat([span.features.rows() for span in spans])
        prompts = self._embed([span.prompt for span in spans], left=True, features=features)
        return [
            torch.cat([prompts[i, -span.unseen :], own]) if span.unseen else own
            for i, (span, own) in enumerate(zip(spans, embeddings, strict=True))
        ]

    def _embed(
        self, rows: Sequence[Sequence[int]], left: bool, features: torch.Tensor | None = None
    ) -> torch.Tensor:
        """[B, L, D] input embeddings of token ids, padded at the left or at the right."""
        ids = np.full((len(rows), max(map(len, rows))), self.pad_id)
        for i, row in enumerate(rows):
            ids[i, slice(-len(row), None) if left else slice(len(row))] = row
        device = self.model.device
        if features is not None:
            features = features.to(device, self.model.dtype)
        return self.model.model.merge_embeddings(torch.from_numpy(ids).to(device), features)
