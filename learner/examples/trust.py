"""Trust per player: whether a player's feedback on the listener's actions is reliable enough to train on.

Pure functions of interactions and decoded feedback. Three kinds of evidence do not depend on a player's feedback: the
final selection of a won game, which is right; the propensity of each action; and what the other players call the
figures (`learner.examples.usage`). An honest player gives more positive feedback to right actions and to actions with
a higher propensity, even if policy and player understand each other badly. A player who poisons the feedback does the
opposite.

Players whose trust is credibly low are put in quarantine. What is learnt from the others is weighted by their trust,
and what is learnt of one figure by the trust in the player's names for it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import exp, log
from statistics import median
from typing import Any

import numpy as np

from games import GAMES
from games.core import change_by_place, change_of
from learner.examples.labels import DecodedFeedback, TrainingGame, TurnLabel
from learner.examples.usage import Naming, Use, figure_keys, naming, uses_of
from learner.feedback.verdict import says_something
from store.models import PlayerTrust
from store.training import Interaction

TRUST_PRIOR = (2.0, 2.0)
"""Beta prior of a player's trust, as counts of (agreeing, disagreeing) turns: mean 0.5, worth four turns."""
QUARANTINE_TRUST = 0.45
"""A player is quarantined if trust is below this with probability `QUARANTINE_CERTAINTY`. Random feedback has trust
0.5."""
QUARANTINE_CERTAINTY = 0.95
FULL_WEIGHT, NO_WEIGHT = 0.7, 0.4
"""The weight of a player rises linearly between these means of trust."""
USUAL_NAMING = log(4)
"""Log-odds, before any evidence, that a player names figures as the others do."""
SUREST_NAMING = 3.0
"""Greatest log-odds, before the evidence for a single figure, that a player names it as the others do."""
DOUBTED_WEIGHT = 0.2
"""Players of less weight are reported as doubted."""
VERIFIED_TURNS = 3.0
"""An account is new until outcomes verified that many more turns of its feedback than they refuted."""
NEW_WEIGHT = 0.5
"""The greatest weight of a new account."""
NEW_SHARE = 1 / 3
"""The greatest share of new accounts together in the weight of a round's turns, once `MIN_ESTABLISHED` others have
played."""
MIN_ESTABLISHED = 10
GATE_TRUST = 0.55
"""The gate believes labels of accounts that are not new and have at least this mean of trust."""
MEDIANS_PER_PLAYER = 3
"""Limit of the turns of one player in one round, as a multiple of the round's median over players."""
MIN_TURN_CAP = 60
"""The limit is never below this number of turns."""
LEAST_WEIGHT = 0.02
"""Labels of less weight are not learnt."""
MOST_INFLUENTIAL = 5
"""Number of players whose influence is reported."""


@dataclass(frozen=True)
class Trust:
    """Agreement of a player's feedback with independent evidence: counts, in turns, of a Beta posterior."""

    agreed: float
    disagreed: float
    verified: float = 0.0
    """Turns of feedback that outcomes verified, less those that they refuted."""
    naming: float = 0.0
    """Log-likelihood ratio, in nats, of names as the others use them, against names at random."""

    @property
    def mean(self) -> float:
        return self.mean_from(0.5)

    def mean_from(self, prior: float) -> float:
        """The mean of trust, with this mean before any evidence."""
        strength = sum(TRUST_PRIOR)
        return (prior * strength + self.agreed) / (strength + self.agreed + self.disagreed)

    @property
    def quarantined(self) -> bool:
        """Whether trust is below `QUARANTINE_TRUST` with a probability of `QUARANTINE_CERTAINTY`.

        Names for figures are no reason, because people may have names of their own; they only lower the weight.
        """
        if self.mean >= QUARANTINE_TRUST:
            return False
        draws = np.random.default_rng(0).beta(
            TRUST_PRIOR[0] + self.agreed, TRUST_PRIOR[1] + self.disagreed, 20_000
        )
        return float((draws < QUARANTINE_TRUST).mean()) >= QUARANTINE_CERTAINTY

    @property
    def new(self) -> bool:
        return self.verified < VERIFIED_TURNS

    @property
    def vouches(self) -> bool:
        """Whether the gate believes the player's labels."""
        return not self.new and self.mean >= GATE_TRUST and self.naming >= 0

    def weight(self, prior: float = 0.5) -> float:
        """Weight of what is learnt from the player, 0 to 1."""
        trusted = (self.mean_from(prior) - NO_WEIGHT) / (FULL_WEIGHT - NO_WEIGHT)
        names = _probability(USUAL_NAMING + self.naming) / _probability(USUAL_NAMING)
        return min(1.0, max(0.0, trusted)) * min(1.0, names) * (NEW_WEIGHT if self.new else 1.0)


