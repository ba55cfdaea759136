"""Pretrains the embedded model from scratch: the encoder against words, then the language part on scripted
dialogues."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from games import DEFAULT_GAME, GAMES
from games.figures.images import ImageSet
from games.letters import DESELECT, LETTERS, SELECT, selection_in_words
from games.words import spoken
from learner.policy.tiny.dialogues import Dialogue, ScriptedSpeaker
from learner.policy.tiny.modeling import TinyVlmForConditionalGeneration
from learner.policy.tiny.phrases import every_word
from learner.policy.tiny.tokenizer import ACT, ACTION_WORDS, END, IMAGE, SPECIAL, SUMMARY

OnProgress = Callable[[str, int, int, float], None]
"""Called with (stage, steps done, steps in all, loss)."""

BOARD = max(GAMES[DEFAULT_GAME].board_sizes)
"""Number of figures on the board of a dialogue."""
LENGTH_STEP = 64
"""Dialogues are padded to a multiple of this number of tokens, because oneDNN caches code for every length that
occurs."""


@dataclass(frozen=True)
class PretrainSettings:
    """Hyper-parameters. The defaults take about half an hour on one core."""

    align_steps: int = 1000
    align_batch: int = 192
    align_rate: float = 2e-3
    temperature: float = 0.2
    """Temperature of the contrastive alignment. Descriptions fit several figures, so a lower one overfits to the
    training figures."""
    language_steps: int = 1200
    language_batch: int = 32
    language_rate: float = 1e-3
    finish_steps: int = 350
    """Additional steps, in which the act token's embedding has the matched selected figures; from the start on this
    would slow learning."""
    finish_rate: float = 4e-4
    turns: int = 9
    """Maximum number of turns of a dialogue."""
    pictures: float = 0.1
    """Share of descriptions that are replaced by a picture of the figure."""
    strange: float = 0.5
    """Share of messages whose descriptions are replaced by other words for the language part, so that it does not
    rely on them."""
    unknown: float = 0.15
    """Share of messages whose descriptions are replaced for the matcher too, so that it matches arbitrary figures
    and the action depends on the rest of the message."""
    views: int = 6
    """Number of slightly rotated and shifted pictures of each figure for the language part."""


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
    settings: PretrainSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Align encoder and token embeddings on (figure, description) pairs with a symmetric InfoNCE loss.

    Afterwards the features are standardised over all figures, and the embeddings are scaled to match.
    """
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    encoder, embeddings = model.model.vision_model, model.model.language_model.embed_tokens
    bags = [
        [torch.tensor(tokenizer.encode(words, add_special_tokens=False)) for words in of]
        for of in descriptions
    ]
    with torch.no_grad():
        embeddings.weight.normal_(0, 0.1, generator=generator)
    parameters = [*encoder.parameters(), embeddings.weight]
    optimiser = torch.optim.AdamW(parameters, lr=settings.align_rate, weight_decay=0.02)
    batch = min(settings.align_batch, len(bags))
    for step in range(settings.align_steps):
        _rate(optimiser, settings.align_rate, step, settings.align_steps)
        chosen = rng.sample(range(len(bags)), batch)
        said = [rng.choice(bags[i]) for i in chosen]
        offsets = torch.tensor([0, *(len(words) for words in said[:-1])]).cumsum(0)
        words = functional.embedding_bag(torch.cat(said), embeddings.weight, offsets, mode="mean")
        seen = encoder.raw(jitter(pixels[chosen], generator))
        seen = (seen - seen.mean(0)) / (seen.std(0) + 1e-4)
        likeness = (
            functional.normalize(seen, dim=1) @ functional.normalize(words, dim=1).T / settings.temperature
        )
        same = torch.arange(batch)
        loss = (functional.cross_entropy(likeness, same) + functional.cross_entropy(likeness.T, same)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress("align", step + 1, settings.align_steps, loss.item())
    with torch.no_grad():
        features = encoder.raw(pixels)
        encoder.mean.copy_(features.mean(0))
        encoder.deviation.copy_(features.std(0) + 1e-6)
        counts = torch.cat([words for of in bags for words in of])
        scale = model.config.feature_scale
        embeddings.weight.mul_(scale / embeddings.weight[counts].std())
        unseen = torch.ones(len(embeddings.weight), dtype=torch.bool)
        unseen[counts] = False
        embeddings.weight[unseen] = (
            torch.randn(int(unseen.sum()), embeddings.weight.shape[1], generator=generator) * scale
        )
        unseen[model.config.silent_token_ids] = False
        embeddings.weight[unseen] *= (
            0.25  # words of no figure: the mean of a message is to be about the others
        )
        act, summary = tokenizer.convert_tokens_to_ids([ACT, SUMMARY])  # pyright: ignore[reportGeneralTypeIssues]
        embeddings.weight[act] *= 0.5
        embeddings.weight[summary] = embeddings.weight[act]  # alike, so that the action looks at the summary
        model.lm_head.weight.copy_(embeddings.weight * 0.1 / scale)


@dataclass(frozen=True)
class Encoded:
    """A dialogue as token ids, with the positions of its pictures and of the actions to learn."""

    ids: list[int]
    figures: list[str]
    learn: list[int]
    """Positions of tokens to be predicted."""


class Encoder:
    """Encodes dialogues as token ids, in exactly the form of the policy's prompts."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokens = lru_cache(maxsize=200_000)(
            lambda text: tuple(tokenizer.encode(text, add_special_tokens=False))
        )
        of = tokenizer.convert_tokens_to_ids
        self.image, self.summary, self.act, self.end = of([IMAGE, SUMMARY, ACT, END])  # type: ignore[misc]
        plain = {token for words in (*every_word(), *ACTION_WORDS) for token in self._tokens(words)}
        self._plain = torch.tensor([*plain, *map(of, SPECIAL)])
        self.words = torch.tensor([*{*range(len(tokenizer))}.difference(self._plain.tolist())])
        """Tokens that descriptions are made of."""
        self.vocabulary = [
            self.end, *(self._tokens(word)[0] for word in (SELECT, DESELECT, *LETTERS))
        ]  # fmt: skip

    def descriptions(self, ids: torch.Tensor) -> torch.Tensor:
        """[B, L] bool: tokens of descriptions, as opposed to the phrases around them."""
        return ~torch.isin(ids, self._plain)

    def __call__(self, dialogue: Dialogue) -> Encoded:
        ids: list[int] = []
        learn: list[int] = []
        figures = list(dialogue.figures)
        for letter in dialogue.letters:
            ids += [*self._tokens(letter), self.image]
        for turn in dialogue.turns:
            ids += self._tokens(f"{selection_in_words(turn.state)}.")
            ids += self._tokens(spoken(turn.utterance))
            if turn.picture:
                ids += [*self._tokens("this"), self.image]
                figures.append(turn.picture)
            ids += [self.summary, self.act]
            action = [*self._tokens(turn.action), self.end]
            if turn.action == turn.learn:
                learn += range(len(ids), len(ids) + len(action))
            ids += action
        return Encoded(ids, figures, learn)


def some_letters(rng: random.Random) -> str:
    """Random letters for a board, in order, out of all that games use, so that the model learns each."""
    return "".join(sorted(rng.sample(LETTERS, BOARD)))


def _some_messages(ends: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """From the ends of messages [B, L], select a random share of the messages: [B, L] bool of all their
    positions."""
    message = ends.cumsum(dim=1)
    drawn = torch.rand(len(ends), int(message.max()) + 1, generator=generator) < share
    return drawn.gather(1, message)


def train_language(
    model: TinyVlmForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    pixels: torch.Tensor,
    descriptions: Mapping[str, Sequence[str]],
    settings: PretrainSettings,
    seed: int,
    progress: OnProgress,
) -> None:
    """Train the language part to act in dialogues on full boards, in two stages, with the encoder frozen.

    Loss: cross-entropy of the right actions, over the tokens that actions consist of.
    """
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder(tokenizer)
    speaker = ScriptedSpeaker(descriptions, random.Random(seed))
    index = {figure: i for i, figure in enumerate(descriptions)}
    with torch.no_grad():
        views = [model.model.vision_model(pixels)]
        views += [model.model.vision_model(jitter(pixels, generator)) for _ in range(settings.views - 1)]
        features = torch.stack(views, 1)
    vocabulary = torch.tensor(encoder.vocabulary)
    place = torch.full((len(tokenizer),), -1)
    place[vocabulary] = torch.arange(len(vocabulary))
    trained = (model.model.language_model, model.model.matcher, model.lm_head)
    parameters = [parameter for part in trained for parameter in part.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.language_rate, weight_decay=0.01, betas=(0.9, 0.98))
    model.train()
    halves = torch.cpu._is_avx512_bf16_supported()
    finish = settings.language_steps
    total = finish + settings.finish_steps
    for step in range(total):
        model.config.points_at_selected = step >= finish
        if step == finish:
            optimiser.state.clear()
        if step < finish:
            _rate(optimiser, settings.language_rate, step, finish)
        else:
            _rate(optimiser, settings.finish_rate, step - finish, settings.finish_steps)
        encoded = [
            encoder(speaker.play(some_letters(speaker.rng), settings.turns, settings.pictures))
            for _ in range(settings.language_batch)
        ]
        length = -(-max(len(dialogue.ids) for dialogue in encoded) // LENGTH_STEP) * LENGTH_STEP
        ids = torch.tensor([dialogue.ids + [0] * (length - len(dialogue.ids)) for dialogue in encoded])
        seen = torch.tensor([index[figure] for dialogue in encoded for figure in dialogue.figures])
        view = torch.randint(settings.views, (len(seen),), generator=generator)
        read, heard = ids.clone(), ids.clone()
        for words, share in ((heard, settings.unknown), (read, settings.strange)):
            swapped = encoder.descriptions(ids) & _some_messages(ids == encoder.end, share, generator)
            drawn = torch.randint(len(encoder.words), (int(swapped.sum()),), generator=generator)
            words[swapped] = encoder.words[drawn]
        embeddings = model.model.merge_embeddings(heard, features[seen, view])
        embeddings = torch.where((read != ids)[..., None], model.get_input_embeddings()(read), embeddings)
        rows = torch.tensor([row for row, dialogue in enumerate(encoded) for _ in dialogue.learn])
        at = torch.tensor([position for dialogue in encoded for position in dialogue.learn])
        with torch.autocast("cpu", torch.bfloat16, enabled=halves):
            hidden = model.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
        logits = hidden.float()[rows, at - 1] @ model.lm_head.weight[vocabulary].T
        right = place[ids[rows, at]]
        loss = functional.cross_entropy(logits, right)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        progress("language", step + 1, total, loss.item())
    model.config.points_at_selected = True
    model.eval()


def _rate(optimiser: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    warm = min(1.0, (step + 1) / 40)
    for group in optimiser.param_groups:
        group["lr"] = rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
