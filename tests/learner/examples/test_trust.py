"""Trust per player: quarantine, its limits, and the rollback of an adapter that plays worse."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from sqlmodel import col, select, update

import learner.rounds.rollback
from games import GAMES
from games.core import Outcome, Step
from games.figures import held_out, open_images
from learner.conversation import conversation_of
from learner.examples import trust
from learner.examples.labels import TrainingGame, TurnLabel
from learner.examples.trust import (
    Trust,
    TrustFilter,
    by_certainty,
    by_outcome,
    filter_by_trust,
    trust_of_players,
    within_caps,
)
from learner.feedback import open_decoder
from learner.feedback.decode import decode_interactions
from learner.feedback.rules.decoder import without_verdict
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER, TurnRequest
from learner.registry import AdapterRegistry
from learner.rounds.pipeline import run_round
from learner.rounds.rollback import worse_in_play
from learner.settings import TINY_WEIGHTS
from sim.players import Attack, open_players
from sim.playing import Playground
from store.database import Database
from store.migrations import upgrade
from store.models import Adapter, AdapterTurn, Feedback, Game, PlayerTrust, Round, Turn, now
from store.rounds import finish, quarantined, request_round
from store.training import Interaction, usable_interactions
from tests.learner.played import GAMES_PLAYED, copy_of, settings_for
from tests.postgres import database_url

LETTERS = "ABCDEFGHIJ"
TURN_IDS = count()
SURE, UNSURE = -0.2, -3.0


class House:
    """A folder with a database of games, in which rounds are run."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_for(folder)
        self.database = Database(self.settings.store.url)
        self.registry = AdapterRegistry(self.settings.adapters_dir)

    def games(self) -> Sequence[Game]:
        with self.database.session() as session:
            return session.exec(select(Game).order_by(col(Game.id))).all()

    def run(self, policy: Policy) -> Round:
        with self.database.session() as session:
            row = request_round(session, "b-sup")
        assert row.id is not None
        return run_round(self.database, self.settings, row.id, policy)


class Overheard(Policy):
    """The policy, and the requests to it."""

    def __init__(self, policy: Policy) -> None:
        self.__dict__.update(vars(policy))
        self.requests: list[TurnRequest] = []

    def act(
        self, requests: Sequence[TurnRequest], seed: int = 0, greedy: bool = False
    ) -> list[tuple[str, float]]:
        self.requests += requests
        return super().act(requests, seed, greedy)


@dataclass(frozen=True)
class Read:
    label: int
    confidence: float = 0.97


def game_of(
    *picks: str,
    logps: tuple[float, ...] = (),
    won: bool = False,
    player: int = 1,
    game_id: str = "g",
    at: int = 0,
) -> Interaction:
    """A game of one pick after another."""
    steps, state = [], ""
    for pick in picks:
        steps.append(Step(state, f"the one like {pick}", f"select {pick}"))
        state = " ".join(sorted([*state.split(), pick]))
    return Interaction(
        game_id=game_id,
        game="multiref",
        images="classic",
        context=tuple(f"figure-{letter}" for letter in LETTERS),
        steps=tuple(steps),
        turn_ids=tuple(next(TURN_IDS) for _ in picks),
        logps=logps or (-1.0,) * len(picks),
        base_model="aaaa",
        adapter="base",
        player_id=player,
        round=at,
        won=won,
    )


def read(game: Interaction, *labels: int, confidence: float = 0.97) -> dict[int, Read]:
    return {turn: Read(label, confidence) for turn, label in zip(game.turn_ids, labels, strict=False)}


def test_a_won_game_shows_which_feedback_was_true():
    game = game_of("A", "B", "C", won=True)
    assert by_outcome(game, read(game, 1, 1)) == (pytest.approx(1.88), 0)
    assert by_outcome(game, read(game, -1, 1)) == (pytest.approx(0.94), pytest.approx(0.94))


def test_a_pick_that_was_taken_back_before_the_win_was_wrong():
    steps = (
        Step("", "a bird", "select A"),
        Step("A", "not that", "deselect A"),
        Step("", "wings", "select B"),
    )
    game = replace(game_of("A", "B", "C", won=True), steps=steps)
    assert by_outcome(game, read(game, -1, 1)) == (pytest.approx(1.88), 0)
    assert by_outcome(game, read(game, 1, 1)) == (pytest.approx(0.94), pytest.approx(0.94))


