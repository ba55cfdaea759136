"""Trust and digests of many turns: equal to their definitions, with time and memory that grow with the turns alone."""

import hashlib
import json
import random
import tracemalloc
from dataclasses import asdict
from statistics import median

import pytest

from games.core import Step
from learner.examples.labels import TrainingGame, TurnLabel, digest
from learner.examples.trust import MEDIANS_PER_PLAYER, MIN_TURN_CAP, by_certainty, within_caps
from store.training import Interaction, StoredVerdict, stored_verdict

FIGURES = tuple(f"figure-{place}" for place in range(10))


def played(rng: random.Random, game_id: str, turns: int, player: int = 1, number: int = 0) -> Interaction:
    """A game whose propensities are few, so that there are ties."""
    ids = tuple(rng.randrange(10**9) for _ in range(turns))
    return Interaction(
        game_id=game_id,
        game="multiref",
        images="classic",
        context=FIGURES,
        steps=(Step("", "the bird", "select A"),) * turns,
        turn_ids=ids,
        logps=tuple(rng.choice((None, -0.5, -1.0, -1.5, -rng.random())) for _ in ids),
        base_model="b",
        adapter="base",
        player_id=player,
        round=number,
        won=False,
    )


def decoded(rng: random.Random, games: list[Interaction]) -> dict[int, StoredVerdict]:
    return {
        turn: stored_verdict(rng.choice((-1, 0, 1)), rng.choice((0.0, 0.6, 0.9)))
        for one in games
        for turn in one.turn_ids
        if rng.random() < 0.9
    }


@pytest.mark.parametrize("seed", range(20))
def test_certainty_is_the_share_of_pairs(seed: int):
    rng = random.Random(seed)
    games = [played(rng, f"g{number}", rng.randint(1, 9)) for number in range(rng.randint(1, 12))]
    verdicts = decoded(rng, games)
    rows = [
        (logp, verdicts[turn].label)
        for one in games
        for turn, logp in zip(one.turn_ids[:-1], one.logps, strict=False)
        if logp is not None and turn in verdicts and verdicts[turn].confidence
    ]
    praised, refused = ([logp for logp, label in rows if label == wanted] for wanted in (1, -1))
    pairs = [(a > b) + (a == b) / 2 for a in praised for b in refused]
    agreed, disagreed = by_certainty(games, verdicts)
    if not pairs:
        assert (agreed, disagreed) == (0, 0)
        return
    worth = max(0.0, 3 * len(pairs) / (len(praised) + len(refused) + 1) - 1)
    assert agreed + disagreed == pytest.approx(worth)
    assert agreed == pytest.approx(worth * sum(pairs) / len(pairs))


def test_the_certainty_of_a_player_of_many_turns_compares_no_pairs_one_by_one():
    """15,000 turns have some 20 million pairs."""
    rng = random.Random(0)
    games = [played(rng, "g", 15_000)]
    verdicts = decoded(rng, games)
    tracemalloc.start()
    by_certainty(games, verdicts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


def test_the_limit_of_turns_is_that_of_the_median_in_each_round():
    rng = random.Random(1)
    games = [
        played(
            rng, f"g{number}", rng.randint(1, 10), player=int(rng.random() ** 4 * 9), number=rng.randrange(4)
        )
        for number in range(600)
    ]
    kept = within_caps(games)
    turns: dict[tuple[int, int], int] = {}
    for one in games:
        turns[one.round, one.player_id] = turns.get((one.round, one.player_id), 0) + len(one.steps)
    capped = 0
    for (number, player), played_turns in turns.items():
        in_round = [count for (at, _), count in turns.items() if at == number]
        cap = max(MIN_TURN_CAP, MEDIANS_PER_PLAYER * median(in_round))
        left = sum(len(one.steps) for one in kept if (one.round, one.player_id) == (number, player))
        assert left == played_turns if played_turns <= cap else cap <= left < cap + 10
        capped += played_turns > cap
    assert capped


def test_the_digest_is_that_of_the_whole_list():
    rng = random.Random(2)
    games = [
        TrainingGame(
            game_id=f"g{number}",
            game="multiref",
            images="classic",
            context=FIGURES,
            steps=played(rng, "", 2).steps,
            labels=(TurnLabel(0, number, "select A", 1.0),),
        )
        for number in range(3)
    ]
    for count in range(4):
        whole = json.dumps([asdict(game) for game in games[:count]])
        assert digest(games[:count]) == hashlib.sha256(whole.encode()).hexdigest()
