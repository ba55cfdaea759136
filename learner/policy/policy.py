"""The policy π(a|x): a base model with adapters, which samples actions under the grammar and computes their exact
log-probabilities."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from games import GAMES
from games.core import Game, IllegalAction, Message, Step, Text
from learner.conversation import conversation_of, game_of
from learner.examples.labels import TrainingGame
from learner.policy.backend import Backend, WarmStart, WarmStartSettings
from learner.policy.batch import (
    ActionLogps,
    Batch,
    EncodedExample,
    Example,
    Row,
    WantedAction,
    collate,
    within_budget,
)
from learner.policy.cache import KVCacheStore
from learner.policy.features import ImageFeatures
from learner.policy.figures import FigureEncoder
from learner.policy.grammar import NONE, Draw, Grammar, masked_log_softmax
from learner.policy.limits import check_characters, check_length, most_tokens
from learner.policy.loading import choose_device, load_base
from learner.policy.lora import Adapters
from learner.policy.prompt import Prompt, PromptBuilder, prompt_hash
from learner.policy.sampling import Sampler, TurnInputs, source_of
from learner.protocol import BASE_ADAPTER, TurnRequest
from learner.settings import LearnerSettings

SCORING_BUDGET = 2**23
"""Attention scores (rows × utterance tokens²) computed at a time in training and evaluation: 32 games of 512 tokens,
several times what people say in one."""


class Policy:
    """A base model with its adapters and caches. Not thread-safe."""

    def __init__(
        self,
        backend: Backend,
        games: dict[str, Game] | None = None,
        cache: KVCacheStore | None = None,
        temperature: float = 1.0,
    ) -> None:
        self.backend = backend
        """The base model."""
        self.device: torch.device = backend.model.device
        """Device of the model."""
        self.temperature = temperature
        """Sampling temperature, by which logits are divided. π is the distribution at this temperature."""
        self._games = games or GAMES
        self.adapters = Adapters(backend)
        self.figures = FigureEncoder(backend)
        self.prompts = PromptBuilder(backend.processor)
        self.cache = cache if cache is not None else KVCacheStore()
        self._grammars: dict[str, Grammar] = {}
        self._sampler = Sampler(backend, self.adapters, self.cache, self._tempered)

    @classmethod
    def load(cls, spec: str = "tiny", device: str = "auto", threads: int = 0, **options: Any) -> "Policy":
        """Load the policy of a base model: 'tiny' or 'novice' (embedded), a folder, or a model id.

        `threads` 0 keeps torch's number of threads; `options` are passed to the constructor. Raises
        `PolicyLoadError`, also if the turns of the model are not computed exactly (`learner.policy.verify`).
        """
        from learner.policy.verify import verify  # imported here to avoid an import cycle

        if threads:
            torch.set_num_threads(threads)
        policy = cls(load_base(spec, choose_device(device)), **options)
        verify(policy)
        return policy

    @classmethod
    def of(cls, settings: LearnerSettings, threads: int | None = None) -> "Policy":
        """Load the policy of the settings, with `threads` CPU threads, by default one process's share of the cores.

        Raises `PolicyLoadError`.
        """
        threads = settings.policy.threads_each if threads is None else threads
        return cls.load(
            settings.policy.model, settings.policy.device, threads, temperature=settings.policy.temperature
        )

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the base model's weights (`learner.policy.loading.fingerprint`)."""
        return self.backend.fingerprint

    @cached_property
    def prompt_hash(self) -> str:
        """See `learner.policy.prompt.prompt_hash`."""
        return prompt_hash(self.prompts, self._games)

    @property
    def learns_from_rejections(self) -> bool:
        """See `Backend.learns_from_rejections`."""
        return self.backend.learns_from_rejections

    # Lengths

    @property
    def max_utterance_tokens(self) -> int:
        """Tokens that all utterances of a game may have."""
        return most_tokens(self.backend.context_length)

    def utterance_tokens(self, utterances: Iterable[str]) -> int:
        """Tokens of several utterances, as the model is given them."""
        return sum(self.prompts.length(self.backend.spell(utterance)) for utterance in utterances)

    def check_length(self, request: TurnRequest) -> None:
        """Raises `TurnTooLong` where a turn's utterances are more than the model takes, or leave later turns none."""
        utterances = [*(past.utterance for past in request.history), request.utterance]
        check_characters(utterances)
        said = self.utterance_tokens(utterances)
        turns_left = max(0, self.game(request.game).max_turns - len(request.history) - 1)
        check_length(said, self.max_utterance_tokens, turns_left)

    # Acting

    def act(
        self, requests: Sequence[TurnRequest], seed: int = 0, greedy: bool = False
    ) -> list[tuple[str, float]]:
        """(action, log-propensity in nats) for each request, sampled under the grammar of its state.

        All requests are one batch, even with different adapters, states and games. An action depends only on the
        seed and its `request_id`, so a repeated request gets the same action. Raises `PolicyLoadError` for an
        adapter that is not loaded, `TurnTooLong`, KeyError or ValueError for an unknown figure, image set, game or
        state.
        """
        turns = [self.inputs(request) for request in requests]
        draws = [
            Draw(turn.trie, None if greedy else source_of(seed, request.request_id))
            for turn, request in zip(turns, requests, strict=True)
        ]
        return self.draw(turns, draws)

    def inputs(self, request: TurnRequest) -> TurnInputs:
        """The model inputs of a request. Raises as `act` does."""
        self.adapters.require(request.adapter)
        self.check_length(request)
        prompt = self._prompt(
            request.images, conversation_of(self.game(request.game), request, self.backend.spell)
        )
        return TurnInputs(
            game_id=request.game_id,
            adapter=request.adapter,
            board=(request.images, *prompt.figures),
            ids=prompt.ids,
            positions=self._positions(prompt, request.images),
            features=self.figures.encode(request.images, prompt.figures),
            trie=self._grammar(request.game).trie(request.state),
        )

    def draw(self, turns: Sequence[TurnInputs], draws: Sequence[Draw]) -> list[tuple[str, float]]:
        """(action, log-propensity) of each turn, sampled by its `Draw`."""
        return self._sampler.act(turns, draws)

    def warming(self) -> Iterator[None]:
        """Build the tries that first turns need, of states with no more figures than targets, in short steps."""
        for name, game in self._games.items():
            grammar = self._grammar(name)
            for size in game.board_sizes:
                context = ("",) * size  # any figure ids give the same states
                state = game.initial_state(context)
                for action in grammar.trie(state).actions:
                    after = game.apply(state, action)
                    if len(game.selected(context, after)) <= game.max_targets:
                        grammar.trie(after)
                        yield

    # Training and scoring

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Tokenise and pad examples; each row is one (example, step, wanted action). See `Batch`.

        Raises `IllegalAction` for an action that is not legal in its state, ValueError if no action is wanted.
        """
        encoded = [self._encoded(number, example) for number, example in enumerate(examples)]
        if not any(example.wanted for example in encoded):
            raise ValueError("None of the examples asks for an action")
        return collate(encoded, self.backend.pad_id).to(self.device)

    def prompt_of(self, example: Example) -> Prompt:
        """The prompt of an example up to and including the action played in the last turn with a wanted action."""
        last = max((t for t, actions in enumerate(example.wanted) if actions), default=len(example.steps) - 1)
        spell = self.backend.spell
        *past, step = [
            Step(step.state, spell(step.utterance), step.action) for step in example.steps[: last + 1]
        ]
        messages = self.game(example.game).prompt(example.context, past, step.state, step.utterance)
        messages.append(Message("assistant", (Text(step.action),)))
        return self._prompt(example.images, messages, close=True)

    def _encoded(self, number: int, example: Example) -> EncodedExample:
        grammar = self._grammar(example.game)
        prompt = self.prompt_of(example)
        wanted = [
            WantedAction(
                Row(number, t, action),
                prompt.turns[t],
                action == example.steps[t].action,
                grammar.trie(example.steps[t].state),
            )
            for t, actions in enumerate(example.wanted)
            for action in actions
        ]
        for each in wanted:
            each.trie.path(each.row.action)
        return EncodedExample(
            prompt,
            self._positions(prompt, example.images),
            self.figures.encode(example.images, prompt.figures),
            tuple(wanted),
        )

    def forward_logps(
        self, batch: Batch, adapter: str | None = None, temperature: float | None = None
    ) -> ActionLogps:
        """log π of every row under an adapter, by default the active one; differentiable in the adapter's
        parameters.

        `temperature` None is the policy's own. Each interaction is one sequence of the forward pass; logits are
        computed only at the positions and for the tokens of actions. Call `eval()` before comparing with logged
        propensities.
        """
        with self.adapters.use(adapter):
            hidden = self.backend.hidden(batch.input_ids, batch.features, batch.position_ids, batch.attends)
        picked = hidden.flatten(0, 1)[batch.where]
        logits = self.logits(picked, batch.vocabulary) / (temperature or self.temperature)
        logps = logits.masked_fill(~batch.legal, -torch.inf).log_softmax(-1)
        per_token = logps.gather(-1, batch.tokens[..., None])[..., 0].masked_fill(~batch.mask, 0.0)
        allowed = logps.masked_fill(~batch.legal, 0.0)
        smooth_per_token = (allowed.sum(-1) / batch.legal.sum(-1)).masked_fill(~batch.mask, 0.0)
        tokens = batch.mask.sum(-1).to(per_token.dtype)
        return ActionLogps(
            sum=per_token.sum(-1),
            tokens=tokens,
            per_token=per_token,
            smooth=smooth_per_token.sum(-1) / tokens,
            smooth_per_token=smooth_per_token,
            mask=batch.mask,
        )

    def action_logps(self, examples: Sequence[Example], adapter: str | None = None) -> torch.Tensor:
        """[R] log π of every wanted action, without gradients."""
        lengths = [self.utterance_tokens(step.utterance for step in example.steps) for example in examples]
        with torch.no_grad():
            parts = within_budget(lengths, SCORING_BUDGET)
            return torch.cat([self.forward_logps(self.batch(examples[part]), adapter).sum for part in parts])

    def all_action_logps(self, request: TurnRequest) -> dict[str, float]:
        """log π of every legal action in a request's state, by one forward pass over the trie."""
        turn = self.inputs(request)
        trie, start = turn.trie, len(turn.ids)
        parents, columns, depth = trie.tree()
        levels = [np.flatnonzero(depth == level) for level in range(1, int(depth.max()) + 1)]
        path = np.eye(len(parents), dtype=bool)
        for nodes in levels:
            path[nodes] |= path[parents[nodes]]
        ids = torch.tensor([[*turn.ids, *trie.vocabulary[columns[1:]].tolist()]], device=self.device)
        attends = torch.ones(1, ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
        attends[0, start:, start:] = torch.from_numpy(path[1:, 1:])
        after = turn.positions[..., -1:] + torch.from_numpy(depth[1:])
        positions = torch.cat([turn.positions, after], dim=-1)[..., None, :].to(self.device)
        with torch.no_grad(), self.adapters.use(request.adapter):
            hidden = self.backend.hidden(ids, turn.features, positions, attends.to(self.device))
            logits = self._tempered(hidden[0, start - 1 :], torch.from_numpy(trie.vocabulary).to(self.device))
        logps = masked_log_softmax(logits.double().cpu().numpy(), trie.legal(range(len(parents))))
        totals = np.zeros(len(parents))
        for nodes in levels:
            totals[nodes] = totals[parents[nodes]] + logps[parents[nodes], columns[nodes]]
        totals += logps[:, trie.vocabulary.searchsorted(trie.end_id)]
        ending = np.flatnonzero(trie.ends != NONE)
        return {trie.actions[trie.ends[node]]: float(totals[node]) for node in ending}

    def score(
        self, messages: Sequence[Message], answers: Sequence[str], images: str = "classic"
    ) -> list[float]:
        """log-probability, in nats, of each answer with its end token under the base model, over its whole
        vocabulary."""
        prompt = self._prompt(images, messages)
        features: ImageFeatures | None = None
        if prompt.figures:
            features = self.figures.encode(images, prompt.figures)
        start = self._positions(prompt, images)
        scores = []
        with torch.no_grad(), self.adapters.use(BASE_ADAPTER):
            for answer in answers:
                tokens = [*self.prompts.action_ids(answer), self.prompts.end_id]
                ids = torch.tensor([[*prompt.ids, *tokens[:-1]]], device=self.device)
                positions = torch.cat([start, start[..., -1:] + torch.arange(1, len(tokens))], dim=-1)
                hidden = self.backend.hidden(ids, features, positions[..., None, :].to(self.device), None)
                logps = self.logits(hidden[0, len(prompt.ids) - 1 :], None).log_softmax(-1)
                scores.append(float(logps[torch.arange(len(tokens)), torch.tensor(tokens)].sum()))
        return scores

    # Adapters

    def new_adapter(
        self,
        name: str,
        rank: int = 16,
        alpha: float = 16,
        dropout: float = 0.1,
        seed: int = 0,
        like: str = BASE_ADAPTER,
    ) -> None:
        """Add a new trainable LoRA adapter and activate it. See `Adapters.new`."""
        self.adapters.new(name, rank, alpha, dropout, seed, like)

    def load_adapter(self, name: str, folder: Path) -> None:
        """Load a saved adapter for inference. Raises `PolicyLoadError` and changes nothing if it is invalid or does
        not fit."""
        self.adapters.load(name, folder)

    def unload_adapter(self, name: str) -> None:
        """Unload an adapter and drop its games' KV caches."""
        self.adapters.unload(name)
        self._forget(name)

    def save_adapter(self, name: str, folder: Path) -> None:
        """Write an adapter's configuration and weights to a folder."""
        self.adapters.save(name, folder)

    def trainable(self) -> list[torch.nn.Parameter]:
        """The parameters of the active adapter."""
        return self.adapters.trainable()

    def train(self) -> None:
        """Training mode: dropout is on."""
        self._forget()
        self.adapters.train(True)

    def eval(self) -> None:
        """Evaluation mode: dropout is off. KV caches are dropped, because adapters may have changed."""
        self._forget()
        self.adapters.train(False)

    def warm_start(
        self,
        games: Sequence[TrainingGame],
        settings: WarmStartSettings,
        rng: random.Random,
        share: Callable[[], None],
    ) -> WarmStart:
        """Run the backend's warm start, if it has one, on the active adapter. See `Backend.warm_start`."""
        return self.backend.warm_start(self, games, settings, rng, share)

    def _forget(self, adapter: str | None = None) -> None:
        """Drop what was cached under an adapter, by default under all."""
        self.cache.forget(adapter)
        self.backend.forget(adapter)

    def _prompt(self, images: str, messages: Sequence[Message], close: bool = False) -> Prompt:
        return self.prompts.build(messages, lambda figure: self.figures(images, figure).ids, close)

    def _positions(self, prompt: Prompt, images: str) -> torch.Tensor:
        return self.backend.positions(
            prompt.ids, [self.figures(images, figure).grid for figure in prompt.figures]
        )

    def logits(self, hidden: torch.Tensor, vocabulary: torch.Tensor | None) -> torch.Tensor:
        """[..., D] to float32 logits [..., V] of the token ids `vocabulary` [V], by default all; not divided by the
        temperature."""
        head = self.backend.model.get_output_embeddings()
        weight, bias = head.weight, head.bias
        if vocabulary is not None:
            weight, bias = weight[vocabulary], bias[vocabulary] if bias is not None else None
        with torch.autocast(hidden.device.type, enabled=False):
            return functional.linear(hidden.to(weight.dtype), weight, bias).float()

    def _tempered(self, hidden: torch.Tensor, vocabulary: torch.Tensor | None) -> torch.Tensor:
        return self.logits(hidden, vocabulary) / self.temperature

    def game(self, name: str) -> Game:
        """The rules of the game `name`. Raises ValueError if there is no such game."""
        return game_of(self._games, name)

    def _grammar(self, name: str) -> Grammar:
        if name not in self._grammars:
            self._grammars[name] = Grammar(self.game(name), self.prompts.all_action_ids, self.prompts.end_id)
        return self._grammars[name]


__all__ = ["IllegalAction", "Policy"]