@dataclass(frozen=True)
class TrustFilter:
    """The interactions to train on, and the players of those left out. The store keeps all of them."""

    interactions: list[Interaction]
    players: dict[int, Trust]
    quarantined: tuple[int, ...]
    """Player ids."""
    capped: tuple[int, ...]
    """Ids of players some of whose games were left out by the limit of turns."""
    weights: Mapping[str, float]
    """Game id -> weight of what is learnt from it, by its player's trust; the greatest is 1."""
    names: Mapping[tuple[int, str], float]
    """(player, key of a figure) -> probability that the player names it as the others do."""

    @cached_property
    def _player_of(self) -> dict[str, int]:
        """Game id -> player id."""
        return {one.game_id: one.player_id for one in self.interactions}

    def metrics(self) -> dict[str, Any]:
        """For the round's results and the adapter's card."""
        trust = {str(player): round(self.players[player].mean, 3) for player in self.quarantined}
        weights = {one.player_id: self.weights[one.game_id] for one in self.interactions}
        return {
            "players": len(self.players),
            "new": sum(each.new for each in self.players.values()),
            "doubted": sorted(player for player, weight in weights.items() if weight < DOUBTED_WEIGHT),
            "quarantined": trust,
            "capped": list(self.capped),
        }

    def of_players(self, round_id: int) -> list[PlayerTrust]:
        """What the store keeps of every player."""
        weights: dict[int, float] = {}
        for one in self.interactions:
            weights[one.player_id] = max(weights.get(one.player_id, 0.0), self.weights[one.game_id])
        return [
            PlayerTrust(
                round_id=round_id,
                player_id=player,
                trust=trust.mean,
                turns=trust.agreed + trust.disagreed,
                naming=trust.naming,
                weight=weights.get(player, 0.0),
                quarantined=player in self.quarantined,
                capped=player in self.capped,
            )
            for player, trust in sorted(self.players.items())
        ]

    def weighted(self, games: Sequence[TrainingGame]) -> list[TrainingGame]:
        """The games with labels weighted by trust in their player, and in the player's names for the picked figures.

        Labels without weight are left out.
        """
        found = []
        for game in games:
            labels = self._weighted(game, game.labels, by_names=True)
            rejected = self._weighted(game, game.rejected, by_names=False)
            if labels or rejected:
                found.append(replace(game, labels=labels, rejected=rejected))
        return found

    def _weighted(
        self, game: TrainingGame, labels: Sequence[TurnLabel], *, by_names: bool
    ) -> tuple[TurnLabel, ...]:
        rules, player, found = GAMES[game.game], self._player_of[game.game_id], []
        for label in labels:
            weight = label.weight * self.weights[game.game_id]
            if by_names:
                state = game.steps[label.step].state
                picked = change_of(rules, game.context, state, label.action).picked
                keys = figure_keys(game.images, picked)
                weight *= min((self.names.get((player, key), 1.0) for key in keys), default=1.0)
            if weight >= LEAST_WEIGHT:
                found.append(replace(label, weight=weight))
        return tuple(found)

    def believed(self, games: Sequence[TrainingGame]) -> list[TrainingGame]:
        """The games of players whose labels the gate believes."""
        vouching = {one.game_id for one in self.interactions if self.players[one.player_id].vouches}
        return [game for game in games if game.game_id in vouching]

    def influence(self, games: Sequence[TrainingGame]) -> dict[str, float]:
        """The most influential players by id: their shares of the weight of what is learnt, greatest first."""
        weights = defaultdict[int, float](float)
        for game in games:
            weights[self._player_of[game.game_id]] += sum(label.weight for label in game.labels)
        total = sum(weights.values()) or 1.0
        most = sorted(weights.items(), key=lambda each: (-each[1], each[0]))[:MOST_INFLUENTIAL]
        return {str(player): round(weight / total, 3) for player, weight in most}


