"""Whole rounds on played games: rows, files, restarts, refusals."""

import json
import sys
from pathlib import Path

import pytest
from sqlmodel import col, delete, select, update

import learner.training.evaluation
import learner.training.train
from learner.examples.build import build_examples
from learner.examples.hindsight import Hindsight
from learner.examples.labels import digest
from learner.examples.seed import SEED_FILE
from learner.policy import Policy
from learner.policy.tiny.known import NOTHING_KNOWN
from learner.registry import AdapterRegistry, adapter_problems
from learner.rounds import command
from learner.rounds.__main__ import main
from learner.rounds.pipeline import run_round
from learner.rounds.work import RoundError, RoundProgress
from learner.settings import TINY_WEIGHTS, TrainingConfig
from learner.training.evaluation import Comparison
from store.database import Database
from store.models import Adapter, AdapterTurn, Feedback, Game, Origin, Round, Turn
from store.players import card_without
from store.rounds import request_round
from store.training import usable_interactions, verdicts
from tests.learner.played import GAMES_PLAYED, copy_of, settings_for


class House:
    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder = folder
        self.policy = policy
        self.settings = settings_for(folder)
        self.database = Database(self.settings.store.url)
        self.registry = AdapterRegistry(self.settings.adapters_dir)

    def ask(self, system: str = "b-sup") -> int:
        with self.database.session() as session:
            row = request_round(session, system)
        assert row.id is not None
        return row.id

    def run(self, round_id: int, **options) -> Round:
        return run_round(self.database, self.settings, round_id, self.policy, **options)

    def rows(self, table):
        with self.database.session() as session:
            return list(session.exec(select(table)))


@pytest.fixture
def house(played: Path, tmp_path: Path, policy: Policy):
    house = House(copy_of(played, tmp_path), policy)
    yield house
    house.database.close()


class Killed(BaseException):
    """Simulates SIGKILL: no code handles this exception."""


def killed_at(stage: str):
    def on_progress(at: RoundProgress) -> None:
        if at.stage == stage and (stage != "train" or at.done == 2):
            raise Killed

    return on_progress


def test_a_round_leaves_a_complete_record_and_an_adapter_that_can_be_loaded(house: House):
    stages: list[str] = []
    row = house.run(house.ask(), hindsight=Hindsight(), on_progress=lambda at: stages.append(at.stage))
    assert (row.status, row.error, row.active) == ("done", None, None)
    assert list(dict.fromkeys(stages)) == [
        "collect",
        "decode",
        "examples",
        "train",
        "evaluate",
        "gate",
        "publish",
    ]
    assert row.interactions == GAMES_PLAYED
    name = row.results["adapter"]
    assert name == "round-0001-b-sup"
    assert house.registry.current() == name

    turns, feedback = house.rows(Turn), house.rows(Feedback)
    games = {turn.game_id for turn in turns}
    assert {entry.turn_id for entry in feedback} < {turn.id for turn in turns}
    assert len(feedback) == len(turns) - len(games) == row.results["decoded_turns"]

    (adapter,) = house.rows(Adapter)
    assert (adapter.name, adapter.status, adapter.base_model) == (name, "current", house.policy.fingerprint)
    assert row.adapter_id == adapter.id
    assert adapter.card["prompt_hash"] == house.policy.prompt_hash
    positive = {entry.turn_id for entry in feedback if entry.label > 0}
    lineage = house.rows(AdapterTurn)
    assert {entry.turn_id for entry in lineage} <= positive
    assert len(lineage) == row.results["train_turns"] > 0

    folder = house.registry.path(name)
    assert adapter_problems(folder, house.policy.fingerprint) == []
    card = json.loads((folder / "card.json").read_text())
    assert card == adapter.card
    assert sum(card["games"].values()) == card["turns"] == len(lineage)
    assert card["training"]["epochs"] == 1
    assert card["metrics"]["gate"]["passed"] is True
    fresh = Policy.load("tiny", device="cpu")
    fresh.load_adapter(name, folder)
    assert fresh.adapters.names == (name,)


def test_a_round_killed_again_and_again_is_resumed(house: House, monkeypatch):
    round_id = house.ask()
    decoded: dict[int, int | None] = {}
    for stage in ("decode", "train", "evaluate", "gate", "publish"):
        with pytest.raises(Killed):
            house.run(round_id, on_progress=killed_at(stage))
        (row,) = house.rows(Round)
        assert (row.status, row.stage, row.active) == ("running", stage, True)
        after = {entry.turn_id: entry.id for entry in house.rows(Feedback)}
        assert decoded.items() <= after.items()
        decoded = after
        if stage == "evaluate":
            monkeypatch.setattr(learner.training.train, "train", lambda *_: pytest.fail("trained again"))
        for name in house.policy.adapters.names:
            house.policy.unload_adapter(name)
    row = house.run(round_id)
    assert row.status == "done", row.error
    assert house.registry.current() == row.results["adapter"]
    assert {entry.turn_id: entry.id for entry in house.rows(Feedback)} == decoded != {}
    assert len(house.rows(Adapter)) == 1
    assert house.run(round_id).ended_at == row.ended_at


