"""Trust per player: whether a player's feedback on the listener's actions is reliable enough to train on.

Pure functions of interactions and decoded feedback. Two kinds of evidence do not depend on a player's feedback: the
final selection of a won game, which is right, and the propensity of each action. An honest player gives more
positive feedback to right actions and to actions with a higher propensity, even if policy and player understand
each other badly. A player who poisons the feedback does the opposite.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from statistics import median
from typing import Any

import numpy as np

from games import GAMES
from games.core import change_by_place
from learner.examples.labels import DecodedFeedback
from learner.feedback.verdict import says_something
from store.training import Interaction

TRUST_PRIOR = (2.0, 2.0)
"""Beta prior of a player's trust, as counts of (agreeing, disagreeing) turns: mean 0.5, worth four turns."""
QUARANTINE_TRUST = 0.45
"""A player is quarantined if trust is below this with probability `QUARANTINE_CERTAINTY`. Random feedback has trust
0.5."""
QUARANTINE_CERTAINTY = 0.95
MEDIANS_PER_PLAYER = 3
"""Limit of the turns of one player in one round, as a multiple of the round's median over players."""
MIN_TURN_CAP = 60
"""The limit is never below this number of turns."""


@dataclass(frozen=True)
class Trust:
    """Agreement of a player's feedback with independent evidence: counts, in turns, of a Beta posterior."""

    agreed: float
    disagreed: float

    @property
    def mean(self) -> float:
        return (TRUST_PRIOR[0] + self.agreed) / (sum(TRUST_PRIOR) + self.agreed + self.disagreed)

    @property
    def quarantined(self) -> bool:
        """Whether trust is below `QUARANTINE_TRUST` with a probability of `QUARANTINE_CERTAINTY`."""
        if self.mean >= QUARANTINE_TRUST:
            return False
        draws = np.random.default_rng(0).beta(
            TRUST_PRIOR[0] + self.agreed, TRUST_PRIOR[1] + self.disagreed, 20_000
        )
        return float((draws < QUARANTINE_TRUST).mean()) >= QUARANTINE_CERTAINTY


@dataclass(frozen=True)
class TrustFilter:
    """The interactions to train on, and the players of those left out. The store keeps all of them."""

    interactions: list[Interaction]
    players: dict[int, Trust]
    quarantined: tuple[int, ...]
    """Player ids."""
    capped: tuple[int, ...]
    """Ids of players some of whose games were left out by the limit of turns."""

    def metrics(self) -> dict[str, Any]:
        """For the round's results and the adapter's card."""
        trust = {str(player): round(self.players[player].mean, 3) for player in self.quarantined}
        return {"players": len(self.players), "quarantined": trust, "capped": list(self.capped)}


def filter_by_trust(
    interactions: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback]
) -> TrustFilter:
    """Leave out players in quarantine, and the games of other players beyond the limit of turns per round."""
    players = trust_of_players(interactions, verdicts)
    quarantined = tuple(player for player, trust in sorted(players.items()) if trust.quarantined)
    trusted = [interaction for interaction in interactions if interaction.player_id not in quarantined]
    kept = within_caps(trusted)
    ids = {one.game_id for one in kept}
    capped = {one.player_id for one in trusted if one.game_id not in ids}
    return TrustFilter(kept, players, quarantined, tuple(sorted(capped)))


def trust_of_players(
    interactions: Sequence[Interaction], verdicts: Mapping[int, DecodedFeedback]
) -> dict[int, Trust]:
    """Trust of every player by id, from all of the player's finished games."""
    games: dict[int, list[Interaction]] = {}
    for interaction in interactions:
        if interaction.game in GAMES:
            games.setdefault(interaction.player_id, []).append(interaction)
    found = {}
    for player, played in games.items():
        proven = [by_outcome(one, verdicts) for one in played if one.won]
        agreed, disagreed = by_certainty(played, verdicts)
        found[player] = Trust(
            agreed + sum(part[0] for part in proven), disagreed + sum(part[1] for part in proven)
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