def filter_by_trust(
    interactions: Sequence[Interaction],
    verdicts: Mapping[int, DecodedFeedback],
    known: Sequence[Use] = (),
) -> TrustFilter:
    """Leave out players in quarantine, and the games of other players beyond the limit of turns per round; weight
    the rest.

    `known`: what the figures are called in the seed games.
    """
    uses = [use for one in interactions if one.game in GAMES for use in uses_of(one, verdicts)]
    names = naming(uses, known)
    players = trust_of_players(interactions, verdicts, names)
    quarantined = {player for player, trust in players.items() if trust.quarantined}
    trusted = [interaction for interaction in interactions if interaction.player_id not in quarantined]
    kept = within_caps(trusted)
    ids = {one.game_id for one in kept}
    capped = {one.player_id for one in trusted if one.game_id not in ids}
    return TrustFilter(
        kept,
        players,
        tuple(sorted(quarantined)),
        tuple(sorted(capped)),
        game_weights(kept, players),
        {pair: _names_alike(players[pair[0]], ratio) for pair, ratio in names.pairs.items()},
    )


def game_weights(interactions: Sequence[Interaction], players: Mapping[int, Trust]) -> dict[str, float]:
    """Game id -> weight, by the trust in its player.

    A new account is trusted as the new accounts together before there is evidence of its own, at most as much as a
    player of random feedback. In one round the new accounts together have at most `NEW_SHARE` of the weight of turns.
    """
    new = {one.player_id for one in interactions if one.game in GAMES and players[one.player_id].new}
    together = Trust(sum(players[one].agreed for one in new), sum(players[one].disagreed for one in new))
    prior = min(0.5, together.mean)
    of_player = {
        one.player_id: players[one.player_id].weight(prior if one.player_id in new else 0.5)
        for one in interactions
        if one.game in GAMES
    }
    enough = len(of_player) - len(new) >= MIN_ESTABLISHED
    turns = defaultdict[tuple[int, bool], float](float)
    for one in interactions:
        if one.player_id in of_player:
            turns[one.round, one.player_id in new] += of_player[one.player_id] * len(one.steps)
    found = {}
    for one in interactions:
        weight = of_player.get(one.player_id, 0.0)
        if enough and one.player_id in new:
            most = NEW_SHARE / (1 - NEW_SHARE) * turns[one.round, False]
            weight *= min(1.0, most / turns[one.round, True]) if turns[one.round, True] else 1.0
        found[one.game_id] = weight
    greatest = max(found.values(), default=0.0) or 1.0
    return {game: weight / greatest for game, weight in found.items()}


def _names_alike(trust: Trust, ratio: float) -> float:
    """Probability that a player names one figure as the others do, by the evidence of all figures and of this one."""
    return _probability(min(SUREST_NAMING, USUAL_NAMING + trust.naming) + ratio)


def _probability(log_odds: float) -> float:
    return 1 / (1 + exp(-log_odds))


def trust_of_players(
    interactions: Sequence[Interaction],
    verdicts: Mapping[int, DecodedFeedback],
    names: Naming = Naming({}, {}),  # noqa: B008 - frozen
) -> dict[int, Trust]:
    """Trust of every player by id, from all of the player's finished games."""
    games: dict[int, list[Interaction]] = {}
    for interaction in interactions:
        if interaction.game in GAMES:
            games.setdefault(interaction.player_id, []).append(interaction)
    found = {}
    for player, played in games.items():
        proven = [by_outcome(one, verdicts) for one in played if one.won]
        right, wrong = sum(part[0] for part in proven), sum(part[1] for part in proven)
        agreed, disagreed = by_certainty(played, verdicts)
        found[player] = Trust(
            agreed + right, disagreed + wrong, right - wrong, names.players.get(player, 0.0)
        )
    return found


