"""The grammar of actions: a token trie per state, and sampling under it with the exact propensity.

Of a game it only uses `legal_actions(state)`, one string per action.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
import torch
from transformers import LogitsProcessor

from games.core import Game, IllegalAction

NONE = -1


@dataclass(frozen=True)
class ActionTrie:
    """All legal actions of one state as token paths; each ends with the end token.

    N inner nodes (0 is the root), V tokens that occur in actions. A policy keeps hundreds of tries, so the arrays
    are compact, and an action's path is recomputed from its tokens.
    """

    actions: tuple[str, ...]
    vocabulary: np.ndarray
    """[V] token ids, ascending."""
    first: np.ndarray
    """[N + 1] offsets of each node's legal tokens in `columns` and `nexts`."""
    columns: np.ndarray
    """[E] columns (indices into the V tokens) of legal tokens, ascending at each node."""
    nexts: np.ndarray
    """[E] the node after each legal token; N after the end token."""
    ends: np.ndarray
    """[N] index of the action that ends here if the end token follows, else `NONE`."""
    longest: int
    """Number of tokens of the longest action, end token included."""
    tokenise: "Tokenise"
    end_id: int

    def legal(self, nodes: Sequence[int]) -> np.ndarray:
        """[nodes, V] bool."""
        legal = np.zeros((len(nodes), len(self.vocabulary)), dtype=bool)
        for row, node in enumerate(nodes):
            legal[row, self.at(node)[0]] = True
        return legal

    def at(self, node: int) -> tuple[np.ndarray, np.ndarray]:
        """(columns, nexts) of the tokens that are legal at a node."""
        own = slice(self.first[node], self.first[node + 1])
        return self.columns[own], self.nexts[own]

    def tree(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """([N] parent, [N] column of the token, [N] depth) of each node; 0 for the root. Parents stand first."""
        nodes = np.repeat(np.arange(len(self.ends)), np.diff(self.first.astype(np.int64)))
        inner = self.nexts != len(self.ends)
        parents, columns, depth = np.zeros((3, len(self.ends)), dtype=np.int64)
        parents[self.nexts[inner]] = nodes[inner]
        columns[self.nexts[inner]] = self.columns[inner]
        for node in range(1, len(depth)):
            depth[node] = depth[parents[node]] + 1
        return parents, columns, depth

    def path(self, action: str) -> tuple[int, ...]:
        """The columns of an action's tokens, end token included. Raises `IllegalAction`."""
        tokens = (*self.tokenise([action])[0], self.end_id)
        columns = np.searchsorted(self.vocabulary, tokens).tolist()
        node = 0
        for token, column in zip(tokens, columns, strict=True):
            if node == len(self.ends) or column == len(self.vocabulary) or self.vocabulary[column] != token:
                node = NONE
            else:
                node = self.step(node, column)
            if node == NONE:
                raise IllegalAction(f"{action!r} is not legal in this state")
        return tuple(columns)

    def nodes(self, path: Sequence[int]) -> list[int]:
        """The node at which each token of a path is chosen, starting with the root."""
        nodes = [0]
        for column in path[:-1]:
            nodes.append(self.step(nodes[-1], column))
        return nodes

    def following(self, node: int) -> list[int]:
        """Columns of the legal next tokens, without the end token."""
        columns, nexts = self.at(node)
        return columns[nexts != len(self.ends)].tolist()

    def step(self, node: int, column: int) -> int:
        """The node after a token: N after the end token, `NONE` after an illegal token."""
        columns, nexts = self.at(node)
        place = int(columns.searchsorted(column))
        return int(nexts[place]) if place < len(columns) and columns[place] == column else NONE


Tokenise = Callable[[Sequence[str]], Sequence[Sequence[int]]]
"""A function from actions to the token ids of each."""


def build_trie(actions: Sequence[str], tokenise: Tokenise, end_id: int) -> ActionTrie:
    """Build the trie of `actions`. Raises ValueError if two actions have the same tokens or one contains the end
    token."""
    tokens = tokenise(actions)
    lengths = np.fromiter(map(len, tokens), dtype=np.int64)
    inner = np.arange(lengths.max() + 1) < lengths[:, None]  # the end token stands after them
    paths = np.full(inner.shape, NONE, dtype=np.int64)
    paths[inner] = np.fromiter(chain.from_iterable(tokens), dtype=np.int64)
    odd = (paths == end_id).any(axis=1) | (lengths == 0)
    if odd.any():
        raise ValueError(
            f"The tokenizer cannot write the action {actions[int(odd.argmax())]!r} without its end token"
        )
    paths[np.arange(len(paths)), lengths] = end_id
    vocabulary = np.unique(paths[paths != NONE])
    columns = _small(np.searchsorted(vocabulary, paths))
    order = np.lexsort(columns.T[::-1])  # actions that begin alike stand together
    columns, inner, lengths = columns[order], inner[order], lengths[order]
    begins = np.ones(inner.shape, dtype=bool)
    np.logical_or.accumulate(columns[1:] != columns[:-1], axis=1, out=begins[1:])
    if not begins[:, -1].all():
        again = int(begins[:, -1].argmin())
        raise ValueError(f"{actions[order[again]]!r} and {actions[order[again - 1]]!r} have the same tokens")
    begins &= inner
    # [actions, depth + 1] the node before each token: numbered by depth, at each depth in the order of the paths.
    nodes = np.zeros((len(order), begins.shape[1] + 1), dtype=np.int64)
    nodes[:, 1:] = begins.T.cumsum().reshape(begins.T.shape).T
    count = int(nodes[-1, -1]) + 1
    last = nodes[np.arange(len(order)), lengths]
    parents = np.concatenate([nodes[:, :-1][begins], last])
    taken = np.concatenate([columns[begins], np.full(len(order), np.searchsorted(vocabulary, end_id))])
    nexts = np.concatenate([nodes[:, 1:][begins], np.full(len(order), count)])
    edges = np.lexsort((taken, parents))
    ends = np.full(count, NONE, dtype=np.int32)
    ends[last] = order
    return ActionTrie(
        tuple(actions),
        vocabulary,
        _small(np.searchsorted(parents[edges], np.arange(count + 1))),
        _small(taken[edges]),
        _small(nexts[edges]),
        _small(ends),
        int(lengths.max()) + 1,
        tokenise,
        end_id,
    )


def _small(numbers: np.ndarray) -> np.ndarray:
    """Convert to the smallest integer type that holds the values."""
    return numbers.astype(np.min_scalar_type(-int(numbers.max()) - 1))


class Grammar:
    """Tries by state, built when first needed, in an LRU cache."""

    def __init__(self, game: Game, tokenise: Tokenise, end_id: int, states: int = 1024) -> None:
        self.game = game
        self.end_id = end_id
        self.trie = lru_cache(maxsize=states)(
            lambda state: build_trie(game.legal_actions(state), tokenise, end_id)
        )


class Draw:
    """Samples one action token by token under the grammar."""

    def __init__(self, trie: ActionTrie, source: random.Random | None) -> None:
        """`source` None takes the most probable token each time (greedy)."""
        self.trie = trie
        self.node = 0
        self.action: str | None = None
        self.logp = 0.0
        """log π, in nats, of the tokens drawn so far: the sum of their masked log-softmax values."""
        self._source = source

    def take(self, values: np.ndarray) -> int:
        """Draw the next token from logits [V] over the trie's vocabulary. Returns its column.

        Sets `action` if it was the end token. Raises ValueError for logits that are not finite.
        """
        columns, nexts = self.trie.at(self.node)
        legal = values[columns]
        cumulative = np.exp(legal - legal.max()).cumsum()
        total = float(cumulative[-1])
        if not math.isfinite(total):
            raise ValueError("The model's output is not finite")
        if self._source is None:
            drawn = int(legal.argmax())
        else:
            drawn = int(cumulative.searchsorted(self._source.random() * total, side="right"))
        self.logp += float(legal[drawn] - legal.max()) - math.log(total)
        column, after = int(columns[drawn]), int(nexts[drawn])
        if after == len(self.trie.ends):
            self.action = self.trie.actions[self.trie.ends[self.node]]
        else:
            self.node = after
        return column


class ConstrainedSampler(LogitsProcessor):
    """Sampling inside transformers' `generate`: it draws a token for each row and masks all others.

    Use with greedy search. Each row has its own random source, so that its action does not depend on the batch.
    """

    def __init__(
        self, tries: Sequence[ActionTrie], sources: Sequence[random.Random] | None, pad_id: int
    ) -> None:
        """`sources` None takes the most probable token in each step (greedy)."""
        self.draws = [Draw(trie, sources[row] if sources else None) for row, trie in enumerate(tries)]
        self.pad_id = pad_id

    @property
    def actions(self) -> list[str | None]:
        """The action of each row; None until it is finished."""
        return [draw.action for draw in self.draws]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        forced = torch.full_like(scores, -torch.inf)
        for row, draw in enumerate(self.draws):
            token = self.pad_id
            if draw.action is None:
                vocabulary = torch.from_numpy(draw.trie.vocabulary).to(scores.device)
                token = int(draw.trie.vocabulary[draw.take(scores[row, vocabulary].double().cpu().numpy())])
            forced[row, token] = 0.0
        return forced  # pyright: ignore[reportReturnType]

    def results(self) -> list[tuple[str, float]]:
        """(action, log-propensity) of every row. Raises RuntimeError if `generate` stopped before a row was
        finished."""
        unfinished = [row for row, draw in enumerate(self.draws) if draw.action is None]
        if unfinished:
            raise RuntimeError(f"No action was finished in rows {unfinished}")
        return [(draw.action or "", draw.logp) for draw in self.draws]


def masked_log_softmax(values: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """Log-softmax over the legal entries, -inf elsewhere; [..., V]. Raises ValueError for values that are not
    finite."""
    masked = np.where(legal, values, -np.inf)
    if not np.isfinite(values[legal]).all():
        raise ValueError("The model's output is not finite")
    masked = masked - masked.max(axis=-1, keepdims=True)
    return masked - np.log(np.exp(masked).sum(axis=-1, keepdims=True))
