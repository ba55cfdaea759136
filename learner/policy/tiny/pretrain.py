"""Pretrains the embedded model from scratch, but for its tagger (`learner.policy.tiny.tagger_training`).

The language part learns from scripted dialogues, without figures. The encoder and the matcher's words learn from
figures with descriptions.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from games.figures.images import ImageSet
from games.letters import DESELECT, LETTERS, SELECT, selection_in_words
from games.words import spoken
from learner.feedback.rules.decoder import rejects
from learner.policy.tiny.dialogues import Description, Dialogue, ScriptedSpeaker, in_words
from learner.policy.tiny.modeling import TinyVlmForConditionalGeneration
from learner.policy.tiny.scripted_games import BOARD
from learner.policy.tiny.tokenizer import ACT, AGAIN, CLOSES, END, IMAGE, OPENS, SUMMARY, WORD

OnProgress = Callable[[str, int, int, float], None]
"""Called with (stage, steps done, steps in all, loss)."""

BATCHES_AT_A_TIME = 8
DESCRIPTION_TOKENS = (1, 2, 2, 3, 3, 4, 5, 6, 8, 12)
"""Lengths of descriptions, in tokens. The language part must not take a long one for two."""
LENGTH_STEP = 16
"""Dialogues are padded to a multiple of this number of tokens, because oneDNN caches code for every length that
occurs."""


@dataclass(frozen=True)
class AlignSettings:
    """Hyper-parameters of `align`. The defaults take a few minutes on one core."""

    steps: int = 900
    batch: int = 192
    """Figures."""
    rate: float = 2e-3
    said: int = 8
    """Descriptions of each figure in a batch. Words are many and cost little, pictures are few and cost much."""
    temperature: float = 0.2
    """Temperature of the contrastive alignment. Descriptions fit several figures, so a lower one overfits to the
    training figures."""
    dropout: float = 0.4
    """Share of the words of a description that are left out."""
    views: int = 8
    """Number of slightly rotated and shifted pictures of each figure."""


@dataclass(frozen=True)
class LanguageSettings:
    """Hyper-parameters of `train_tagger` and `train_language`. The defaults take about two hours on one
    core."""

    tagger_steps: int = 3000
    tagger_batch: int = 16
    """Dialogues."""
    tagger_rate: float = 2e-3
    strange: tuple[float, ...] = (0.0, 0.2, 0.5, 1.0)
    """Share of the words of an utterance's descriptions that are replaced by random ones, one of these for each
    utterance, so that the tagger finds words that nobody has said before."""
    steps: int = 6000
    batch: int = 16
    """Dialogues."""
    rate: float = 1e-3
    turns: int = 9
    """Maximum number of turns of a dialogue."""
    unmarked: float = 0.05
    """Share of messages whose descriptions are not marked, as if the tagger had missed them."""


def pictures(images: ImageSet, ids: Sequence[str], size: int) -> torch.Tensor:
    """[n, 3, size, size] rasters in 0..1, as the processor returns them."""
    rasters = [np.asarray(images.raster(figure, size), dtype=np.float32) / 255 for figure in ids]
    return torch.from_numpy(np.stack(rasters)).permute(0, 3, 1, 2).contiguous()


def jitter(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The pictures rotated by up to 7 degrees, scaled by up to 10% and shifted by up to 5%."""
    n = len(pixels)
    angle, scale, x, y = (torch.rand(4, n, generator=generator) * 2 - 1) * torch.tensor(
        [[math.radians(7)], [0.1], [0.1], [0.1]]
    )
    cos, sin = torch.cos(angle) * (1 + scale), torch.sin(angle) * (1 + scale)
    matrix = torch.stack([torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)], 1)
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return 1 - functional.grid_sample(1 - pixels, grid, align_corners=False)