def test_games_that_end_during_a_round_wait_for_the_next(house: House):
    round_id = house.ask()
    with pytest.raises(Killed):
        house.run(round_id, on_progress=killed_at("decode"))
    with house.database.session() as session:
        game = session.exec(select(Game).limit(1)).one()
        copy = game.model_dump() | {"id": "later", "ended_at": None, "outcome": "open"}
        session.add(Game(**copy))
        session.flush()
        session.add(
            Turn(
                game_id="later",
                number=1,
                utterance="the bird",
                state_before="",
                action="select A",
                state_after="A",
                logp=-1.0,
                adapter="base",
                base_model=game.base_model,
                seconds=0.0,
            )
        )
    from store.models import now

    with house.database.session() as session:
        session.exec(update(Game).where(col(Game.id) == "later").values(outcome="lost", ended_at=now()))
    row = house.run(round_id)
    assert row.results["interactions"] == GAMES_PLAYED


def test_targets_make_no_difference_to_what_is_learnt(house: House, tmp_path: Path):
    house.run(house.ask(), on_progress=None)

    def training_set() -> str:
        with house.database.session() as session:
            found = usable_interactions(session, None)
            labels = verdicts(session, "rules", *_version(session), "binary")
        return digest(build_examples(found, labels, "rl", house.policy.fingerprint))

    before = training_set()
    with house.database.session() as session:
        for game in session.exec(select(Game)):
            game.targets = list(reversed(game.listener))[:3]
            session.add(game)
    assert training_set() == before


def _version(session) -> tuple[str]:
    return (session.exec(select(Feedback.version).limit(1)).one(),)


@pytest.mark.parametrize("other", [False, True])
def test_a_killed_round_trains_anew_only_if_it_would_rehearse_something_else(
    house: House, monkeypatch: pytest.MonkeyPatch, other: bool
):
    round_id = house.ask()
    with pytest.raises(Killed):
        house.run(round_id, on_progress=killed_at("evaluate"))
    if other:
        monkeypatch.setattr(house.policy.backend, "_known", NOTHING_KNOWN)
    steps: list[str] = []
    row = house.run(round_id, on_progress=lambda at: steps.append(f"{at.stage} {at.done}"))
    assert row.status == "done"
    assert ("train 1" in steps) == other


def test_an_adapter_that_is_clearly_worse_is_rejected(house: House, monkeypatch):
    worse = Comparison(90, 60, 0.1, 0.5, (-0.5, -0.3), 0.5, 0.4, 30.0)
    monkeypatch.setattr(learner.training.evaluation, "compare", lambda *_: worse)
    row = house.run(house.ask())
    assert row.status == "done"
    assert row.results["promoted"] is False
    assert "right actions" in row.results["reason"]
    (adapter,) = house.rows(Adapter)
    assert adapter.status == "rejected"
    assert house.registry.current() == "base"


def test_a_round_goes_on_from_the_adapter_in_use(house: House):
    first = house.run(house.ask()).results["adapter"]
    second = house.run(house.ask()).results["adapter"]
    cards = [house.registry.card(name) for name in (first, second)]
    assert [card.parent for card in cards] == [None, first]
    assert len(cards[1].metrics["training"]["losses"]) == TrainingConfig().replay_epochs


def test_training_diagnostics_are_in_the_results_and_on_the_card(house: House):
    row = house.run(house.ask("b-kto"))
    card = house.registry.card(row.results["adapter"])
    assert card.metrics["training"] == row.results["training"]
    epochs = len(row.results["training"]["losses"])
    for name in ("approx_kl", "clip_fraction", "z", "gradient_norm", "clipped_steps"):
        values = row.results["training"][name]
        assert len(values) == epochs and all(value >= 0 for value in values), name


@pytest.mark.parametrize("seeds", [True, False])
def test_a_round_whose_only_lessons_are_rejections_ends_quietly(house: House, seeds: bool):
    if seeds:
        lines = (TINY_WEIGHTS / SEED_FILE).read_text("utf-8").splitlines()
        (house.folder / "seeds").write_text("\n".join(lines[:5]), "utf-8")
        house.settings = settings_for(house.folder, rounds={"seed_games": str(house.folder / "seeds")})
    with house.database.session() as session:
        session.exec(update(Turn).values(utterance="no, that's wrong. the bird"))
        session.exec(update(Game).values(outcome="lost"))
    row = house.run(house.ask())
    assert (row.status, row.error, row.adapter_id) == ("done", None, None)
    assert row.results["decoded_turns"] > 0 and row.results["positive_turns"] == 0
    assert (row.results["promoted"], row.results["reason"]) == (False, "no turn shows a right action yet")
    assert (house.rows(Adapter), house.registry.current()) == ([], "base")


