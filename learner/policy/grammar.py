"""The action language as a token trie for each state, and sampling under it with the exact propensity.

It knows a game only by `legal_actions(state)`: one string for each action.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from transformers import LogitsProcessor

from games.core import Game, IllegalAction

NONE = -1


@dataclass(frozen=True)
class ActionTrie:
    """Every legal action of one state as token paths that all finish with the end token.

    N inner nodes (0 is the root), V tokens that occur in actions.
    """

    actions: tuple[str, ...]
    vocabulary: np.ndarray
    """[V] token ids, ascending."""
    children: np.ndarray
    """[N, V] node after a token, `NONE` where it is illegal, N after the end token."""
    ends: np.ndarray
    """[N] index of the action that is finished if the end token follows, else `NONE`."""
    paths: tuple[tuple[int, ...], ...]
    """For each action, the columns of its tokens, the end token included."""

    @property
    def legal(self) -> np.ndarray:
        """[N, V] bool."""
        return self.children != NONE

    def path(self, action: str) -> tuple[int, ...]:
        """The columns of an action's tokens. Raises `IllegalAction`."""
        try:
            return self.paths[self.index[action]]
        except KeyError:
            raise IllegalAction(f"{action!r} is not legal in this state") from None

    @property
    def index(self) -> dict[str, int]:
        """action -> its place in `actions`."""
        return _index(self.actions)

    def nodes(self, path: Sequence[int]) -> list[int]:
        """The nodes at which each token of a path is chosen, from the root on."""
        nodes = [0]
        for column in path[:-1]:
            nodes.append(int(self.children[nodes[-1], column]))
        return nodes

    def step(self, node: int, column: int) -> int:
        """The node after a token; N is the finished one."""
        return int(self.children[node, column])


@lru_cache(maxsize=2048)
def _index(actions: tuple[str, ...]) -> dict[str, int]:
    return {action: i for i, action in enumerate(actions)}


Tokenise = Callable[[Sequence[str]], Sequence[Sequence[int]]]
"""Tokens of each of several actions."""


def build_trie(actions: Sequence[str], tokenise: Tokenise, end_id: int) -> ActionTrie:
    """The trie of `actions`. Raises ValueError if two actions have the same tokens or one holds the end token."""
    tokens = [(*ids, end_id) for ids in tokenise(actions)]
    vocabulary = sorted({token for path in tokens for token in path})
    column = {token: i for i, token in enumerate(vocabulary)}
    children = [[NONE] * len(vocabulary)]
    ends = [NONE]
    paths = []
    for number, path in enumerate(tokens):
        if end_id in path[:-1] or len(path) < 2:
            raise ValueError(
                f"The tokenizer cannot write the action {actions[number]!r} without its end token"
            )
        node = 0
        columns = tuple(column[token] for token in path)
        for place in columns[:-1]:
            if children[node][place] == NONE:
                children.append([NONE] * len(vocabulary))
                ends.append(NONE)
                children[node][place] = len(children) - 1
            node = children[node][place]
        if ends[node] != NONE:
            raise ValueError(f"{actions[number]!r} and {actions[ends[node]]!r} have the same tokens")
        ends[node] = number
        paths.append(columns)
    table = np.array(children, dtype=np.int32)
    finished = np.array(ends, dtype=np.int32)
    table[finished != NONE, column[end_id]] = len(children)
    return ActionTrie(tuple(actions), np.array(vocabulary), table, finished, tuple(paths))


class Grammar:
    """Tries by state, built when first needed and kept for the states used last."""

    def __init__(self, game: Game, tokenise: Tokenise, end_id: int, states: int = 1024) -> None:
        self.game = game
        self.end_id = end_id
        self.trie = lru_cache(maxsize=states)(
            lambda state: build_trie(game.legal_actions(state), tokenise, end_id)
        )


class ConstrainedSampler(LogitsProcessor):
    """Samples inside `generate`: masks each row by its trie, draws at temperature 1, and leaves one token possible.

    `logps[i]` is then log π of row i's action: the sum of the log masked-softmax probabilities of the tokens
    drawn, the end token included. Each row draws from its own source, so that a row's action does not depend on
    the batch it came in. Use with greedy search, which takes the one token left.
    """

    def __init__(
        self, tries: Sequence[ActionTrie], sources: Sequence[random.Random] | None, pad_id: int
    ) -> None:
        """Without `sources` the likeliest token is taken in each step."""
        self.tries = tries
        self.sources = sources
        self.pad_id = pad_id
        self.logps = [0.0] * len(tries)
        self.actions: list[str | None] = [None] * len(tries)
        self._nodes = [0] * len(tries)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        chosen = []
        for row, trie in enumerate(self.tries):
            if self.actions[row] is not None:
                chosen.append(self.pad_id)
                continue
            values = scores[row, torch.from_numpy(trie.vocabulary).to(scores.device)].double().cpu().numpy()
            node = self._nodes[row]
            column, logp = self._draw(values, trie.legal[node], row)
            self.logps[row] += logp
            self._nodes[row] = trie.step(node, column)
            if self._nodes[row] == len(trie.ends):
                self.actions[row] = trie.actions[trie.ends[node]]
            chosen.append(int(trie.vocabulary[column]))
        forced = torch.full_like(scores, -torch.inf)
        forced[torch.arange(len(chosen)), torch.tensor(chosen)] = 0.0
        return forced  # pyright: ignore[reportReturnType]

    def results(self) -> list[tuple[str, float]]:
        """(action, log-propensity) of every row. Raises RuntimeError if `generate` stopped before a row's end."""
        unfinished = [row for row, action in enumerate(self.actions) if action is None]
        if unfinished:
            raise RuntimeError(f"No action was finished in rows {unfinished}")
        return [(action or "", logp) for action, logp in zip(self.actions, self.logps, strict=True)]

    def _draw(self, values: np.ndarray, legal: np.ndarray, row: int) -> tuple[int, float]:
        logps = masked_log_softmax(values, legal)
        if self.sources is None:
            column = int(logps.argmax())
        else:
            cumulative = np.exp(logps).cumsum()
            column = int(
                np.searchsorted(cumulative, self.sources[row].random() * cumulative[-1], side="right")
            )
        return column, float(logps[column])


def masked_log_softmax(values: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """Log-probabilities over the legal entries, -inf elsewhere; [..., V]. Raises ValueError for values not finite."""
    masked = np.where(legal, values, -np.inf)
    if not np.isfinite(values[legal]).all():
        raise ValueError("The model's output is not finite")
    masked = masked - masked.max(axis=-1, keepdims=True)
    return masked - np.log(np.exp(masked).sum(axis=-1, keepdims=True))