def test_negative_feedback_inferred_from_silence_is_not_counted():
    game = game_of("A", "B", "C", won=True)
    assert by_outcome(game, read(game, -1, -1, confidence=0.5)) == (0, 0)


def test_new_players_are_trusted():
    game = game_of("A", "B")
    assert trust_of_players([game], {}) == {1: Trust(0, 0)}
    assert Trust(0, 0).mean == 0.5
    assert filter_by_trust([game], {}).interactions == [game]


def games_of(
    player: int, praises: str, games_played: int = 8, **options
) -> tuple[list[Interaction], dict[int, Read]]:
    """Lost games of ten turns, the policy sure of every other pick; `praises` "sure", "unsure" or "none"."""
    games, verdicts = [], {}
    for number in range(games_played):
        logps = tuple((SURE if turn % 2 == number % 2 else UNSURE) - 0.01 * turn for turn in range(10))
        game = game_of(*LETTERS, logps=logps, player=player, game_id=f"{player}-{number}", **options)
        labels = [1 if (logp > -1.5) == (praises == "sure") and praises != "none" else -1 for logp in logps]
        games.append(game)
        verdicts |= read(game, *labels)
    return games, verdicts


def test_players_who_never_win_are_judged_by_the_policys_confident_actions():
    agreed, disagreed = by_certainty(*games_of(1, "unsure"))
    assert agreed == 0
    assert disagreed > 20
    assert by_certainty(*games_of(1, "sure"))[1] == 0
    assert by_certainty(*games_of(1, "none")) == (0, 0)


def test_deselections_are_no_evidence_of_trust():
    game = replace(
        game_of("A", "B", "C", logps=(-1.0, -0.1, -1.0)),
        steps=(Step("", "a", "select A"), Step("A", "no", "deselect A"), Step("", "b", "select B")),
    )
    assert by_certainty([game], read(game, -1, 1)) == (0, 0)


def test_only_players_with_false_feedback_are_put_in_quarantine():
    honest, said = games_of(1, "sure")
    liars, lies = games_of(2, "unsure")
    silent, nothing = games_of(3, "none")
    found = filter_by_trust([*honest, *liars, *silent], {**said, **lies, **nothing})
    assert found.quarantined == (2,)
    assert {game.player_id for game in found.interactions} == {1, 3}
    assert found.metrics()["quarantined"].keys() == {"2"}


def test_feedback_at_random_is_no_reason_for_quarantine():
    """If feedback is independent of the policy's confidence, almost no player may be put in quarantine."""
    rng = random.Random(0)
    games, verdicts = [], {}
    for player in range(200):
        for number in range(4):
            logps = tuple(rng.uniform(-4, 0) for _ in LETTERS)
            game = game_of(*LETTERS, logps=logps, player=player, game_id=f"{player}-{number}")
            games.append(game)
            verdicts |= read(game, *(rng.choice((1, -1)) for _ in LETTERS))
    assert len(filter_by_trust(games, verdicts).quarantined) <= 6


