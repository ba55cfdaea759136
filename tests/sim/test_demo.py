"""The demo end to end: local service, the bot and the policy in their own processes, players, a round."""

from pathlib import Path

import pytest
from sqlmodel import select

from bot.settings import BotSettings
from games.core import Outcome
from sim.demo import DemoError, DemoOptions, running_demo
from store.models import Adapter, AdapterTurn, Feedback, Game, RoundStatus, Turn


async def test_a_bot_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sim.demo.RESTART_SECONDS", 0.0)
    options = DemoOptions(tmp_path, port=0, players=0, program=("-c", "raise SystemExit('the reason')"))
    with pytest.raises(DemoError, match=r"The last line of .*bot\.log: the reason"):
        async with running_demo(options):
            pass


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_games_are_played_a_round_is_learnt_and_the_next_games_take_it(tmp_path: Path):
    quick = BotSettings().changed(
        policy={"threads": 1},
        rounds={"seed_games": "none", "elsewhere": True},  # which the demo runs itself all the same
        training={"epochs": 1, "least_steps": 0, "grounding_epochs": 4},
    )
    finished: list[int] = []
    async with running_demo(DemoOptions(tmp_path, port=0, players=2, settings=quick), once=True) as demo:
        rounds, ended = 0, None
        while ended is None or (ended.adapter_id is None and rounds < 4):
            # Two games may have nothing that a round can learn from.
            rounds += 1
            await demo.play_games(2, finished.append)
            ended = await demo.run_round(lambda _: None)
            assert ended.status == RoundStatus.DONE, ended.error
        await demo.play_games(1, finished.append)
        results = demo.results()
    assert finished == [1, 2] * rounds + [1]
    assert [(row.round, row.interactions) for row in results] == [
        *((number, 2) for number in range(rounds)),
        (rounds, 1),
    ]
    assert all(row.positive_rate is not None for row in results)
    with demo.database.session() as session:
        games = session.exec(select(Game)).all()
        assert all(game.outcome != Outcome.OPEN for game in games)
        (adapter,) = session.exec(select(Adapter)).all()
        expected = adapter.name if (ended.results or {}).get("promoted") else "base"
        assert {game.adapter for game in games if game.round == rounds} == {expected}
        turns = {turn.id for turn in session.exec(select(Turn))}
        assert {row.turn_id for row in session.exec(select(Feedback))} <= turns
        lineage = session.exec(select(AdapterTurn.turn_id, AdapterTurn.reward)).all()
        assert {turn for turn, _ in lineage} <= turns
        # Rejected turns have the reward 0: no action of theirs is learnt.
        assert sum(reward > 0 for _, reward in lineage) == (ended.results or {})["train_turns"]
    demo.database.close()
