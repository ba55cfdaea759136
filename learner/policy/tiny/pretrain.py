"""Pretrains the language part of the embedded model on scripted dialogues, without figures."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

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
class LanguageSettings:
    """Hyper-parameters of `train_tagger` and `train_language`. The defaults take about two hours on one core."""

    tagger_steps: int = 3000
    tagger_batch: int = 16
    """Dialogues."""
    tagger_rate: float = 2e-3
    strange: tuple[float, ...] = (0.0, 0.2, 0.5, 1.0)
    """Share of the words of an utterance's descriptions that are replaced by random ones, one of these for each
    utterance, so that the tagger finds words that nobody has said before."""
    elaborated: tuple[float, ...] = (0.0, 0.1, 0.3)
    """Share of descriptions that go on for several clauses and sentences (`learner.policy.tiny.elaborations`), one of
    these for each dialogue of the tagger."""
    steps: int = 6000
    batch: int = 16
    """Dialogues."""
    rate: float = 1e-3
    turns: int = 9
    """Maximum number of turns of a dialogue."""
    right: float = 0.5
    """Share of dialogues in which the figure that was meant is the matcher's likeliest, however close others are, so
    that the language part takes the likeliest one."""
    unmarked: float = 0.05
    """Share of messages whose descriptions are not marked, as if the tagger had missed them."""


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

    def __init__(self, letters: str, rng: random.Random, right: float = 0.0) -> None:
        """`right`: probability that it is never wrong in this dialogue, however little it knows."""
        self._rng = rng
        self._numbers = np.random.default_rng(rng.getrandbits(32))
        self._place = {letter: place for place, letter in enumerate(letters)}
        self._skill = rng.choice((rng.uniform(0, 4), rng.uniform(3, 10)))
        self._habit = rng.uniform(0, 2) * self._numbers.standard_normal((len(letters), len(letters)))
        self._noise = rng.uniform(0.3, 2.5)
        self._right = rng.random() < right

    def logits(self, letter: str | None) -> np.ndarray:
        """[N] logits for a description of the figure with this letter, or for words about no figure."""
        noise = self._noise * self._numbers.standard_normal(len(self._place))
        if letter is None:
            return noise
        place = self._place[letter]
        found = self._habit[place] + noise
        found[place] += self._skill * self._rng.uniform(0.6, 1.2)
        if self._right:
            likeliest = found.argmax()
            found[[place, likeliest]] = found[[likeliest, place]]
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
    matcher = ScriptedMatcher(letters, rng, settings.right)
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