def test_nobody_dominates_a_round():
    many = [game_of(*LETTERS, player=1, game_id=f"many-{number}") for number in range(50)]
    others = [game_of(*LETTERS, player=2 + number // 5, game_id=f"few-{number}") for number in range(20)]
    kept = within_caps([*many, *others])
    assert sum(len(game.steps) for game in kept if game.player_id == 1) == trust.MEDIANS_PER_PLAYER * 50
    assert [game for game in kept if game.player_id != 1] == others
    again = within_caps([*others, *reversed(many)])
    assert {game.game_id for game in again} == {game.game_id for game in kept}
    assert filter_by_trust([*many, *others], {}).capped == (1,)
    alone = [replace(game, round=1) for game in many]
    assert within_caps(alone) == alone


def won_by(
    player: int, games: int, right: bool = True, at: int = 0
) -> tuple[list[Interaction], dict[int, Read]]:
    """Won games whose feedback outcomes verify, or refute."""
    found = [
        game_of("A", "B", "C", won=True, player=player, game_id=f"{player}-{number}", at=at)
        for number in range(games)
    ]
    return found, {
        turn: label for game in found for turn, label in read(game, *[1 if right else -1] * 2).items()
    }


def community(*parts: tuple[list[Interaction], dict[int, Read]]) -> TrustFilter:
    games = [game for part in parts for game in part[0]]
    return filter_by_trust(games, {turn: label for part in parts for turn, label in part[1].items()})


def test_new_accounts_weigh_less_until_outcomes_speak_for_them():
    silent = ([game_of("A", "B", player=3, game_id="3-0")], {})
    found = community(won_by(1, 5), won_by(2, 1), silent)
    assert found.weights["1-0"] == 1
    assert 0 < found.weights["3-0"] < found.weights["2-0"] <= 0.5
    assert [found.players[player].new for player in (1, 2, 3)] == [False, True, True]
    assert found.metrics()["new"] == 2
    alone = community(won_by(2, 1))
    assert alone.weights == {"2-0": 1}, "a community of new accounts learns as before"


def test_an_account_without_evidence_is_judged_by_the_other_new_ones():
    silent = ([game_of("A", "B", player=3, game_id="3-0")], {})
    among_liars = community(
        won_by(1, 5), silent, *(won_by(player, 1, right=False) for player in range(4, 14))
    )
    assert among_liars.quarantined == ()
    assert among_liars.weights["3-0"] == 0
    assert community(won_by(1, 5), silent).weights["3-0"] > 0.1


def test_new_accounts_together_have_a_cap():
    known = [won_by(player, 5) for player in range(trust.MIN_ESTABLISHED)]
    few, many = (community(*known, *(won_by(100 + at, 1) for at in range(count))) for count in (5, 300))
    assert few.weights["100-0"] > 0.4
    new = sum(weight for game, weight in many.weights.items() if int(game.split("-")[0]) >= 100)
    assert new / sum(many.weights.values()) == pytest.approx(trust.NEW_SHARE)


def lesson(game: Interaction) -> TrainingGame:
    labels = (TurnLabel(0, game.turn_ids[0], game.steps[0].action, 1.0),)
    return TrainingGame(game.game_id, game.game, game.images, game.context, game.steps, labels)


def test_the_gate_believes_trusted_players_only():
    half = won_by(2, 4)
    half[1].update(won_by(2, 0)[1] | {turn: Read(-1) for game in half[0][:2] for turn in game.turn_ids[:2]})
    parts = (won_by(1, 5), half, won_by(3, 1))
    found = community(*parts)
    lessons = [lesson(game) for part in parts for game in part[0]]
    assert {game.game_id for game in found.believed(lessons)} == {f"1-{number}" for number in range(5)}


def test_what_players_weigh_and_how_much_they_influence():
    halves = won_by(2, 20)
    halves[1].update({turn: Read(-1) for game in halves[0][::2] for turn in game.turn_ids[:2]})
    parts = (won_by(1, 5), halves)
    found = community(*parts)
    assert found.quarantined == ()
    assert found.weights["2-1"] < 0.5 * found.weights["1-0"]
    learnt = found.weighted([lesson(game) for part in parts for game in part[0]])
    assert {game.labels[0].weight for game in learnt} == set(found.weights.values())
    influence = found.influence(learnt)
    assert list(influence) == ["1", "2"]
    assert sum(influence.values()) == pytest.approx(1, abs=0.01)
    assert found.influence([]) == {}


def test_real_poisoners_are_found_and_nobody_else(tmp_path: Path, policy: Policy):
    database = Database(database_url(tmp_path))
    upgrade(database)
    images = open_images("classic")
    unknown = held_out(images.ids, json.loads((TINY_WEIGHTS / "build.json").read_text())["holdout"])
    known = [
        figure for figure in images.ids if figure not in unknown
    ]  # its confidence says little about the others
    playground = Playground(
        database,
        policy,
        [GAMES["multiref"]],
        images,
        known,
        open_players("people"),
        10,
        3,
        Attack("poison", 0.2),
    )
    playground.play(0, 60, BASE_ADAPTER, lambda tally: None)
    with database.session() as session:
        found = usable_interactions(session, None)
    verdicts = decode_interactions(database, found, open_decoder("rules", "binary"))
    quarantined = set(filter_by_trust(found, verdicts).quarantined)
    assert len(playground.attackers) == 2
    assert quarantined == playground.attackers
    with database.session() as session:
        for game in session.exec(select(Game)):
            game.targets = list(reversed(game.listener))[:3]
            session.add(game)
    with database.session() as session:
        again = usable_interactions(session, None)
    assert set(filter_by_trust(again, verdicts).quarantined) == quarantined
    database.close()


def test_a_round_does_not_train_on_players_in_quarantine(played: Path, tmp_path: Path, policy: Policy):
    house = House(copy_of(played, tmp_path))
    liar = house.games()[0].player_id
    ids = {game.id for game in house.games()[:5]}
    with house.database.session() as session:
        session.exec(update(Game).where(col(Game.id).in_(ids)).values(player_id=liar))
        found = usable_interactions(session, None)
    decode_interactions(house.database, found, open_decoder("rules", "binary"))
    lies = {turn for game in found if game.player_id == liar for turn in game.turn_ids}
    with house.database.session() as session:
        for entry in session.exec(select(Feedback).where(col(Feedback.turn_id).in_(lies))):
            entry.label, entry.confidence = -entry.label, 0.97
            session.add(entry)

    row = house.run(policy)
    assert list(row.results["trust"]["quarantined"]) == [str(liar)]
    with house.database.session() as session:
        learnt = set(session.exec(select(Game.player_id).join(Turn).join(AdapterTurn)))
        (adapter,) = session.exec(select(Adapter)).all()
        trusted = {row.player_id: row for row in session.exec(select(PlayerTrust)).all()}
        assert trusted.keys() == set(session.exec(select(Game.player_id)).all())
        others = [each for player, each in trusted.items() if player != liar]
    assert (trusted[liar].quarantined, trusted[liar].weight) == (True, 0) and trusted[liar].trust < 0.5
    assert not any(each.quarantined for each in others) and max(each.weight for each in others) == 1
    assert learnt
    assert liar not in learnt
    assert adapter.card["metrics"]["trust"] == row.results["trust"]
    assert len(house.games()) == GAMES_PLAYED

    house.settings = settings_for(tmp_path, rounds={"trust": False})
    row = house.run(policy)
    assert "trust" not in row.results
    with house.database.session() as session:
        assert liar in set(session.exec(select(Game.player_id).join(Turn).join(AdapterTurn)))


def test_feedback_from_quarantine_is_hidden_and_not_trained_on(tmp_path: Path, policy: Policy):
    house = House(tmp_path)
    upgrade(house.database)
    images, heard = open_images("classic"), Overheard(policy)
    playground = Playground(
        house.database, heard, [GAMES["multiref"]], images, images.ids, open_players("patient"), 4, seed=2
    )
    playground.play(0, 8, BASE_ADAPTER, lambda tally: None)
    with house.database.session() as session:
        row = request_round(session, "b-sup")
        assert row.id is not None
        finish(session, row.id, trust={"quarantined": {"1": 0.1, "2": 0.2}})
    playground.play(1, 8, BASE_ADAPTER, lambda tally: None)
    with house.database.session() as session:
        assert quarantined(session, 1) == {1, 2} and not quarantined(session, 2)
        games = {game.id: game for game in session.exec(select(Game))}
        said = {(turn.game_id, turn.number): turn.utterance for turn in session.exec(select(Turn))}
        quarantined_games = {one.game_id for one in usable_interactions(session, None) if one.in_quarantine}
    assert quarantined_games == {
        game.id for game in games.values() if game.round == 1 and game.player_id in (1, 2)
    }
    assert any(
        without_verdict(words) != words for (game, _), words in said.items() if game in quarantined_games
    )
    for request in heard.requests:
        assert request.verdicts_heard == (request.game_id not in quarantined_games)
        shown = conversation_of(GAMES["multiref"], request)
        told = [*(step.utterance for step in request.history), request.utterance]
        assert told == [said[request.game_id, number] for number in range(1, len(told) + 1)]
        hear = without_verdict if request.game_id in quarantined_games else str
        steps = zip(request.history, map(hear, told), strict=False)
        history = [Step(past.state, words, past.action) for past, words in steps]
        assert shown == GAMES["multiref"].prompt(request.context, history, request.state, hear(told[-1]))

    house.run(policy)
    with house.database.session() as session:
        learnt = set(session.exec(select(Turn.game_id).join(AdapterTurn)))
    assert learnt and not learnt & quarantined_games
    house.database.close()


def record(adapter: str, won: int, games: int, labels: Sequence[int] = ()) -> tuple[list[Interaction], dict]:
    found = [replace(game_of("A", "B", won=number < won), adapter=adapter) for number in range(games)]
    return found, {
        turn: Read(label) for game in found for turn, label in zip(game.turn_ids, labels, strict=False)
    }


def verdict_on(now: tuple[list[Interaction], dict], before: tuple[list[Interaction], dict]) -> str | None:
    return worse_in_play(now[0] + before[0], now[1] | before[1], "now", "before")


def test_an_adapter_is_worse_in_play_if_it_credibly_wins_less():
    assert verdict_on(record("now", 20, 100), record("before", 60, 100)) == (
        "now won 20% of 100 games, before 60% of 100"
    )
    assert verdict_on(record("now", 55, 100), record("before", 60, 100)) is None
    assert verdict_on(record("now", 0, 10), record("before", 60, 100)) is None, "too few to judge by"
    assert verdict_on(record("now", 0, 100), ([], {})) is None


def test_only_games_of_one_difficulty_are_compared():
    """Whoever chooses boards of similar figures makes no adapter look worse."""

    def hard(adapter: str, won: int, games: int) -> list[Interaction]:
        return [replace(one, difficulty="near") for one in record(adapter, won, games)[0]]

    usual, before = record("now", 60, 100), record("before", 60, 100)
    assert verdict_on((usual[0] + hard("now", 0, 80), {}), before) is None
    assert verdict_on((usual[0] + hard("now", 0, 120), {}), before) is None, "no such games to compare with"
    assert (
        verdict_on((usual[0] + hard("now", 0, 120), {}), (before[0] + hard("before", 60, 100), {}))
        == "now won 0% of 120 games, before 60% of 100"
    )


def test_an_adapter_is_worse_in_play_if_it_gets_less_praise_and_wins_no_more():
    praised, scolded = (1,), (-1,)
    found = verdict_on(record("now", 50, 100, scolded), record("before", 50, 100, praised))
    assert found == "now got positive feedback in 0% of its turns, before in 100%"
    assert verdict_on(record("now", 60, 100, scolded), record("before", 50, 100, praised)) is None


def test_an_adapter_that_plays_worse_than_the_one_before_is_rolled_back(
    played: Path, tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(learner.rounds.rollback, "MIN_GAMES", GAMES_PLAYED)
    house = House(copy_of(played, tmp_path))
    first = house.run(policy).results["adapter"]
    assert house.registry.current() == first
    with house.database.session() as session:
        for number, game in enumerate(session.exec(select(Game).order_by(col(Game.id))).all()):
            turns = session.exec(select(Turn).where(Turn.game_id == game.id)).all()
            game.outcome = Outcome.WON if number % 5 else Outcome.LOST
            session.add(game)
            fields = game.model_dump() | {"id": f"later-{game.id}", "adapter": first, "round": 1}
            session.add(Game(**fields | {"outcome": Outcome.LOST, "ended_at": now()}))
            session.flush()
            for turn in turns:
                session.add(Turn(**turn.model_dump() | {"id": None, "game_id": f"later-{game.id}"}))

    won = sum(number % 5 > 0 for number in range(GAMES_PLAYED)) / GAMES_PLAYED
    row = house.run(policy)
    assert row.status == "done", row.error
    assert row.results["rolled_back"] == {
        "from": first,
        "to": "base",
        "reason": f"{first} won 0% of {GAMES_PLAYED} games, base {won:.0%} of {GAMES_PLAYED}",
    }
    with house.database.session() as session:
        status = {adapter.name: adapter.status for adapter in session.exec(select(Adapter))}
    assert status[first] == "rejected"
    assert house.registry.current() in ("base", row.results["adapter"])
    assert house.registry.previous() in (None, "base")