def test_failures_that_are_no_faults_leave_no_traceback(house: House, capsys: pytest.CaptureFixture[str]):
    house.settings = settings_for(house.folder, rounds={"hindsight": "win,luck"})
    row = house.run(house.ask())
    assert row.error is not None and row.error.startswith("RESPECT_ROUNDS__HINDSIGHT: Unknown hindsight luck")
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err


def test_erased_games_are_not_in_the_next_adapter(house: House):
    first = house.registry.card(house.run(house.ask()).results["adapter"])
    with house.database.session() as session:
        erased = next(iter(first.games))
        session.exec(delete(Game).where(col(Game.id) == erased))
    second = house.registry.card(house.run(house.ask()).results["adapter"])
    assert second.parent is None
    assert erased not in second.games


@pytest.mark.parametrize("stage", ["decode", "train", "evaluate"])
def test_what_is_erased_during_a_round_is_in_no_adapter_that_plays(house: House, stage: str):
    erased: list[str] = []

    def erase(at: RoundProgress) -> None:
        if at.stage != stage or erased:
            return
        with house.database.session() as session:
            learnt = select(Turn.game_id).join(Feedback).where(Feedback.label > 0).order_by(col(Turn.id))
            game = session.exec(learnt if stage != "decode" else select(Game.id)).first()
            assert game is not None
            erased.append(game)
            for adapter in session.exec(select(Adapter)).all():
                adapter.card = card_without(adapter.card, erased, -1)
                session.add(adapter)
            session.exec(delete(Game).where(col(Game.id) == game))

    row = house.run(house.ask(), on_progress=erase)
    (adapter,) = house.rows(Adapter)
    for games in (house.registry.card(adapter.name).games, adapter.card["games"]):
        assert games and erased[0] not in games
    if stage == "decode":
        assert (row.status, row.error, house.registry.current()) == ("done", None, adapter.name)
    elif stage == "train":
        assert row.error is not None and row.error.endswith("have since been erased: start a round")
        assert house.registry.current() == "base"


def test_rounds_can_start_from_the_base_each_time(house: House):
    house.settings = settings_for(house.folder, rounds={"start": "base"})
    house.run(house.ask())
    assert house.registry.card(house.run(house.ask()).results["adapter"]).parent is None


def test_control_decodes_and_never_trains(house: House):
    row = house.run(house.ask("control"))
    assert (row.status, row.adapter_id, row.results["promoted"]) == ("done", None, False)
    assert row.results["positive_turns"] > 0
    assert house.rows(Adapter) == []


def test_a_failure_is_recorded_in_a_sentence(house: House, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(house.policy, "save_adapter", full_disk)
    round_id = house.ask()
    row = house.run(round_id)
    assert row.status == "failed"
    assert row.error == "The stage 'train' failed: [Errno 28] No space left on device"
    assert house.registry.current() == "base"
    monkeypatch.undo()
    again = house.run(house.ask())
    assert (again.number, again.status) == (row.number, "done")


def test_dialogues_from_discord_are_refused_without_its_permission(house: House):
    with house.database.session() as session:
        session.exec(update(Game).values(origin=Origin.DISCORD))
    row = house.run(house.ask())
    assert row.error == "There are no finished games to learn from yet"
    assert house.rows(Feedback) == []


def test_one_round_runs_at_a_time(house: House):
    round_id = house.ask()

    def on_progress(at: RoundProgress) -> None:
        with pytest.raises(RoundError, match="Another process is running a round"):
            house.run(round_id)

    assert house.run(round_id, on_progress=on_progress).status == "done"


def test_a_policy_that_cannot_be_loaded_fails_the_round(house: House, monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "RESPECT_STORE__DATA_DIR": str(house.folder),
        "RESPECT_STORE__DATABASE_URL": house.settings.store.url,
        "RESPECT_POLICY__DEVICE": "cpu",
        "RESPECT_POLICY__MODEL": str(house.folder / "nothing"),
    }.items():
        monkeypatch.setenv(name, value)
    assert main(["--round-id", str(house.ask())]) == 1
    (row,) = house.rows(Round)
    assert row.status == "failed"
    assert row.error.startswith("Cannot load the policy")


def test_a_setting_that_is_not_understood_ends_the_round_with_a_sentence(house: House, monkeypatch):
    round_id = house.ask()
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", house.settings.store.url)
    monkeypatch.setenv("RESPECT_TRAINING__RANK", "many")
    assert main(["--round-id", str(round_id)]) == 1
    (row,) = house.rows(Round)
    assert (row.status, row.active) == ("failed", None)
    assert (
        row.error.startswith("Settings are not understood: RESPECT_TRAINING__RANK")
        and "many" not in row.error
    )


def test_an_unknown_round_is_reported(house: House, monkeypatch):
    monkeypatch.setenv("RESPECT_STORE__DATA_DIR", str(house.folder))
    with pytest.raises(RoundError, match="There is no round with id 99"):
        house.run(99)
    assert sys.executable in command(99)
    assert main(["--round-id", "99"]) == 1
