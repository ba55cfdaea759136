"""What Discord's own client would not send: options out of range, broken ids, text that no store holds."""

from bot_house import House

from bot import texts
from bot.rounds import texts as round_texts
from games.words import storable
from local_discord import Person
from local_discord.forged import Forger, answer_to
from local_discord.request_log import RequestRecord
from store.models import GuildSettings

SECONDS = 30.0
WRONG = (
    *({"idle": -1}, {"idle": 721}, {"idle": 2**64}, {"idle": 1.5}, {"idle": True}, {"cooldown": 1e308}),
    *({"cooldown": ""}, {"games": "chess"}, {"language": "xx"}, {"reset": "everything"}, {"team": "yes"}),
    *({"images": "classic\0"}, {"images": "\ud800"}, {"unknown": "x"}),
)


async def test_options_that_do_not_fit_change_nothing(house: House):
    grace = await house.discord.people.join("Grace", moderator=True)
    forger, play = Forger(house.discord), house.discord.channel("play")
    for options in WRONG:
        sent = forger.command(grace, play, "setup", options)
        assert await answer_to(sent, SECONDS) == texts.COMMAND_CHANGED, options
    async with house.database.async_session() as session:
        assert await session.get(GuildSettings, str(house.discord.guild.id)) is None
    for command in ("setup", "nothing", "play now", "round"):
        sent = forger.command(grace, play, command, {"x": "y"})
        assert await answer_to(sent, SECONDS) == texts.COMMAND_CHANGED, command
    sent = forger.command(grace, play, "round schedule", {"cron": "* " * 40})
    assert await answer_to(sent, SECONDS) == texts.COMMAND_CHANGED


async def test_ids_of_rounds_that_are_none(house: House):
    grace = await house.discord.people.join("Grace", moderator=True)
    owner = house.discord.people.person(house.discord.world.app.owner)
    forger, play = Forger(house.discord), house.discord.channel("play")
    for argument in ("abc", "9" * 30, "-1", "7"):
        sent = forger.press(grace, play, f"round:cancel:{argument}:{grace.id}")
        assert await answer_to(sent, SECONDS) == round_texts.ROUND_OVER, argument
    for argument in ("abc", "9" * 30):
        sent = forger.press(owner, play, f"round-request:yes:cancel:1:{play.id}:{argument}")
        assert await answer_to(sent, SECONDS) == round_texts.ROUND_OVER, argument
    long = forger.press(grace, play, f"round:promote:{'a' * 200}:{grace.id}")
    assert (await answer_to(long, SECONDS) or "").endswith(".")


async def test_text_that_no_store_holds(house: House, ada: Person):
    ada.user.global_name = "A\0d\ud800a"
    thread = await house.play(ada)
    assert "with Ada #1" in thread.name
    await house.turn(ada, thread, "the \ud800bo\0at\udfff")
    (turn,) = await house.turns(thread)
    assert turn.utterance == "the boat"
    assert not any(_surrogates(record) for record in house.discord.log)


def _surrogates(record: RequestRecord) -> bool:
    return storable(str(record.body)) != str(record.body)


def test_storable():
    assert storable("a\0b\ud800c\udfff 👍🏽 e\u0301") == "abc 👍🏽 e\u0301"
