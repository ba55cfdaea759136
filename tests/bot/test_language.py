"""Every text for people is marked and translated, and everybody reads their own language."""

import ast
import asyncio
import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from bot_house import House, has_board
from catalogues import ROOT, TRANSLATED, catalogue, languages_in, of_the_source, read, translations

from bot import texts
from bot.language import LANGUAGES, NAME, catalogue_of, language_of, number, percent, speaking
from bot.play.buttons import BUTTONS as PLAY
from bot.privacy.buttons import BUTTONS as PRIVACY
from games import GAMES
from games.core import Outcome
from games.figures import open_images
from games.language import _
from local_discord import Person
from local_discord.component_rules import walk
from local_discord.model import Channel, Event, Message

TEXTS = sorted(
    [*(ROOT / "bot").rglob("*texts.py"), ROOT / "games/board_words.py", ROOT / "games/figures/outline.py"]
)
"""Modules in which every text is for people."""
MARKS = {"N_": 1, "_": 1, "ngettext": 2}
"""Name of a function that marks texts -> how many of its arguments are texts."""
SHOWING = {
    **dict.fromkeys(("answer", "reply"), 1),
    **dict.fromkeys(
        ("Refusal", "send", "send_message", "edit_message", "edit_original_response", "Choice"), 0
    ),
}
"""Function that shows a text -> which argument is the text, if it has no name."""


def test_every_language_has_every_text():
    source = of_the_source()
    assert len(source) > 300
    for language in TRANSLATED:
        found = translations(language)
        assert not source.keys() - found.keys(), "run pybabel, see docs/languages.md"
        assert not found.keys() - source.keys(), "no longer in the source: run pybabel"
        assert not [key for key, texts in found.items() if not all(texts)]
        assert not [message.id for message in catalogue(language) if message.fuzzy and message.id]


def placeholders(text: str) -> set[str]:
    return {name for _literal, name, _spec, _conversion in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_put_in_the_same(language: str):
    source = of_the_source()
    for key, forms in translations(language).items():
        english = placeholders(source[key][-1])
        assert placeholders(forms[-1]) == english, key
        assert all(placeholders(form) <= english for form in forms), key
        assert all(form.endswith("\n") == key[1].endswith("\n") for form in forms), key
        assert all(form.count("**") == key[1].count("**") for form in forms), key


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_name_commands_as_that_language_does(language: str):
    found = translations(language)

    def translated(command: str) -> str:
        """`/setup images` in another language."""
        return "/" + " ".join(found[NAME, word][0] for word in command.removeprefix("/").split())

    for (context, text), forms in found.items():
        if context == NAME:
            continue
        commands = re.findall(r"`(/[a-z_]+(?: [a-z_]+)*)", text)
        for command in commands:
            assert all(f"`{translated(command)}" in form for form in forms), (text, command)
        named = [len(re.findall(r"`/[^/`]", form)) for form in forms]
        assert named == [len(commands)] * len(forms), text


def unmarked(path: Path) -> list[str]:
    """The texts for people in a module that no function marks."""
    tree = ast.parse(path.read_text())
    marked = {
        id(part)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MARKS
        for argument in call.args[: MARKS[call.func.id]]
        for part in ast.walk(argument)
    }
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in marked | docstrings
        and re.search(r"[^\W\d_]{2,}\W* [^\W\d_]|^[A-Z][a-z]", re.sub(r"https://\S*", "", node.value))
    ]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_is_marked(path: Path):
    places = {"bottom left", "bottom right", "top left", "top right"}  # keys of phrases, see `outline`
    assert not set(unmarked(path)) - places


def test_a_text_that_is_not_marked_is_found(tmp_path: Path):
    path = tmp_path / "texts.py"
    path.write_text(
        'A = "A new text."\nB = N_("This one is.")\nC = f"{A} is not"\nD = _("Yes {x}").format(x="{:>5}")\n'
        'def f(n):\n    """Not this one."""\n    return ngettext("One dog", "{n} dogs", n) + "Cat"\n'
    )
    assert set(unmarked(path)) == {"A new text.", " is not", "Cat"}