def align(
    model: TinyVlmForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    pixels: torch.Tensor,
    descriptions: Sequence[Sequence[str]],
    settings: AlignSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Align encoder and the matcher's words on (figure, description) pairs with a symmetric InfoNCE loss.

    A word's vector is a learnt linear map of its embedding, plus a learnt difference for words that occur in
    descriptions. Afterwards the matched features are standardised over all figures.
    """
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    encoder, vectors = model.model.vision_model, model.get_input_embeddings().weight.detach()
    bags = [
        [ids for words in of if (ids := tokenizer.encode(spoken(words), add_special_tokens=False))]
        for of in descriptions
    ]
    with torch.no_grad():
        views = [encoder.patches(pixels)]
        views += [encoder.patches(jitter(pixels, generator)) for _ in range(settings.views - 1)]
        seen = torch.stack(views, 1)
    width = vectors.shape[1]
    key = torch.nn.Linear(model.config.feature_size, width, bias=False)
    mapped = torch.nn.Linear(width, width, bias=False)
    own = torch.nn.Embedding(len(vectors), width)
    torch.nn.init.zeros_(own.weight)
    optimiser = torch.optim.AdamW(
        [p for part in (encoder, key, mapped, own) for p in part.parameters()], weight_decay=0.02, fused=True
    )
    batch = min(settings.batch, len(bags))
    same = torch.arange(batch)
    for step in range(settings.steps):
        set_rate(optimiser, settings.rate, step, settings.steps)
        chosen = rng.sample(range(len(bags)), batch)
        said = [
            _thinned(rng.choice(bags[i]), settings.dropout, rng) for _ in range(settings.said) for i in chosen
        ]
        offsets = torch.tensor([0, *map(len, said[:-1])]).cumsum(0)
        ids = torch.tensor([token for words in said for token in words])
        words = mapped(functional.embedding_bag(ids, vectors, offsets, mode="mean"))
        words = words + functional.embedding_bag(ids, own.weight, offsets, mode="mean")
        shown = key(encoder.raw(seen[chosen, torch.randint(settings.views, (batch,), generator=generator)]))
        shown = (shown - shown.mean(0)) / (shown.std(0) + 1e-4)
        likeness = (
            functional.normalize(words, dim=1) @ functional.normalize(shown, dim=1).T / settings.temperature
        )
        figures = functional.cross_entropy(likeness, same.repeat(settings.said))
        others = likeness.view(settings.said, batch, batch).transpose(1, 2).flatten(0, 1)
        loss = (figures + functional.cross_entropy(others, same.repeat(settings.said))) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress("align", step + 1, settings.steps, loss.item())
    with torch.no_grad():
        features = encoder.raw(seen[:, 0])
        encoder.mean.copy_(features.mean(0))
        encoder.deviation.copy_(features.std())
        matcher = model.model.matcher
        matcher.words.weight.copy_(mapped(vectors) + own.weight)
        matcher.words.weight.div_(
            matcher.words.weight[[token for of in bags for ids in of for token in ids]].std()
        )
        matcher.query.weight.copy_(torch.eye(width))
        matcher.key.weight.copy_(key.weight * encoder.deviation / (key(features).std(0)[:, None] + 1e-6))


def _thinned(words: Sequence[int], dropout: float, rng: random.Random) -> Sequence[int]:
    """Words without a random share of them, at least one."""
    return [word for word in words if rng.random() >= dropout] or [rng.choice(words)]


@dataclass(frozen=True)
class Encoded:
    """A dialogue as token ids, with what the matcher would say of each message and description."""

    ids: list[int]
    learn: list[int]
    """Positions of tokens to be predicted."""
    messages: list[np.ndarray]
    """[N] logits of the board's figures for each message."""
    descriptions: list[np.ndarray]
    """[N] logits for each marked description."""


class ScriptedMatcher:
    """Stands in for the matcher in pretraining: what it would say of the figures of one board.

    Its skill is drawn for each dialogue, from knowing nearly nothing to nearly everything. It takes certain figures for
    certain others again and again, as a real one does.
    """

    def __init__(self, letters: str, rng: random.Random) -> None:
        self._rng = rng
        self._numbers = np.random.default_rng(rng.getrandbits(32))
        self._place = {letter: place for place, letter in enumerate(letters)}
        self._skill = rng.choice((rng.uniform(0, 4), rng.uniform(3, 10)))
        self._habit = rng.uniform(0, 2) * self._numbers.standard_normal((len(letters), len(letters)))
        self._noise = rng.uniform(0.3, 2.5)

    def logits(self, letter: str | None) -> np.ndarray:
        """[N] logits for a description of the figure with this letter, or for words about no figure."""
        noise = self._noise * self._numbers.standard_normal(len(self._place))
        if letter is None:
            return noise
        place = self._place[letter]
        found = self._habit[place] + noise
        found[place] += self._skill * self._rng.uniform(0.6, 1.2)
        return found

    def mistake(self, letter: str, free: Sequence[str]) -> str:
        """See `Mistakes`: more often than not the most similar figure."""
        if self._rng.random() < 0.4:
            return self._rng.choice(free)
        return max(free, key=lambda other: self._habit[self._place[letter], self._place[other]])


class Encoder:
    """Encodes dialogues as token ids, in exactly the form of the policy's prompts."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokens = tokenise(tokenizer)
        of = tokenizer.convert_tokens_to_ids
        self.image, self.summary, self.act, self.end, self.word, self.opens, self.closes, self.again = of(
            [IMAGE, SUMMARY, ACT, END, WORD, OPENS, CLOSES, AGAIN]
        )  # type: ignore[misc]
        self.vocabulary = [
            self.end, *(self._tokens(word)[0] for word in (SELECT, DESELECT, *LETTERS))
        ]  # fmt: skip

    def __call__(
        self, dialogue: Dialogue, matcher: ScriptedMatcher, unmarked: float, rng: random.Random
    ) -> Encoded:
        ids: list[int] = []
        learn: list[int] = []
        messages: list[np.ndarray] = []
        descriptions: list[np.ndarray] = []
        for letter in dialogue.letters:
            ids += [*self._tokens(letter), self.image]
        for turn in dialogue.turns:
            ids += self._tokens(f"{selection_in_words(turn.state)}.")
            marks = rng.random() >= unmarked
            if rejects(spoken(in_words(turn.utterance))):
                ids.append(self.again)
            found = []
            for part in turn.utterance:
                if isinstance(part, Description):
                    found.append(matcher.logits(part.letter))
                    said = [self.word] * rng.choice(DESCRIPTION_TOKENS)
                    ids += [self.opens, *said, self.closes] if marks else said
                else:
                    ids += self._tokens(spoken(part))
            messages.append(np.mean(found, axis=0) if found else matcher.logits(None))
            descriptions += found if marks else []
            ids += [self.summary, self.act]
            action = [*self._tokens(turn.action), self.end]
            if turn.action == turn.learn:
                learn += range(len(ids), len(ids) + len(action))
            ids += action
        return Encoded(ids, learn, messages, descriptions)


def some_letters(rng: random.Random) -> str:
    """Random letters for a board, in order, out of all that games use, so that the model learns each."""
    return "".join(sorted(rng.sample(LETTERS, BOARD)))


def train_language(
    model: TinyVlmForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    learnt: Sequence[int],
    settings: LanguageSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Train the language part to act in dialogues on full boards, with a scripted matcher. The embeddings of the tokens
    `learnt` are trained too, those of words are not.

    Loss: cross-entropy of the right actions, over the tokens that actions consist of.
    """
    rng = random.Random(f"language {seed}")
    encoder = Encoder(tokenizer)
    speaker = ScriptedSpeaker({str(figure): ["thing"] for figure in range(2 * BOARD)}, rng)
    vocabulary = torch.tensor(encoder.vocabulary)
    place = torch.full((len(tokenizer),), -1)
    place[vocabulary] = torch.arange(len(vocabulary))
    embed = model.get_input_embeddings().weight
    own = torch.zeros(len(embed), 1)
    own[list(learnt)] = 1.0
    hook = embed.register_hook(lambda gradient: gradient * own)
    layers = [p for p in model.model.language_model.parameters() if p is not embed]
    optimiser = torch.optim.AdamW(
        [{"params": layers, "weight_decay": 0.01}, {"params": [embed], "weight_decay": 0.0}],
        betas=(0.9, 0.98),
        fused=True,
    )
    model.train()
    ready: list[list[Encoded]] = []
    for step in range(settings.steps):
        set_rate(optimiser, settings.rate, step, settings.steps)
        if not ready:  # dialogues of similar lengths in a batch need little padding
            many = [
                _dialogue(speaker, encoder, settings, rng) for _ in range(BATCHES_AT_A_TIME * settings.batch)
            ]
            many.sort(key=lambda dialogue: len(dialogue.ids))
            ready = [many[at : at + settings.batch] for at in range(0, len(many), settings.batch)]
            rng.shuffle(ready)
        encoded = ready.pop()
        length = -(-max(len(dialogue.ids) for dialogue in encoded) // LENGTH_STEP) * LENGTH_STEP
        ids = torch.tensor([dialogue.ids + [0] * (length - len(dialogue.ids)) for dialogue in encoded])
        layout = model.model.layout(ids)
        if layout is None:
            raise RuntimeError("The dialogues have no board")
        embeddings = model.model.pointed(ids, _likeness(encoded, layout.held.shape[1]), layout)
        rows = torch.tensor([row for row, dialogue in enumerate(encoded) for _ in dialogue.learn])
        at = torch.tensor([position for dialogue in encoded for position in dialogue.learn])
        hidden = model.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
        logits = hidden[rows, at - 1] @ embed[vocabulary].T
        loss = functional.cross_entropy(logits, place[ids[rows, at]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*layers, embed], 1.0)
        optimiser.step()
        progress("language", step + 1, settings.steps, loss.item())
    hook.remove()
    model.eval()


def _dialogue(
    speaker: ScriptedSpeaker, encoder: Encoder, settings: LanguageSettings, rng: random.Random
) -> Encoded:
    """A dialogue on a random board, heard by a random matcher."""
    letters = some_letters(rng)
    matcher = ScriptedMatcher(letters, rng)
    dialogue = speaker.play(letters, settings.turns, mistakes=matcher.mistake)
    return encoder(dialogue, matcher, settings.unmarked, rng)


def _likeness(encoded: Sequence[Encoded], messages: int) -> torch.Tensor:
    """[B, messages + descriptions + 1, N + 1] logits as `TinyVlmModel.likeness` gives them."""
    most = max(len(dialogue.descriptions) for dialogue in encoded)
    logits = np.zeros((len(encoded), messages + most + 1, BOARD + 1), dtype=np.float32)
    for row, dialogue in enumerate(encoded):
        logits[row, : len(dialogue.messages), 1:] = dialogue.messages
        if dialogue.descriptions:
            logits[row, messages + 1 : messages + 1 + len(dialogue.descriptions), 1:] = dialogue.descriptions
    return torch.from_numpy(logits)


def tokenise(tokenizer: PreTrainedTokenizerFast) -> Callable[[str], tuple[int, ...]]:
    return lru_cache(maxsize=200_000)(lambda text: tuple(tokenizer.encode(text, add_special_tokens=False)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    """A linear warm-up, then a cosine."""
    warm = min(1.0, (step + 1) / 40)
    for group in optimiser.param_groups:
        group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
