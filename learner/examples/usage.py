"""Usage: whether a player's words for a figure are those that the other players use for it.

Feedback can be true and still teach wrong names, of all figures or of a single one. The outcome of a game does not
show this, but the games of the other players do: on a board, their words may clearly fit another figure. Pure
functions of interactions and decoded feedback.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from games import GAMES
from games.core import change_of
from learner.examples.hindsight import final_selection
from learner.examples.labels import DecodedFeedback, TrainingGame
from learner.feedback.rules.normalise import read
from learner.feedback.verdict import says_something
from store.training import Interaction

SMOOTHING = 2.0
"""Weight of a word's overall frequency in its frequency for one figure, in uses."""
LEAST_FIT = -0.7
"""Least evidence of one word, in nats: that nobody else has used it for a figure says little."""
SHARPNESS = 2.0
"""Exponent of likelihoods, above 1 so that a few players who share names of their own do not confirm each other."""
OWN_WORDS = {"player": 0.5, "pair": 0.2}
"""Probability that a player who names figures as the others do uses words of their own, in judging all uses of a player
and those of one figure."""


@dataclass(frozen=True)
class Use:
    """Words with which a player got a figure selected: it was in the final selection of a won game, or was praised."""

    player: int
    figure: str
    """Key of the figure (`figure_keys`)."""
    words: frozenset[str]
    """Stems of content words."""
    board: tuple[str, ...]
    """Keys of all figures."""


def figure_keys(images: str, figures: Iterable[str]) -> tuple[str, ...]:
    """Keys of figures over all image sets: equal for the same figure of a set and of a part of it."""
    return tuple(f"{images.partition(':')[0]}/{figure}" for figure in figures)


def uses_of(interaction: Interaction, verdicts: Mapping[int, DecodedFeedback]) -> list[Use]:
    """The uses of one game: turns that picked a single figure which then counted as right."""
    game = GAMES[interaction.game]
    final = set(final_selection(interaction)) if interaction.won else None
    found: list[Use] = []
    board: tuple[str, ...] = ()
    for step, turn_id in zip(interaction.steps, interaction.turn_ids, strict=True):
        picked = change_of(game, interaction.context, step.state, step.action).picked
        if len(picked) != 1:
            continue
        (figure,) = picked
        verdict = verdicts.get(turn_id)
        praised = verdict is not None and says_something(verdict) and verdict.label > 0
        if (praised if final is None else figure in final) and (words := read(step.utterance).content):
            board = board or figure_keys(interaction.images, interaction.context)
            found.append(Use(interaction.player_id, figure_keys(interaction.images, picked)[0], words, board))
    return found


class Usage:
    """What all players call the figures; each player counts once for a word and a figure."""

    def __init__(self, uses: Iterable[Use]) -> None:
        self._players: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        """(word, figure) -> the players who used it so."""
        for use in uses:
            for word in use.words:
                self._players[word, use.figure].add(use.player)
        self._users: defaultdict[str, set[int]] = defaultdict(set)
        self._figures: defaultdict[str, set[str]] = defaultdict(set)
        self._of_word: Counter[str] = Counter()
        self._of_figure: Counter[str] = Counter()
        self._own: Counter[tuple[int, str]] = Counter()
        """(player, figure) -> number of words."""
        for (word, figure), players in self._players.items():
            self._users[word] |= players
            self._figures[word].add(figure)
            self._of_word[word] += len(players)
            self._of_figure[figure] += len(players)
            for player in players:
                self._own[player, figure] += 1
        self._all = self._of_figure.total()

    def fits(self, words: Iterable[str], figure: str, player: int) -> float:
        """How much better words fit a figure than one that nobody has described, in nats, by the uses of the others.

        Words that nobody else has used are no evidence.
        """
        said = self._of_figure[figure] - self._own[player, figure]
        total = 0.0
        for word in words:
            if self._users[word] <= {player}:
                continue
            users = self._players.get((word, figure), ())
            usual = self._of_word[word] / self._all
            found = (len(users) - (player in users) + SMOOTHING * usual) / (said + SMOOTHING)
            total += max(LEAST_FIT, log(found / usual))
        return total

    def share(self, use: Use) -> float:
        """Probability that the others would mean this figure by these words, of those on the board and the one
        elsewhere that most of them mean."""
        fits = [self.fits(use.words, figure, use.player) for figure in (*use.board, *self._elsewhere(use))]
        top = max(fits)
        likely = [exp(SHARPNESS * (fit - top)) for fit in fits]
        return likely[use.board.index(use.figure)] / sum(likely)

    def _elsewhere(self, use: Use) -> tuple[str, ...]:
        """The figure that is not on the board and for which most others use the rarest of these words: at least two,
        and more than for the figure that was meant."""
        known = [word for word in use.words if not self._users[word] <= {use.player}]
        if not known:
            return ()
        rare = min(known, key=lambda word: (self._of_word[word], word))

        def others(figure: str) -> int:
            return len(self._players.get((rare, figure), frozenset()) - {use.player})

        found = max(self._figures[rare] - set(use.board), key=lambda each: (others(each), each), default=None)
        return (found,) if found and others(found) >= max(2, others(use.figure) + 1) else ()


@dataclass(frozen=True)
class Naming:
    """Evidence that players name figures as the others do, against names at random: log-likelihood ratios in nats."""

    players: Mapping[int, float]
    pairs: Mapping[tuple[int, str], float]
    """(player, figure) -> the ratio of the player's uses for this figure."""


def naming(uses: Sequence[Use], known: Iterable[Use] = ()) -> Naming:
    """The evidence of all uses; those of the seed games are `known`."""
    usage = Usage([*uses, *known])
    players, pairs = defaultdict[int, float](float), defaultdict[tuple[int, str], float](float)
    for use in uses:
        ratio = len(use.board) * usage.share(use)
        players[use.player] += log((1 - OWN_WORDS["player"]) * ratio + OWN_WORDS["player"])
        pairs[use.player, use.figure] += log((1 - OWN_WORDS["pair"]) * ratio + OWN_WORDS["pair"])
    return Naming(players, pairs)


def uses_of_seeds(games: Sequence[TrainingGame]) -> list[Use]:
    """The uses of seed games, each as those of a player of its own with a negative id."""
    found = []
    for number, game in enumerate(games, 1):
        for label in game.labels:
            step = game.steps[label.step]
            change = change_of(GAMES[game.game], game.context, step.state, label.action)
            words = read(step.utterance).content
            if len(change.picked) == 1 and not change.dropped and words:
                board = figure_keys(game.images, game.context)
                found.append(Use(-number, figure_keys(game.images, change.picked)[0], words, board))
    return found