def written_at_use(path: Path) -> list[str]:
    """The texts that a module shows and that no function marks."""
    shown: list[ast.expr] = []
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call):
            place = SHOWING.get(getattr(call.func, "attr", getattr(call.func, "id", "")))
            if place is not None:
                shown += call.args[place : place + 1]
                shown += [each.value for each in call.keywords if each.arg in ("content", "name")]
    return [
        part.value
        for text in shown
        if isinstance(text, ast.Constant | ast.JoinedStr)
        for part in ast.walk(text)
        if isinstance(part, ast.Constant)
        and isinstance(part.value, str)
        and any(map(str.isalpha, part.value))
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "bot").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_nothing_is_shown_that_is_not_marked(path: Path):
    assert not written_at_use(path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_fit_into_what_discord_shows(language: str):
    with speaking(language):
        assert all(len(_(each.label)) <= 80 for each in (*PLAY, *PRIVACY) if hasattr(each, "label"))
        assert len(_(texts.MODAL_TITLE)) <= 45 and len(_(texts.MODAL_LABEL)) <= 45
        assert len(_(texts.MODAL_HINT)) <= 100
        help_text = f"{texts.how_to_play(GAMES.values())}\n{_(texts.RULES_EXAMPLE)}"
        assert len(help_text) <= 2_000


def test_every_game_is_translated():
    source = of_the_source()
    for game in GAMES.values():
        words = vars(game.words)
        assert all((None, text) in source for name, text in words.items() if name not in ("setting", "probe"))


def test_a_language_of_discord_that_the_bot_does_not_speak_is_english():
    assert [language_of(locale) for locale in ("de", "en-US", "en-GB", "fr", "pt-BR", None, "")] == [
        "de", "en", "en", "en", "en", "en", "en"
    ]  # fmt: skip
    assert catalogue_of("en").gettext("Give up") == "Give up"


def test_numbers_are_written_as_the_language_does():
    assert (number(12_345), number(1_234.56, 1), percent(0.5)) == ("12,345", "1,234.6", "50%")
    with speaking("de"):
        assert (number(12_345), number(1_234.56, 1), percent(0.5)) == ("12.345", "1.234,6", "50\xa0%")
        assert _("") == ""
    assert _("Give up") == "Give up"


async def test_tasks_do_not_change_the_language_of_others():
    async def said(locale: str) -> str:
        with speaking(locale):
            await asyncio.sleep(0.01)
            return await asyncio.to_thread(_, "Give up")

    assert await asyncio.gather(said("de"), said("en-US"), said("fr"), said("de")) == [
        "Aufgeben", "Give up", "Give up", "Aufgeben"
    ]  # fmt: skip


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_boards_are_drawn_in_each_language(game: Any):
    import random

    images = open_images("classic")
    deal = game.deal(images.ids, random.Random(3))
    state = game.initial_state(deal.listener)
    for outcome in Outcome:
        english = game.render(deal, state, 2, outcome, images)
        with speaking("de"):
            german = game.render(deal, state, 2, outcome, images)
        again = game.render(deal, state, 2, outcome, images)
        assert (english.png, english.alt) == (again.png, again.alt)
        assert german.png != english.png and len(german.alt) <= 1_024
        assert languages_in(german.alt) == {"de"} and languages_in(english.alt) == {"en"}


# --- commands -------------------------------------------------------------------------------------------


def check_localised(node: dict[str, Any], choice: bool = False) -> None:
    """A command, an option or a choice with everything below it."""
    names = node["name_localizations"] or {}
    assert names.keys() == set(TRANSLATED), node["name"]
    if choice:
        for language, name in names.items():
            known = (None, node["name"]) in translations(language)
            assert (known or node["name"] in LANGUAGES.values()) and len(name) <= 100, node["name"]
    else:
        assert all(re.fullmatch(r"[-_\w]{1,32}", name) and name == name.lower() for name in names.values())
        for language, text in node["description_localizations"].items():
            assert text == translations(language)[None, node["description"]][0] and len(text) <= 100
    for key in ("options", "choices"):
        inner = node.get(key) or []
        for language in TRANSLATED:
            told = [each["name_localizations"][language] for each in inner]
            assert len(told) == len(set(told)), told
        for each in inner:
            check_localised(each, choice=key == "choices")


async def test_commands_are_localised(house: House):
    commands = [each for held in house.discord.world.commands.values() for each in held.values()]
    assert len(commands) >= 10
    for command in commands:
        check_localised(command)
    german = [command["name_localizations"]["de"] for command in commands]
    assert len(set(german)) == len(german)


# --- two people, two languages --------------------------------------------------------------------------


class Reader:
    """A person, and everything that the bot lets them read."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.seen: list[str] = []

    async def told(self, check: Any = lambda _message: True, **options: Any) -> Message:
        found = await self.person.wait_message(check, **options)
        self.seen.append(read(found))
        return found

    async def command(self, name: str, **options: Any) -> Message:
        await self.person.slash("play", name, options)
        return await self.told(lambda message: message.ephemeral)

    async def form(self, message: Message, label: str) -> dict[str, Any]:
        await self.person.press_labelled(message, label)
        form = await self.person.wait_modal()
        fields = "\n".join(
            str(each.get(key) or "") for each in walk(form["components"]) for key in ("label", "placeholder")
        )
        self.seen.append(f"{form['title']}\n{fields}\n{json.dumps(form['components'], ensure_ascii=False)}")
        return form


async def everything(house: House, reader: Reader, name: dict[str, str], label: dict[str, str]) -> Channel:
    """Meet what there is. `name`: English name of a command -> the person's; `label`: the same of buttons."""
    person = reader.person
    await person.slash("play", name["play"], {name["game"]: "multiref"})
    first = await reader.told(lambda message: has_board(message) and f"<@{person.id}>" in message.content)
    thread = house.discord.world.channel(first.channel_id)
    reader.seen.append(thread.name)
    await reader.told(lambda message: message.ephemeral and f"<#{thread.id}>" in message.content)
    for words in ("how do I play?", "/help", f"/{name['round']} {name['start']}", "...", "x " * 600):
        await person.say(thread, words)
        await reader.told(lambda message: not has_board(message), where=thread)
    await person.say(thread, "the kneeling man")
    board = await reader.told(lambda message: has_board(message) and message.components, where=thread)
    form = await reader.form(board, label["Describe"])
    await person.submit_modal(form, {"utterance": "no, the other one"})
    board = await reader.told(lambda message: has_board(message) and message.components, where=thread)
    await person.press_labelled(board, label["Give up"])
    sure = await reader.told(lambda message: message.ephemeral)
    await person.press_labelled(sure, label["Yes, give up"])
    await reader.told(lambda message: message.id == sure.id)
    await reader.told(lambda message: has_board(message) and message.components, where=thread)
    for command in ("giveup", "resume", "help", "rules", "privacy", "stats", "leaderboard", "replay"):
        await reader.command(name[command])
    return thread


async def test_everybody_reads_their_own_language(house: House):
    people = house.discord.people
    ada = Reader(await people.join("Ada"))
    grete = Reader(await people.join("Grete", locale="de"))
    german = {
        english: forms[0] for (context, english), forms in translations("de").items() if context == NAME
    }
    labels = {
        english: forms[0] for (context, english), forms in translations("de").items() if context is None
    }
    english = {each: each for each in (*german, *labels)}
    threads = await asyncio.gather(
        everything(house, ada, english, english), everything(house, grete, german, labels)
    )
    for reader, language in ((ada, "en"), (grete, "de")):
        assert len(reader.seen) > 15
        for text in reader.seen:
            assert languages_in(text) <= {language}, text
        said = "\n".join(reader.seen)
        assert languages_in(said) == {language}
    assert threads[0].name == "Tangrams with Ada #1" and threads[1].name == "Tangram mit Grete #1"
    assert "auf Englisch (nur das verstehe ich)" in "\n".join(grete.seen)


async def test_who_changes_the_language_in_discord_is_answered_in_it(house: House, ada: Person):
    thread = await house.play(ada)
    board = await house.turn(ada, thread, "the man")
    assert languages_in(read(board)) == {"en"}
    ada.user.locale = "de"
    await ada.slash("play", "help")
    assert languages_in((await ada.wait_message(lambda message: message.ephemeral)).content) == {"de"}

    async def changed() -> bool:
        await ada.say(thread, "the other one")
        return languages_in(read(await house.next_board(ada, thread))) == {"de"}

    await house.eventually(changed)


async def test_a_server_chooses_the_language_of_what_all_its_members_read(stopped_house: House):
    house, general = stopped_house, stopped_house.discord.channel("general")
    house.discord.guild.locale = "de"
    await house.start()
    grace = await house.discord.people.join("Grace", moderator=True)

    async def set_up(label: str, **options: object) -> Message:
        """Use `/setup`, which answers in the language of the person, and wait for the Play message."""
        await grace.slash("play", "setup", options)
        answer = await grace.wait_message(lambda message: message.ephemeral)
        assert languages_in(answer.content) == {"en"}
        return await grace.wait_message(lambda message: label in read(message), where=general, since=0)

    first = await set_up("Spielen: ", play_in=general.id)
    assert languages_in(read(first)) == {"de"}
    second = await set_up("Play: ", language="en")
    assert second.id == first.id and languages_in(second.content) == {"en"}
    third = await set_up("Spielen: ", reset="language")
    assert third.id == first.id and languages_in(third.content) == {"de"}
    house.discord.guild.locale = "en-GB"  # as in Discord's own settings of a server
    house.discord.world.emit(Event("GUILD_UPDATE", house.discord.guild, house.discord.guild.id))
    fourth = await grace.wait_message(lambda message: "Play: " in read(message), where=general, since=0)
    assert fourth.id == first.id and languages_in(fourth.content) == {"en"}
