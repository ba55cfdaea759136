"""A study in Discord: quiz, assignment, what players must not see, survey, stop rule."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from bot_house import House, ObedientPolicy, buttons
from pydantic import SecretStr
from sqlmodel import col, select

from bot.errors import StartupError
from bot.privacy.texts import kept_answers
from bot.services import Wish
from bot.settings import BotSettings
from bot.statistics.texts import WILL_LEARN
from bot.study import texts
from bot.study.running import RunningStudy
from learner.protocol import PolicyStatus
from learner.serving.client import connect
from local_discord import Person
from local_discord.model import Message
from research.study.file import draw_arm, parse_study, read_study
from store.migrations import upgrade
from store.models import Adapter, ConsentKind, Game, Origin, Player, Turn
from store.players import erase_player, export_player, give_consent, player_of
from store.studies import kept_files
from store.study_tables import Assignment, QuizAnswer, SurveyAnswer
from store.training import LineageEntry, record_lineage
from tests.bot.rounds.rounds_house import add_adapter, erase_turns_of

WISH = Wish("multiref")
ARMS = """
name = "reading"
images = "classic:40"

[[arms]]
name = "learning"
adapter = "round-0001-b-sup"
probability = 0.5

[[arms]]
name = "control"
adapter = "base"
probability = 0.5

[stop]
games_per_arm = 100
"""
QUIZ = """
[[quiz]]
name = "marks"
text = "Who sees which figures are the targets?"
choices = ["Only I", "Only the bot", "Both of us"]
answer = "Only I"
why = "The bot sees the figures without the marks."
"""
SURVEY = """
[limits]
games_per_player = 2

