"""What the page for researchers shows, and judging turns."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlmodel import select

from store.export.export import export
from store.models import (
    Adapter,
    Consent,
    ConsentKind,
    Feedback,
    Game,
    GameEvent,
    GameEventKind,
    HumanEval,
    Origin,
    Player,
    RoundAction,
)
from store.players import erase_player
from store.rounds import record_event
from tests.web.stored_games import (
    AGREEING,
    PRIVATE_WORDS,
    SECRET,
    SILENT,
    Client,
    Elements,
    Serve,
    Stored,
)

PAGES = (
    "/",
    "/games",
    "/games/won?truth=1",
    "/games/live",
    "/policies",
    "/policies/round-0002-b-sup",
    "/players",
    "/evaluate",
)


async def look(client: Client, path: str, status: int = 200) -> tuple[str, Elements]:
    async with client.get(path) as response:
        html = await response.text()
        assert response.status == status, html
    return html, Elements(html)


def texts(elements: Elements) -> str:
    return " ".join(elements.text.split())


async def test_the_overview(serve: Serve):
    html, elements = await look(await serve(), "/")
    text = texts(elements)
    assert (
        "Games 3 Live now 1 Won 1 Lost 1 Given up 0 Turns 5 Decoded turns 2 Judged turns 0 Players 3" in text
    )
    assert "New games are played with round-0002-b-sup." in text
    assert "Round 2 is under way (b-sup): training, 3 of 12" in text
    assert {"max": "12", "value": "3"} in elements.named("progress")
    assert "1 round-0001-b-sup 2 50% (9 to 91%) 2.0" in text
    assert "<title>round 1, round-0001-b-sup: 50% (9 to 91%) of 2 games</title>" in html
    assert len(elements.named("circle")) == 1


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["live", "won", "lost"]),
        ("outcome=open", ["live"]),
        ("outcome=lost&origin=discord", ["lost"]),
        ("adapter=round-0001-b-sup", ["won", "lost"]),
        ("round=1&game=multiref&outcome=&player=", ["live", "won", "lost"]),
        ("round=7", []),
        ("adapter=nobody", []),
        (f"player={SECRET.of('discord', AGREEING)}", ["won"]),
        (f"player={'0' * 32}", []),
        ("page=99", ["live", "won", "lost"]),
    ],
)
async def test_games_are_filtered(serve: Serve, stored: Stored, query: str, shown: list[str]):
    with stored.database.session() as session:
        started = {game.id: game.started_at for game in session.exec(select(Game))}
    _, elements = await look(await serve(), f"/games?{query}")
    links = [str(each.get("href")) for each in elements.named("a")]
    found = [link.removeprefix("/games/") for link in links if link.startswith("/games/")]
    assert found == sorted(shown, key=started.__getitem__, reverse=True)


async def test_a_list_goes_on_over_pages(serve: Serve, stored: Stored):
    with stored.database.session() as session:
        for number in range(30):
            session.add(Player(platform=Origin.LOCAL, external_id=f"p{number}", name="a"))
    client = await serve()
    seen: list[str] = []
    for number, neighbours in ((1, ["next"]), (2, ["prev"])):
        _, elements = await look(client, f"/players?page={number}")
        seen += [str(each.get("title")) for each in elements.named("a") if each.get("title")]
        assert [each.get("rel") for each in elements.named("a") if each.get("rel")] == neighbours
    assert len(seen) == len(set(seen)) == 33


async def test_a_replay(serve: Serve):
    _, elements = await look(await serve(), "/games/won")
    text = texts(elements)
    assert "yes, now the boat" in text and "select A Propensity 0.607" in text
    assert "positive (binary, rules 3, p(positive) 0.88, cue: praise)" in text
    assert "A: selected in this turn" in text and "B: not selected" in text
    assert len(elements.named("symbol")) == 10 and len(elements.named("use")) == 30


async def test_the_targets_are_shown_only_when_asked_and_never_of_a_live_game(serve: Serve, stored: Stored):
    client = await serve()
    hidden, _ = await look(client, "/games/won")
    shown, elements = await look(client, "/games/won?truth=1")
    live, _ = await look(client, "/games/live?truth=1")
    assert "a target" not in hidden and "★" not in hidden and "a target" not in live and "★" not in live
    assert elements.text.count("a target") == 3 * len(stored.targets["won"])
    assert "This game is live" in live and "Show the targets" in hidden and "Hide the targets" in shown


async def test_the_words_of_those_who_did_not_agree_are_not_shown(serve: Serve, stored: Stored):
    client = await serve()
    html, _ = await look(client, "/games/lost")
    assert PRIVATE_WORDS not in html and "has not agreed" in html and "praise" not in html
    assert "select A" in html
    for after in ("", "?after=1", "?after=2", "?after=3"):
        queue, _ = await look(client, f"/evaluate{after}")
        assert PRIVATE_WORDS not in queue and "The turn to judge" in queue
    opened, _ = await look(await serve(show_all=True), "/games/lost")
    assert PRIVATE_WORDS in opened and "the words of all players are shown" in opened
    with stored.database.session() as session:
        session.add(Consent(player_id=2, kind=ConsentKind.RESEARCH, granted=True, source="/privacy"))
    agreed, _ = await look(client, "/games/lost")
    assert PRIVATE_WORDS in agreed


async def test_what_a_player_had_erased_is_not_there(serve: Serve, stored: Stored):
    client, path = await serve(), f"/players/{stored.pseudonym(AGREEING)}"
    await look(client, path)
    await judge(client)
    with stored.database.session() as session:
        erase_player(session, 1)
    await look(client, path, 404)
    await look(client, "/games/won", 404)
    with stored.database.session() as session:
        assert session.exec(select(HumanEval)).all() == []
        assert len(session.exec(select(Feedback)).all()) == 1


async def test_what_happened_besides_turns_is_in_the_replay(serve: Serve, stored: Stored):
    with stored.database.session() as session:
        for game_id, text in (("won", "gg <script>alert(1)</script>"), ("lost", "what a pity")):
            for kind, turn, said in (
                (GameEventKind.BOARD, 1, None),
                (GameEventKind.EDITED, 2, None),
                (GameEventKind.SAID_AFTER, None, text),
            ):
                session.add(GameEvent(game_id=game_id, kind=kind, turn=turn, text=said))
    client = await serve()
    html, elements = await look(client, "/games/won")
    assert ": edited, turn 2" in texts(elements) and "said after end: “gg <script>" in texts(elements)
    assert "<script>" not in html and "board shown" not in html
    html, elements = await look(client, "/games/lost")
    assert "said after end: not shared" in texts(elements) and "pity" not in html


async def test_what_adapters_must_forget_is_listed(serve: Serve, stored: Stored):
    client = await serve()
    _, elements = await look(client, "/players")
    assert "No adapter learnt from anything that was erased" in texts(elements)
    with stored.database.session() as session:
        adapter = session.exec(select(Adapter).where(Adapter.name == "round-0001-b-sup")).one()
        adapter.erased_turns = 3
        session.add(adapter)
    text = texts((await look(client, "/players"))[1])
    assert "round-0001-b-sup 3 0 – not used again" in text
    assert "round-0002-b-sup 3 0 round-0001-b-sup in use until the next round" in text
    with stored.database.session() as session:
        record_event(session, RoundAction.AFFECTED, None, adapter="round-0002-b-sup")
    assert "in use until the next round; noticed 20" in texts((await look(client, "/players"))[1])


async def test_nobody_is_named(serve: Serve, stored: Stored):
    client = await serve(show_all=True)
    players = [f"/players/{stored.pseudonym(external_id)}" for external_id in (AGREEING, SILENT)]
    for path in (*PAGES, "/games/lost", *players):
        html, _ = await look(client, path)
        for private in (AGREEING, SILENT, "Ottoline Vance", "Sam", "onerror", "9won", "9lost"):
            assert private not in html, (path, private)


async def test_policies_and_their_lineage(serve: Serve):
    client = await serve()
    _, elements = await look(client, "/policies")
    rows = texts(elements)
    assert "round-0002-b-sup round-0001-b-sup current b-sup 0 – 0" in rows
    assert "round-0001-b-sup base retired b-sup 2 50% (9 to 91%) 0" in rows
    html, elements = await look(client, "/policies/round-0002-b-sup")
    text = texts(elements)
    assert "Trained from round-0001-b-sup ← base" in text and "training.epochs 2" in text
    assert "quarantined" not in html  # it holds ids of players
    assert "Trained from it round-0002-b-sup" in texts((await look(client, "/policies/round-0001-b-sup"))[1])
    await look(client, "/policies/no-such", 404)


async def test_a_player_with_all_answers(serve: Serve, stored: Stored):
    _, elements = await look(await serve(), f"/players/{stored.pseudonym(AGREEING)}")
    text = texts(elements)
    assert "Agrees to training no Agrees to research yes Not on leaderboards no" in text
    assert "training no /privacy" in text and "research yes /privacy" in text


async def judge(client: Client, **changed: object) -> tuple[int, str, str]:
    """Judge the turn that is offered. Gives status, address and the page after it."""
    _, elements = await look(client, "/evaluate")
    data: dict[str, object] = {
        "csrf": elements.value("csrf"),
        "turn": elements.value("turn"),
        "rater": "Ada",
        "correctness": "partially_correct",
        "clicks": ["C", "A"],
    }
    if any(each.get("name") == "feedback" for each in elements.named("input")):
        data["feedback"] = "incorrect_satisfaction"
    pairs = [
        (name, str(value))
        for name, values in {**data, **changed}.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    async with client.post("/evaluate", data=pairs) as response:
        return response.status, response.url.path, await response.text()


async def test_turns_are_judged_and_exported(serve: Serve, stored: Stored, tmp_path: Path):
    """Both turns of the only game that may be shared; the queue is then empty."""
    client = await serve()
    for _ in range(2):
        before, _ = await look(client, "/evaluate")
        assert "a target" not in before and "★" not in before
        status, path, html = await judge(client)
        assert status == 200 and path.startswith("/evaluate/"), html
        assert "a target" in html and "a right click" in html and "Ada" in html
    assert "No turn waits" in (await look(client, "/evaluate"))[0]
    assert "Judged turns 2" in texts((await look(client, "/"))[1])
    shown = texts((await look(client, "/games/won?truth=1"))[1])
    assert "Judged partially correct; satisfied: incorrect satisfaction; right clicks: A C" in shown
    assert "Judged" not in texts((await look(client, "/games/won"))[1])
    export(stored.database, tmp_path / "out", SECRET)
    rows = pq.read_table(tmp_path / "out" / "data" / "human_eval.parquet").to_pylist()
    rows.sort(key=lambda row: row["turn_id"])
    with stored.database.session() as session:
        context = session.get_one(Game, "won").listener
    assert [row["feedback"] for row in rows] == ["incorrect_satisfaction", None]
    assert [row["end"] for row in rows] == [0, 1]
    assert rows[0] | {"selected": [context[0]], "correctness": "partially_correct"} == rows[0]
    assert rows[0]["delta_clicks"] == [context[0], context[2]]
    assert rows[0]["targets"] == stored.targets["won"] and rows[1]["currently_selected"] == [context[0]]
    meta = pq.read_table(tmp_path / "out" / "data" / "human_eval_meta.parquet").to_pylist()
    assert {row["rater"] for row in meta} == {SECRET.of_rater("Ada")}
    assert {row["game_turn_id"] for row in meta} == {"won_0", "won_1"}


async def when_exported(client: Client) -> tuple[str, Elements]:
    """The page of exports when none is running (any more)."""
    while True:
        html, elements = await look(client, "/exports")
        if "is running" not in html:
            return html, elements
        await asyncio.sleep(0.05)


async def test_an_export_is_started_watched_and_downloaded(serve: Serve, tmp_path: Path):
    client = await serve()
    _, elements = await look(client, "/exports")
    form = {"csrf": elements.value("csrf"), "format": "jsonl"}
    async with client.post("/exports", data=form) as response:
        assert response.url.path == "/exports"
    _, elements = await when_exported(client)
    assert "The export is made: 1 game." in texts(elements)
    (link,) = (str(each["href"]) for each in elements.named("a") if "download" in each)
    async with client.get(link) as response:
        assert response.headers["Content-Disposition"].startswith("attachment")
        packed = zipfile.ZipFile(io.BytesIO(await response.read()))
    (name,) = (each for each in packed.namelist() if each.endswith("/interaction.jsonl"))
    (line,) = packed.read(name).decode().splitlines()
    assert json.loads(line)["speaker"] == SECRET.of("discord", AGREEING)
    assert not any(PRIVATE_WORDS.encode() in packed.read(each) for each in packed.namelist())
    assert [path.suffix for path in (tmp_path / "exports").iterdir()] == [".zip"]
    async with client.post("/exports", data={**form, "format": "../x"}) as response:
        assert response.status == 400
    async with client.get("/exports/..%2Frespect.db") as response:
        assert response.status == 404


async def test_an_export_that_fails_says_why(serve: Serve, stored: Stored):
    with stored.database.session() as session:
        for game in session.exec(select(Game).where(Game.outcome != "open")):
            session.delete(game)
    client = await serve()
    csrf = (await look(client, "/exports"))[1].value("csrf")
    await client.post("/exports", data={"csrf": csrf, "format": "csv"})
    html, elements = await when_exported(client)
    assert "The last export failed" in html and "no finished game" in html
    assert not any("download" in each for each in elements.named("a"))


async def test_another_rater_may_judge_the_same_turn_and_one_only_once(serve: Serve, stored: Stored):
    client, turn = await serve(), stored.first_turns["won"]
    feedback = {"turn": turn, "feedback": "no"}
    assert (await judge(client, **feedback))[0] == 200
    assert (await judge(client, **feedback, rater="Ben"))[0] == 200
    status, _, html = await judge(client, **feedback)
    assert status == 400 and "Ada has judged this turn already" in html
    with stored.database.session() as session:
        assert len(session.exec(select(HumanEval)).all()) == 2


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"rater": "  "}, "Write your name"),
        ({"rater": "a\x00b"}, "Write your name"),
        ({"rater": "imported 2"}, "stands for judgements that were imported"),
        ({"correctness": ""}, "Say whether the action was correct"),
        ({"feedback": "maybe"}, "Say whether the player was satisfied"),
        ({"feedback": ""}, "Say whether the player was satisfied"),
        ({"clicks": ["Q"]}, "not on this board"),
    ],
)
async def test_a_judgement_that_is_not_complete_is_not_stored(
    serve: Serve, stored: Stored, changed: dict[str, object], wrong: str
):
    base = {"turn": stored.first_turns["won"], "feedback": "yes"}
    status, _, html = await judge(await serve(), **{**base, **changed})
    assert status == 400 and wrong in html and "★" not in html
    with stored.database.session() as session:
        assert session.exec(select(HumanEval)).all() == []


async def test_what_is_not_shared_or_not_over_cannot_be_judged(serve: Serve, stored: Stored):
    client = await serve()
    status, _, html = await judge(client, turn=stored.first_turns["lost"], feedback="no")
    assert status == 404 and PRIVATE_WORDS not in html
    assert (await judge(client, turn=stored.first_turns["live"]))[0] == 400
    assert (await judge(client, turn=10**9))[0] == 404
    await look(client, f"/evaluate/{stored.first_turns['won']}", 404)  # not judged yet: no targets
    with stored.database.session() as session:
        assert session.exec(select(HumanEval)).all() == []


async def test_every_page_can_be_used_by_keyboard_and_screen_reader(serve: Serve):
    client = await serve()
    for path in (*PAGES, "/no/such/page"):
        html, elements = await look(client, path, 404 if path.startswith("/no") else 200)
        check(html, elements)


def check(html: str, elements: Elements) -> None:
    assert elements.found[0] == ("html", {"lang": "en"})
    assert len(elements.named("h1")) == len(elements.named("main")) == 1
    assert all(each.get("scope") in ("col", "row") for each in elements.named("th"))
    assert len(elements.named("table")) == len(elements.named("caption"))
    assert all(each.get("tabindex") is None or each.get("aria-label") for _, each in elements.found)
    assert all(each.get("aria-hidden") or each.get("aria-label") for each in elements.named("svg"))
    fields = [each for each in elements.named("input") if each.get("type") != "hidden"]
    assert len(fields) + len(elements.named("select")) <= len(elements.named("label"))
    assert not elements.named("script") and not elements.named("style")
    assert not any(name == "style" or name.startswith("on") for _, each in elements.found for name in each)
    ids = [each["id"] for _, each in elements.found if "id" in each]
    assert len(ids) == len(set(ids)) and "undefined" not in html.lower()


async def test_an_empty_store(serve: Serve, stored: Stored):
    with stored.database.session() as session:
        for player in session.exec(select(Player)):
            session.delete(player)
    client = await serve()
    for path in ("/", "/games", "/policies", "/policies/base", "/players", "/evaluate", "/exports"):
        await look(client, path)


async def test_the_image_set_of_a_game_is_not_on_this_machine(serve: Serve, stored: Stored):
    with stored.database.session() as session:
        session.get_one(Game, "won").images = "kilogram:/no/such/folder"
    _, elements = await look(await serve(), "/games/won")
    assert not elements.named("symbol") and "A: selected in this turn" in elements.text