def by_outcome(interaction: Interaction, verdicts: Mapping[int, DecodedFeedback]) -> tuple[float, float]:
    """(agreed, disagreed), in turns, of a won game: its feedback compared with its final selection.

    A turn is weighted by the certainty of its verdict, 0 to 1, so that silence decoded as negative feedback has
    little weight. A turn with both right and wrong clicks does not count.
    """
    game, last, size = GAMES[interaction.game], interaction.steps[-1], len(interaction.context)
    final = change_by_place(game, size, last.state, last.action).after
    counts = {True: 0.0, False: 0.0}
    for step, turn_id in zip(interaction.steps[:-1], interaction.turn_ids, strict=False):
        change = change_by_place(game, size, step.state, step.action)
        wrong = change.wrong(final)
        verdict = verdicts.get(turn_id)
        if verdict is None or verdict.label == 0 or (wrong and wrong != change.clicked):
            continue
        counts[(verdict.label > 0) == (not wrong)] += max(0.0, 2 * verdict.confidence - 1)
    return counts[True], counts[False]


def by_certainty(
    interactions: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback]
) -> tuple[float, float]:
    """(agreed, disagreed), in turns, of all games of one player: is the propensity higher where feedback was
    positive?

    The Mann-Whitney statistic: the share of (positive, negative) pairs of turns in which the positive turn's action
    had the higher propensity, weighted by the number of independent turns that has the same variance. Only ranks
    within one player are compared, so that players whom the policy understands badly are not taken for poisoners.
    Actions that deselect are left out, because the player's negative feedback asked for them, and so are turns of
    unknown propensity.
    """
    positive: list[float] = []
    negative: list[float] = []
    for interaction in interactions:
        game, size = GAMES[interaction.game], len(interaction.context)
        rows = zip(interaction.steps[:-1], interaction.turn_ids, interaction.logps, strict=False)
        for step, turn_id, logp in rows:
            verdict = verdicts.get(turn_id)
            if logp is None or verdict is None or not says_something(verdict) or verdict.label == 0:
                continue
            if not change_by_place(game, size, step.state, step.action).dropped:
                (positive if verdict.label > 0 else negative).append(logp)
    if not positive or not negative:
        return 0.0, 0.0
    ordered = np.sort(negative)
    lower, not_higher = (np.searchsorted(ordered, positive, side) for side in ("left", "right"))
    share = int(lower.sum() + not_higher.sum()) / (len(positive) * len(negative)) / 2  # a tie counts half
    worth = max(0.0, 3 * len(positive) * len(negative) / (len(positive) + len(negative) + 1) - 1)
    return share * worth, (1 - share) * worth


def within_caps(interactions: Sequence[Interaction]) -> list[Interaction]:
    """The interactions without those beyond the limit of turns of one player in one round (`MEDIANS_PER_PLAYER`),
    in the same order.

    A hash of their ids decides which are left out, so that a restarted round makes the same choice.
    """
    turns: dict[tuple[int, int], int] = {}
    for one in interactions:
        turns[one.round, one.player_id] = turns.get((one.round, one.player_id), 0) + len(one.steps)
    by_round: dict[int, list[int]] = {}
    for (number, _), played in turns.items():
        by_round.setdefault(number, []).append(played)
    caps = {
        number: max(MIN_TURN_CAP, MEDIANS_PER_PLAYER * median(played)) for number, played in by_round.items()
    }
    chosen: set[str] = set()
    used = dict.fromkeys(turns, 0)
    for one in sorted(interactions, key=lambda one: sha256(one.game_id.encode()).digest()):
        if used[one.round, one.player_id] < caps[one.round]:
            used[one.round, one.player_id] += len(one.steps)
            chosen.add(one.game_id)
    return [one for one in interactions if one.game_id in chosen]
