"""Studies on the page for researchers."""

import pytest

from store.models import Player
from store.players import erase_player
from store.study_tables import Assignment, KeptStudy, QuizAnswer, SurveyAnswer
from tests.web.stored_games import AGREEING, PRIVATE_WORDS, SILENT, XSS, Elements, Serve, Stored
from tests.web.test_pages import check, look, texts

FILE = """
name = "reading"
images = "no-such-set"
unit = "game"
seed = 7

[[arms]]
name = "learning"
adapter = "current"
probability = 0.75

[[arms]]
name = "control"
adapter = "base"
probability = 0.25

[limits]
games_per_player = 1

[stop]
games_per_arm = 1

[survey]
scale = 4
[[survey.items]]
name = "understood"
text = "It understood what I wrote."

[[quiz]]
name = "marks"
text = "Who sees the marks?"
choices = ["Only I", "Only the bot"]
answer = "Only I"
why = "You alone."
"""


def assigned(game_id: str, arm: str, study: str = "reading") -> Assignment:
    adapter = "round-0001-b-sup" if arm == "learning" else "base"
    return Assignment(
        game_id=game_id,
        study=study,
        study_hash="1" * 64,
        arm=arm,
        adapter=adapter,
        probability=0.75 if arm == "learning" else 0.25,
        seed=3,
        eligible_arms=["learning", "control"],
    )


@pytest.fixture
def study(stored: Stored) -> Stored:
    """A study with a game in each of its arms, and one in an arm that its file no longer has."""
    with stored.database.session() as session:
        session.add(KeptStudy(hash="1" * 64, study="reading", text=FILE))
        session.add_all([assigned("won", "learning"), assigned("lost", "control"), assigned("live", "older")])
        for player, game, answer in ((1, "won", 4), (2, "lost", 1)):
            session.add(
                SurveyAnswer(
                    player_id=player, game_id=game, study="reading", item="understood", answer=answer
                )
            )
        for player, choice in ((1, "Only I"), (2, "Only the bot"), (2, "Only I"), (3, "Only the bot")):
            session.add(
                QuizAnswer(
                    player_id=player,
                    study="reading",
                    question="marks",
                    answer=choice,
                    correct=choice == "Only I",
                )
            )
    return stored


async def test_a_study(serve: Serve, study: Stored):
    client = await serve(read_only=True)
    _, elements = await look(client, "/studies")
    assert "reading stopped 3 3 3" in texts(elements)
    html, elements = await look(client, "/studies/reading")
    text = texts(elements)
    assert "reading stopped" in text and "3 of 3 players" in text and "no-such-set" in text
    assert "learning current 0.75 1 0 1 0 0 1 control base 0.25 1 0 0 1 0 1" in text
    assert "older not in the file any more – – 1 1 0 0 0 0" in text
    assert "every arm has 1 finished game." in text and "control: 1 of 1" in text
    assert "learning 1 100% (21 to 100%) – control 1 0% (0 to 79%) −100 (−100 to +12) older 0 – –" in text
    assert "learning round-0001-b-sup 0.75 1 33%" in text
    assert "learning 1 4.00 0 0 0 1" in text and "control 1 1.00 1 0 0 0" in text
    assert "Who sees the marks? 3 1 2 Only I (right): 2; Only the bot: 2" in text
    assert len(elements.named("circle")) == 2
    check(html, elements)
    for private in (AGREEING, SILENT, PRIVATE_WORDS, "Sam"):
        assert private not in html
    assert not [each for each in elements.named("form") if each.get("action") != "/logout"]


async def test_games_of_an_arm_and_the_arm_of_a_game(serve: Serve, study: Stored):
    client = await serve()
    for query, shown in (
        ("study=reading", {"won", "lost", "live"}),
        ("study=reading&arm=control", {"lost"}),
        ("arm=learning", {"won"}),
        ("study=no-such", set[str]()),
    ):
        _, elements = await look(client, f"/games?{query}")
        links = [str(each.get("href")) for each in elements.named("a")]
        assert {link[7:] for link in links if link.startswith("/games/")} == shown, query
    text = texts((await look(client, "/games/won"))[1])
    assert "arm learning (round-0001-b-sup) with probability 0.75 of learning, control" in text


async def test_a_study_without_games_or_without_a_file(serve: Serve, stored: Stored):
    client = await serve()
    assert "No study has run yet" in (await look(client, "/studies"))[0]
    await look(client, "/studies/reading", 404)
    with stored.database.session() as session:
        session.add(KeptStudy(hash="1" * 64, study="reading", text=FILE))
        session.add(KeptStudy(hash="2" * 64, study="future", text='name = "future"\nunheard_of = 1'))
        session.add(assigned("won", XSS, "lost-file"))
    html, elements = await look(client, "/studies")
    assert "lost-file not known 1 1 1" in texts(elements)
    assert "reading 0 of 1 games in every arm 2 0 0 – –" in texts(elements)
    for name, said in (
        ("reading", "No game has been assigned yet"),
        ("future", "cannot read the study's file any more"),
        ("lost-file", "did not keep it"),
    ):
        html, elements = await look(client, f"/studies/{name}")
        assert said in html and XSS not in html
        check(html, elements)


async def test_what_a_player_had_erased_is_not_counted(serve: Serve, study: Stored):
    with study.database.session() as session:
        player = session.get_one(Player, 2)
        erase_player(session, player.id or 0)
    text = texts(Elements((await look(await serve(), "/studies/reading"))[0]))
    assert "2 of 2 players" in text and "control 1 1.00" not in text
    assert "Who sees the marks? 2 1 1 Only I (right): 1; Only the bot: 1" in text
