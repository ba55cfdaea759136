"""Injected faults, and how the real discord.py client handles them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import discord
import pytest
from discord.ext import commands

from local_discord import Fault, LocalDiscord, Permission, redirect
from local_discord.client import running
from local_discord.feed import PATIENCE_SECONDS
from local_discord.rate_limits import Limit

SEND = "POST /channels/{channel_id}/messages"


class Bot(commands.Bot):
    def __init__(self, *, content: bool = False) -> None:
        intents = discord.Intents.default()
        intents.message_content = content
        super().__init__(commands.when_mentioned, intents=intents, guild_ready_timeout=0.05)
        self.heard: list[str] = []
        self.resumes = 0
        self.readies = 0
        self.changed = asyncio.Event()

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message.content)
        self.changed.set()

    async def on_resumed(self) -> None:
        self.resumes += 1
        self.changed.set()

    async def on_ready(self) -> None:
        self.readies += 1
        self.changed.set()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without discord.py's wait of five seconds."""

    async def until(self, check: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not check():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def service() -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord(response_window=PATIENCE_SECONDS) as service:
        with redirect(service.rest_url, service.gateway_url):
            yield service


@pytest.fixture
async def bot(service: LocalDiscord) -> AsyncIterator[Bot]:
    bot = Bot(content=True)
    async with running(bot, service.token):
        await bot.until(lambda: bot.readies)
        yield bot


def play(bot: Bot, service: LocalDiscord) -> discord.TextChannel:
    channel = bot.get_channel(service.channel("general").id)
    assert isinstance(channel, discord.TextChannel)
    return channel


def contents(service: LocalDiscord) -> list[str]:
    return [message.content for message in service.world.messages[service.channel("general").id].values()]


@pytest.mark.parametrize("is_global", [False, True])
async def test_a_rate_limit_is_waited_out(bot: Bot, service: LocalDiscord, is_global: bool):
    service.faults.add(Fault(kind="rate_limit", route="/channels/*", retry_after=0.2, is_global=is_global))
    started = time.monotonic()
    await play(bot, service).send("x")
    assert time.monotonic() - started >= 0.2
    sent = service.log.of("POST", "/channels/{channel_id}/messages")
    assert [record.status for record in sent] == [429, 200]


async def test_a_rate_limit_without_via_is_treated_as_a_ban(bot: Bot, service: LocalDiscord):
    service.faults.add(Fault(kind="rate_limit", via=False))
    with pytest.raises(discord.HTTPException, match="429"):
        await play(bot, service).send("x")


@pytest.fixture
async def strict(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalDiscord]:
    """A service that allows two messages in half a second."""
    monkeypatch.setattr("local_discord.rate_limits.OBSERVED", {SEND: Limit(2, 0.5)})
    async with LocalDiscord(channels={"general": "", "other": ""}, rate_limits=True) as service:
        with redirect(service.rest_url, service.gateway_url):
            yield service


async def test_discord_py_waits_for_the_next_window(strict: LocalDiscord):
    bot = Bot()
    async with running(bot, strict.token):
        await bot.until(lambda: bot.readies)
        started = time.monotonic()
        for number in range(5):
            await play(bot, strict).send(str(number))
        assert time.monotonic() - started >= 1.0
    assert contents(strict) == list("01234")
    assert {record.status for record in strict.log.of("POST", "/channels/{channel_id}/messages")} == {200}


async def test_who_does_not_wait_is_answered_429(strict: LocalDiscord):
    headers = {"Authorization": f"Bot {strict.token}"}
    async with aiohttp.ClientSession(f"{strict.rest_url}/", headers=headers) as http:

        async def send(channel: str) -> tuple[int, dict[str, str], Any]:
            path = f"channels/{strict.channel(channel).id}/messages"
            async with http.post(path, json={"content": "x"}) as response:
                return response.status, dict(response.headers), await response.json()

        answers = [await send("general") for _ in range(3)]
        assert [status for status, _, _ in answers] == [200, 200, 429]
        assert [given["X-RateLimit-Remaining"] for _, given, _ in answers] == ["1", "0", "0"]
        assert {given["X-RateLimit-Limit"] for _, given, _ in answers} == {"2"}
        _, given, body = answers[-1]
        assert given["X-RateLimit-Scope"] == "user" and body["global"] is False
        assert 0 < body["retry_after"] <= 0.5 and float(given["Retry-After"]) == body["retry_after"]
        assert (other := await send("other"))[0] == 200
        assert other[1]["X-RateLimit-Bucket"] == given["X-RateLimit-Bucket"]
        await asyncio.sleep(body["retry_after"])
        assert (await send("general"))[0] == 200
        assert len(contents(strict)) == 3


async def test_all_requests_together_have_a_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local_discord.rate_limits.GLOBAL", Limit(5, 60.0))
    async with LocalDiscord(rate_limits=True) as service:
        headers = {"Authorization": f"Bot {service.token}"}
        async with aiohttp.ClientSession(f"{service.rest_url}/", headers=headers) as http:

            async def ask(path: str) -> tuple[int, str | None]:
                async with http.get(path) as response:
                    return response.status, response.headers.get("X-RateLimit-Scope")

            assert [await ask("users/@me") for _ in range(6)] == [(200, None)] * 5 + [(429, "global")]
            # Answers to interactions are left out; this one has no such token.
            assert await ask("webhooks/1/token/messages/@original") == (401, None)


async def test_a_server_error_is_tried_again(bot: Bot, service: LocalDiscord):
    service.faults.add(Fault(kind="error", status=502, method="POST"))
    await play(bot, service).send("x")
    assert contents(service) == ["x"]


async def test_503_is_not_tried_again(bot: Bot, service: LocalDiscord):
    service.faults.add(Fault(kind="error", status=503))
    with pytest.raises(discord.DiscordServerError):
        await play(bot, service).send("x")


async def test_a_nonce_keeps_a_message_from_being_sent_twice(bot: Bot, service: LocalDiscord):
    service.faults.add(Fault(kind="error", after=True))
    await play(bot, service).send("once")  # discord.py gives every message a nonce
    service.faults.add(Fault(kind="error", after=True))
    route = discord.http.Route(
        "POST", "/channels/{channel_id}/messages", channel_id=service.channel("general").id
    )
    await bot.http.request(route, json={"content": "twice"})
    assert contents(service) == ["once", "twice", "twice"]


async def test_a_dropped_request_is_an_error_of_the_connection(bot: Bot, service: LocalDiscord):
    service.faults.add(Fault(kind="drop", method="POST"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await play(bot, service).send("x")
    service.faults.add(Fault(kind="drop", method="POST", after=True))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await play(bot, service).send("y")
    assert contents(service) == ["y"]


async def test_slow_answers(bot: Bot, service: LocalDiscord):
    service.faults.add(Fault(kind="delay", delay=0.3))
    started = time.monotonic()
    await play(bot, service).send("x")
    assert time.monotonic() - started >= 0.3


async def test_faults_end_by_themselves(service: LocalDiscord):
    service.faults.add(Fault(kind="error", seconds=0.3, count=None))
    service.faults.add(Fault(kind="error", method="DELETE", count=2))
    assert [fault.count for fault in service.faults.current()] == [None, 2]
    await asyncio.sleep(0.31)
    assert [fault.count for fault in service.faults.current()] == [2]
    for _ in range(2):
        assert service.faults.strike("DELETE", "/channels/1", "/channels/{channel_id}")
    assert service.faults.current() == []


async def test_missing_permissions_in_a_channel(bot: Bot, service: LocalDiscord):
    channel, role = service.channel("general"), service.world.bot_role(service.guild)
    service.world.set_overwrite(channel, role, deny=Permission.SEND_MESSAGES)
    with pytest.raises(discord.Forbidden) as refused:
        await play(bot, service).send("x")
    assert refused.value.code == 50013
    service.world.set_overwrite(channel, role, deny=Permission.VIEW_CHANNEL)
    with pytest.raises(discord.Forbidden) as refused:
        await bot.http.get_channel(channel.id)
    assert refused.value.code == 50001
    with pytest.raises(discord.NotFound) as missing:
        await bot.http.get_channel(12345)
    assert missing.value.code == 10003


async def test_a_person_may_refuse_private_messages(bot: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    ada.user.accepts_direct = False
    with pytest.raises(discord.Forbidden) as refused:
        await (await bot.fetch_user(ada.id)).send("hello")
    assert refused.value.code == 50007


async def test_nothing_is_lost_over_a_dropped_connection(bot: Bot, service: LocalDiscord):
    ada = await service.people.join("Ada")
    await ada.say("general", "before")
    await bot.until(lambda: "before" in bot.heard)
    service.gateway.drop()
    for number in range(20):
        await ada.say("general", str(number))
    await bot.until(lambda: bot.resumes)
    await bot.until(lambda: len(bot.heard) == 21)
    assert bot.heard == ["before", *map(str, range(20))]
    assert (service.gateway.identified, service.gateway.resumed) == (1, 1)


@pytest.mark.parametrize("how", ["reconnect", "invalidate", 4000])
async def test_the_client_resumes(bot: Bot, service: LocalDiscord, how: str | int):
    await service.gateway.strike(how)
    ada = await service.people.join("Ada")
    await ada.say("general", "meanwhile")
    await bot.until(lambda: "meanwhile" in bot.heard and bot.resumes)
    assert service.gateway.identified == 1


async def test_a_lost_session_is_replaced_by_a_new_one(bot: Bot, service: LocalDiscord):
    service.gateway.drop(resumable=False)
    await bot.until(lambda: bot.readies == 2)
    assert service.gateway.identified == 2


async def test_a_fatal_close_code_ends_the_client(service: LocalDiscord):
    bot = Bot()
    await bot.login(service.token)
    connection = asyncio.create_task(bot.connect())
    await bot.until(lambda: bot.readies)
    await service.gateway.close(4004)
    with pytest.raises(discord.ConnectionClosed) as closed:
        await connection
    assert closed.value.code == 4004
    await bot.close()


async def test_an_intent_that_was_not_granted_is_refused():
    async with LocalDiscord(message_content=False) as service:
        with (
            redirect(service.rest_url, service.gateway_url),
            pytest.raises(discord.PrivilegedIntentsRequired),
        ):
            async with running(Bot(content=True), service.token):
                pass


async def test_content_is_blank_without_the_intent(service: LocalDiscord):
    bot = Bot()
    async with running(bot, service.token):
        ada = await service.people.join("Ada")
        await ada.say("general", "hidden")
        own = await play(bot, service).send("mine")
        await ada.say("general", f"<@{service.world.app.user.id}> for you")
        await ada.say("general", "a reply", reply_to=own.id)
        await ada.say(await ada.direct(), "in private")
        await bot.until(lambda: len(bot.heard) == 5)
        assert bot.heard == ["", "mine", f"<@{service.world.app.user.id}> for you", "a reply", "in private"]


async def test_an_answer_after_the_window_is_unknown(bot: Bot, service: LocalDiscord):
    caught: list[discord.NotFound] = []
    expired = asyncio.Event()
    service.interactions.response_window = 0.3

    @bot.tree.command(name="late", description="Late")
    async def late(interaction: discord.Interaction) -> None:
        await expired.wait()
        try:
            await interaction.response.send_message("x")
        except discord.NotFound as error:
            caught.append(error)
            bot.changed.set()

    await bot.tree.sync()
    ada = await service.people.join("Ada")
    await ada.slash("general", "late")
    assert "did not respond" in (await ada.wait_for("INTERACTION_FAILED"))["reason"]
    expired.set()
    await bot.until(lambda: caught)
    assert caught[0].code == 10062


async def test_an_interaction_is_answered_once(bot: Bot, service: LocalDiscord):
    caught: list[discord.HTTPException] = []

    @bot.tree.command(name="twice", description="Twice")
    async def twice(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("x")
        with pytest.raises(discord.HTTPException) as refused:
            await bot.http.request(
                discord.http.Route("POST", f"/interactions/{interaction.id}/{interaction.token}/callback"),
                json={"type": 4, "data": {"content": "y"}},
            )
        caught.append(refused.value)
        bot.changed.set()

    await bot.tree.sync()
    ada = await service.people.join("Ada")
    await ada.slash("general", "twice")
    await bot.until(lambda: caught)
    assert (caught[0].status, caught[0].code) == (400, 40060)


LIMITS = {
    "content": {"content": "x" * 2001},
    "components": {
        "components": [{"type": 1, "components": [{"type": 2, "style": 1, "custom_id": "x"}]}] * 6
    },
    "embeds": {"embeds": [{"title": "x" * 257}]},
    "flags": {"content": "x", "flags": 64},
    "attachments": {"content": "x", "attachments": [{"id": 0, "description": "x" * 1025}]},
}


@pytest.mark.parametrize("field", LIMITS)
async def test_a_form_that_breaks_a_limit_is_refused_with_the_path(
    bot: Bot, service: LocalDiscord, field: str
):
    route = discord.http.Route(
        "POST", "/channels/{channel_id}/messages", channel_id=service.channel("general").id
    )
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.request(route, json=LIMITS[field])
    assert (refused.value.status, refused.value.code) == (400, 50035)
    assert field in refused.value.text


async def test_an_empty_message_and_a_file_too_large_are_refused(bot: Bot, service: LocalDiscord):
    import io

    with pytest.raises(discord.HTTPException) as refused:
        await play(bot, service).send("")
    assert refused.value.code == 50006
    with pytest.raises(discord.HTTPException) as refused:
        await play(bot, service).send(file=discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "x.bin"))
    assert (refused.value.status, refused.value.code) == (413, 40005)


async def test_sharded_clients_are_served(service: LocalDiscord):
    class Sharded(commands.AutoShardedBot):
        async def on_message(self, message: discord.Message) -> None:
            heard.set()

        async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
            """Without discord.py's wait of five seconds."""

    heard = asyncio.Event()
    intents = discord.Intents.default()
    bot = Sharded(commands.when_mentioned, intents=intents, shard_count=2, guild_ready_timeout=0.05)
    async with running(bot, service.token):
        assert bot.shard_count == 2 and len(bot.guilds) == 1
        ada = await service.people.join("Ada")
        await ada.say("general", "x")
        await asyncio.wait_for(heard.wait(), PATIENCE_SECONDS)


@pytest.mark.timeout(60)
async def test_a_client_sees_the_latency_of_a_network():
    """discord.py would take an answer that is too quick for one to the heartbeat before."""
    async with LocalDiscord(heartbeat_seconds=1.0) as service, service.connected(Bot()) as bot:
        seen = []
        for _ in range(4):
            await asyncio.sleep(1.0)
            seen.append(bot.latency)
    assert sorted(seen)[1] < 0.8  # a busy machine may take a while, but not always