[survey]
""" + "".join(
    f'[[survey.items]]\nname = "item-{number}"\ntext = "It understood me {number}."\n' for number in range(6)
)


def study_of(house: House, text: str) -> None:
    """Set the bot to run a study."""
    file = house.settings.store.data_dir / "study.toml"
    file.write_text(text)
    house.with_settings(play={"study": file})


@pytest.fixture
async def adapter(stopped_house: House) -> str:
    """An adapter that the base model of the tests can be played with."""
    upgrade(stopped_house.database)
    return await add_adapter(stopped_house, 1)


async def ask_to_play(house: House, person: Person) -> Message:
    """Use `/play`, and wait for the answer, which only the person sees."""
    await person.slash("play", "play")
    return await person.wait_message(lambda message: message.ephemeral)


async def win(house: House, person: Person, **options: str) -> Game:
    """Play a game and win it. Gives the game."""
    thread = await house.play(person, **options)
    await house.turn(person, thread, await house.winning_words(thread))
    return await house.settled(thread)


async def rows(house: House) -> list[Assignment]:
    async with house.database.async_session() as session:
        return list((await session.exec(select(Assignment).order_by(col(Assignment.at)))).all())


def board_of(house: House, person: Person, game: Game) -> Message:
    """The newest board of a game."""
    return house.boards(person, house.discord.world.channel(int(game.thread_id or 0)))[-1]


async def test_a_player_s_way_through_a_study(
    stopped_house: House, adapter: str, ada: Person, policy: ObedientPolicy
):
    house = stopped_house
    policy.current = "round-0002-b-sup"
    study_of(house, ARMS + QUIZ + SURVEY)
    await house.start()
    with house.database.session() as session:
        (kept,) = kept_files(session, "reading")
    assert parse_study(kept.text) == read_study(house.settings.store.data_dir / "study.toml").study

    asked = await ask_to_play(house, ada)
    assert asked.content == texts.quiz_first(1) and not await rows(house)
    await ada.press_labelled(asked, texts.TAKE_QUIZ)
    await ada.submit_modal(await ada.wait_modal(), {"marks": "1"})
    wrong = await ada.wait_message(lambda message: message.ephemeral)
    assert "The bot sees the figures without the marks." in wrong.content
    assert (await ask_to_play(house, ada)).content == texts.quiz_first(1)
    await ada.press_labelled(wrong, texts.TAKE_QUIZ)
    await ada.submit_modal(await ada.wait_modal(), {"marks": "0"})
    passed = await ada.wait_message(lambda message: message.ephemeral)
    assert passed.content == texts.QUIZ_PASSED

    games = [await win(house, ada) for _ in range(2)]
    assigned = await rows(house)
    assert [row.game_id for row in assigned] == [game.id for game in games]
    for row, game in zip(assigned, games, strict=True):
        assert row.adapter == game.adapter == {"learning": adapter, "control": "base"}[row.arm]
        assert (row.study, row.probability, row.eligible_arms) == ("reading", 0.5, ["learning", "control"])
        assert draw_arm(row.seed, row.eligible_arms, [0.5, 0.5])[0] == row.arm == assigned[0].arm
        assert game.images == "classic:40"
    assert {request.adapter for request in policy.asked} == {assigned[0].adapter}
    assert texts.TAKE_SURVEY not in buttons(board_of(house, ada, games[0]))

    board = board_of(house, ada, games[1])
    assert texts.SURVEY_ASKED in board.content
    await ada.press_labelled(board, texts.TAKE_SURVEY)
    opened = await ada.wait_modal()
    assert [part["label"] for part in opened["components"]] == [
        f"It understood me {number}." for number in range(5)
    ]
    await ada.submit_modal(opened, {f"item-{number}": str(number + 1) for number in range(5)})
    more = await ada.wait_message(lambda message: message.ephemeral)
    assert more.content == texts.survey_more(2, 2)
    await ada.press_labelled(more, texts.TAKE_SURVEY)
    await ada.submit_modal(await ada.wait_modal(), {"item-5": "6"})
    assert (await ada.wait_message(lambda message: message.ephemeral)).content == texts.SURVEY_DONE
    await ada.press_labelled(board, texts.TAKE_SURVEY)
    assert (await ada.wait_message(lambda message: message.ephemeral)).content == texts.SURVEY_ANSWERED

    afterwards = await win(house, ada)
    assert (afterwards.adapter, afterwards.images) == ("round-0002-b-sup", "classic")
    assert texts.TAKE_SURVEY not in buttons(board_of(house, ada, afterwards))
    async with house.database.async_session() as session:
        answers = (await session.exec(select(SurveyAnswer).order_by(col(SurveyAnswer.id)))).all()
        quiz = (await session.exec(select(QuizAnswer).order_by(col(QuizAnswer.id)))).all()
    assert [row.answer for row in answers] == [1, 2, 3, 4, 5, 6]
    assert {row.game_id for row in answers} == {games[1].id}
    await ada.slash("play", "privacy")
    panel = await ada.wait_message(lambda message: message.ephemeral)
    assert panel.content.endswith(kept_answers(8))
    assert [(row.answer, row.correct) for row in quiz] == [("Only the bot", False), ("Only I", True)]


async def test_a_game_with_options_of_the_player_is_not_in_the_study(
    stopped_house: House, adapter: str, ada: Person
):
    house = stopped_house
    house.with_settings(play={"images": "classic,classic:40,classic:60"})
    study_of(house, ARMS)
    await house.start()
    for options in ({"difficulty": "near"}, {"images": "classic:60"}):
        assert (await win(house, ada, **options)).images == options.get("images", "classic")
    assert not await rows(house)
    chosen = await win(house, ada, images="classic:40")  # as in the study
    (row,) = await rows(house)
    assert row.game_id == chosen.id
    await ada.press_labelled(board_of(house, ada, chosen), "New game")
    await ada.wait_message(
        lambda message: message.content.startswith("Hi") and message.channel_id != int(chosen.thread_id or 0)
    )
    assert len(await rows(house)) == 2


async def test_players_see_neither_arm_nor_adapter(
    stopped_house: House, adapter: str, ada: Person, policy: ObedientPolicy
):
    """What is shown is compared between two games of one player, in different arms."""
    house = stopped_house
    await house.start()
    await win(house, ada)
    with house.database.session() as session:
        row = session.exec(select(Adapter)).one()
        record_lineage(
            session, row, [LineageEntry(turn.id or 0, 1.0, 1.0) for turn in session.exec(select(Turn))]
        )
    policy.current = adapter
    await house.stop()
    study_of(house, ARMS.replace('images = "classic:40"', 'unit = "game"'))
    await house.start()
    games: dict[str, Game] = {}
    while len(games) < 2:
        game = await win(house, ada)
        games[(await rows(house))[-1].arm] = game
    shown = []
    for game in games.values():
        thread = house.discord.world.channel(int(game.thread_id or 0))
        await ada.slash(thread, "replay")
        replay = await ada.wait_message(lambda message: message.ephemeral)
        boards = [message.content for message in house.boards(ada, thread)]
        first = boards[0]
        assert "learnt" not in first
        assert WILL_LEARN in boards[-1]
        shown.append([first, *(re.sub(r"“.*?”", "", text) for text in boards[1:]), replay.content])
    assert shown[0] == shown[1]
    await ada.slash("play", "stats")
    stats = (await ada.wait_message(lambda message: message.ephemeral)).content
    played = len(await rows(house))
    assert re.search(rf"\(study\) +{played} +100%", stats) and re.search(r"base +1 +100%", stats)
    assert adapter not in stats

    def everything(running: str | None) -> str:
        with house.database.session() as session:
            found = export_player(session, session.exec(select(Player.id)).one() or 0, running)
        for each in found["games"][0]["turns"]:
            each["learnt_by"] = []  # of the game before the study
        return json.dumps(found)

    blind, open_ = everything("reading"), everything(None)
    assert adapter not in blind and "learning" not in blind and "control" not in blind
    assert adapter in open_ and '"arm": "control"' in open_


async def test_the_stop_rule_and_the_survey_after_it(stopped_house: House, ada: Person, bob: Person):
    house = stopped_house
    one_arm = ARMS.replace("0.5", "1", 1).replace('"round-0001-b-sup"', '"current"')
    one_arm = re.sub(r'\[\[arms\]\]\nname = "control".*?0.5', "", one_arm, flags=re.DOTALL)
    study_of(house, one_arm.replace("games_per_arm = 100", "games_per_arm = 1") + SURVEY)
    await house.start()
    game = await win(house, ada)
    assert [row.arm for row in await rows(house)] == ["learning"]
    assert texts.TAKE_SURVEY in buttons(board_of(house, ada, game)), "the study has stopped"
    other = await win(house, bob)
    assert len(await rows(house)) == 1
    assert texts.TAKE_SURVEY not in buttons(board_of(house, bob, other))
    await ada.press_labelled(board_of(house, ada, game), texts.TAKE_SURVEY)
    opened = await ada.wait_modal()
    await bob.press_labelled(board_of(house, ada, game), texts.TAKE_SURVEY)
    assert (await bob.wait_message(lambda message: message.ephemeral)).content == texts.NOT_YOUR_SURVEY
    await ada.submit_modal(opened, {f"item-{number}": "2" for number in range(5)})
    assert (await ada.wait_message(lambda message: message.ephemeral)).content == texts.survey_more(2, 2)


async def test_an_adapter_that_may_not_be_used_any_more_leaves_its_arm_out(
    stopped_house: House, adapter: str
):
    house, text = stopped_house, ARMS.replace('images = "classic:40"', 'images = "classic:40"\nseed = 3')
    study_of(house, text)
    status = PolicyStatus(
        base_model="obedient", current="base", loaded=(), turns=0, waiting=0, uptime_seconds=1.0
    )
    async with connect(house.policy.url, house.settings) as policy:
        running = RunningStudy(house.settings, house.database, policy)
        await running.check()

        async def enter(user_id: int) -> str | None:
            async with house.database.async_writing() as session:
                player = await player_of(session, Origin.LOCAL, str(user_id), "Ada")
                assert player.id is not None
            assert running.file is not None
            entry = await running.enter(1, player.id, user_id, Wish(running.file.study.game), status)
            if entry is None:
                return None
            async with house.database.async_writing() as session:
                game = Game(
                    game=running.file.study.game, images="classic", speaker=[], listener=[], targets=[],  # pyright: ignore[reportOptionalMemberAccess]
                    player_id=player.id, origin=Origin.LOCAL, adapter=entry.adapter, base_model="obedient",
                )  # fmt: skip
                session.add(game)
                await session.flush()
                session.add(entry.row(game.id))
            return entry.arm.name

        arms = {user_id: await enter(user_id) for user_id in range(12)}
        assert set(arms.values()) == {"learning", "control"}
        assert {user_id: await enter(user_id) for user_id in arms} == arms, "players stay in their arm"
        await erase_turns_of(house, adapter)
        for user_id, arm in arms.items():
            assert await enter(user_id) == (arm if arm == "control" else None)
        assert {await enter(user_id) for user_id in range(100, 112)} == {"control"}
        assert (await rows(house))[-1].eligible_arms == ["control"]
        assert (await rows(house))[-1].probability == 1
        with pytest.raises(StartupError, match=r"arm 'learning': round-0001-b-sup was trained on 3 turns"):
            await running.check()


@pytest.mark.parametrize(
    ("extra", "entered"),
    [
        ("", True),
        ('servers = ["2"]', False),
        ('servers = ["1", "2"]', True),
        ("least_games_before = 1", False),
        ("most_games_before = 0", True),
    ],
)
async def test_who_takes_part(stopped_house: House, extra: str, entered: bool):
    house = stopped_house
    upgrade(house.database)
    text = ARMS.replace('"round-0001-b-sup"', '"current"')
    study_of(house, f"{text}\n[eligibility]\n{extra}\n")
    status = PolicyStatus(
        base_model="obedient", current="base", loaded=(), turns=0, waiting=0, uptime_seconds=1.0
    )
    async with house.database.async_writing() as session:
        player = await player_of(session, Origin.LOCAL, "9", "Ada")
        assert player.id is not None

    async def enter(settings: BotSettings, wish: Wish = WISH) -> bool:
        async with connect(house.policy.url, settings) as policy:
            running = RunningStudy(settings, house.database, policy)
            assert running.file is not None and player.id is not None
            return await running.enter(1, player.id, 9, wish, status) is not None

    assert await enter(house.settings) == entered
    assert not await enter(house.settings, replace(WISH, team=True))
    assert not await enter(house.settings, replace(WISH, game="pick"))
    on_discord = house.settings.changed(discord={"api": None, "gateway": None, "token": SecretStr("t")})
    assert not await enter(on_discord), "no consent to research"
    async with house.database.async_writing() as session:
        await give_consent(session, player.id, ConsentKind.RESEARCH, True, "/privacy")
    assert await enter(on_discord) == entered


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ARMS.replace("0.5", "0.6", 1), "the probabilities of the arms add up to 1.1"),
        (ARMS, "arm 'learning': There is no adapter 'round-0001-b-sup'"),
    ],
)
async def test_the_bot_does_not_start_with_a_study_that_cannot_run(
    stopped_house: House, text: str, said: str
):
    study_of(stopped_house, text)
    with pytest.raises(StartupError, match=f"RESPECT_PLAY__STUDY: .*{said}"):
        await stopped_house.start()


async def test_answers_are_exported_and_erased_with_the_player(stopped_house: House, tmp_path: Path):
    database = stopped_house.database
    upgrade(database)
    async with database.async_writing() as session:
        player = await player_of(session, Origin.LOCAL, "9", "Ada")
        assert player.id is not None
        game = Game(
            game="multiref", images="classic", speaker=[], listener=[], targets=[], player_id=player.id,
            origin=Origin.LOCAL, adapter="base", base_model="b",
        )  # fmt: skip
        session.add(game)
        await session.flush()
        kinds = (Assignment, SurveyAnswer, QuizAnswer)
        session.add(
            Assignment(
                game_id=game.id, study="s", study_hash="h", arm="a", adapter="base", probability=1.0,
                seed=1, eligible_arms=["a"],
            )
        )  # fmt: skip
        session.add(SurveyAnswer(player_id=player.id, game_id=game.id, study="s", item="i", answer=4))
        session.add(QuizAnswer(player_id=player.id, study="s", question="q", answer="yes", correct=True))
    with database.session() as session:
        found = export_player(session, player.id)
        assert found["assignments"][0]["arm"] == "a"
        assert (found["survey_answers"][0]["answer"], found["quiz_answers"][0]["answer"]) == (4, "yes")
        erase_player(session, player.id)
    with database.session() as session:
        assert not [row for kind in kinds for row in session.exec(select(kind))]
