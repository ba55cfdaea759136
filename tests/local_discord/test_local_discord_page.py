"""The API for the browser page under `/local`, over HTTP and its WebSocket, with a real bot."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands
from discord.ext import commands

from local_discord import LocalDiscord, redirect
from local_discord.client import running
from local_discord.feed import PATIENCE_SECONDS


class Bot(commands.Bot):
    def __init__(self) -> None:
        super().__init__(commands.when_mentioned, intents=discord.Intents.default(), guild_ready_timeout=0.05)

        @self.tree.command(name="name", description="Names it")
        async def name(interaction: discord.Interaction, figure: str) -> None:
            await interaction.response.send_message(figure, ephemeral=True)

        @name.autocomplete("figure")
        async def figures(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
            known = ("bird", "boat", "swan")
            return [app_commands.Choice(name=x, value=x) for x in known if x.startswith(typed)]

        @self.tree.command(name="ask", description="Asks")
        async def ask(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(Ask())

        @self.tree.command(name="silent", description="Says nothing")
        async def silent(interaction: discord.Interaction) -> None:
            return


class Ask(discord.ui.Modal, title="Say"):
    words = discord.ui.TextInput(label="Words", custom_id="words")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(self.words.value)


class Browser:
    """The page's side: a session token, HTTP calls and the live socket."""

    def __init__(self, session: aiohttp.ClientSession, user: dict[str, Any]) -> None:
        self.session, self.user = session, user
        self.headers = {"Authorization": f"Local {user['token']}"}

    async def call(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.session.request(
            method, f"/local/{path}", json=body, headers=self.headers
        ) as response:
            assert response.status == status, await response.text()
            return await response.json() if response.status != 204 else None

    async def until(self, name: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                frame = json.loads((await self.socket.receive()).data)
                if frame["t"] == name:
                    return frame["d"]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[LocalDiscord]:
    (tmp_path / "index.html").write_text("<title>Lounge</title>")
    async with LocalDiscord(page=tmp_path, response_window=PATIENCE_SECONDS) as service:
        with redirect(service.rest_url, service.gateway_url):
            yield service


@pytest.fixture
async def bot(service: LocalDiscord) -> AsyncIterator[Bot]:
    async with running(Bot(), service.token) as bot:
        assert isinstance(bot, Bot)
        await bot.tree.sync()
        yield bot


@pytest.fixture
async def ada(service: LocalDiscord) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(service.base_url) as session:
        async with session.post("/local/users", json={"name": "Ada", "moderator": False}) as response:
            browser = Browser(session, await response.json())
        async with session.ws_connect(f"/local/ws?token={browser.user['token']}") as browser.socket:
            yield browser


async def test_the_page_is_served_and_nothing_outside_it(service: LocalDiscord, ada: Browser):
    async with ada.session.get("/") as response:
        assert "Lounge" in await response.text()
    async with ada.session.get("/%2e%2e/%2e%2e/etc/passwd") as response:
        assert response.status == 404


async def test_another_guild_is_joined_and_looked_at(bot: Bot, service: LocalDiscord, ada: Browser):
    elsewhere = service.world.add_guild("Über Elsewhere")
    place = service.world.add_channel(elsewhere, "lobby")
    listed = (await ada.call("GET", "state"))["guilds"]
    assert [(each["name"], each["joined"]) for each in listed] == [
        ("Local Guild", True),
        ("Über Elsewhere", False),
    ]
    assert (await ada.call("GET", f"state?guild={elsewhere.id}"))["guild"]["name"] == "Local Guild"
    await ada.call("POST", f"guilds/{elsewhere.id}/members", {"moderator": True}, status=204)
    await ada.call("POST", f"guilds/{elsewhere.id}/members", {}, status=204)  # nothing happens
    state = await ada.call("GET", f"state?guild={elsewhere.id}")
    assert (state["guild"]["name"], state["me"]["moderator"]) == ("Über Elsewhere", True)
    assert [channel["name"] for channel in state["channels"]] == ["lobby"]
    assert [channel["name"] for channel in (await ada.call("GET", "state"))["channels"]] == ["general"]
    async with ada.session.ws_connect(f"/local/ws?token={ada.user['token']}&guild={elsewhere.id}") as socket:
        for where in (service.channel("general"), place):
            await ada.call("POST", f"channels/{where.id}/messages", {"content": where.name})
        frame = json.loads((await socket.receive(timeout=PATIENCE_SECONDS)).data)
        assert (frame["t"], frame["d"]["content"]) == ("MESSAGE_CREATE", "lobby")
    await ada.call("POST", "guilds/7/members", {}, status=400)


async def test_the_state_names_everything_the_page_draws(bot: Bot, service: LocalDiscord, ada: Browser):
    state = await ada.call("GET", f"state?user={ada.user['id']}")
    assert state["guild"]["name"] == "Local Guild"
    assert [channel["name"] for channel in state["channels"]] == ["general"]
    assert state["me"]["global_name"] == "Ada" and not state["me"]["moderator"]
    assert {"id", "username", "global_name", "bot", "avatar_color", "moderator"} <= set(state["users"][0])
    assert {command["name"] for command in state["commands"]} == {"name", "ask", "silent"}
    assert state["application_id"] == str(service.world.app.id)


async def test_a_stranger_is_refused(service: LocalDiscord, ada: Browser):
    ada.headers = {}
    await ada.call("GET", "state", status=401)


async def test_writing_editing_and_deleting(service: LocalDiscord, ada: Browser):
    place = f"channels/{service.channel('general').id}/messages"
    sent = await ada.call("POST", place, {"content": "hi", "nonce": "n1"})
    assert (await ada.until("MESSAGE_CREATE"))["nonce"] == "n1"
    reply = await ada.call("POST", place, {"content": "me too", "reply_to": sent["id"]})
    assert reply["referenced_message"]["content"] == "hi"
    await ada.call("PATCH", f"{place}/{sent['id']}", {"content": "hello"})
    assert (await ada.until("MESSAGE_UPDATE"))["content"] == "hello"
    await ada.call("DELETE", f"{place}/{sent['id']}", status=204)
    assert (await ada.until("MESSAGE_DELETE"))["id"] == sent["id"]
    assert [message["content"] for message in await ada.call("GET", place)] == ["me too"]


async def test_files_come_with_a_message_and_are_served(service: LocalDiscord, ada: Browser):
    form = aiohttp.FormData({"payload_json": json.dumps({"content": "look"})})
    form.add_field("files[0]", b"<svg/>", filename="a.svg", content_type="image/svg+xml")
    place = f"/local/channels/{service.channel('general').id}/messages"
    async with ada.session.post(place, data=form, headers=ada.headers) as response:
        attachment = (await response.json())["attachments"][0]
    assert attachment["url"].startswith("/attachments/")
    async with ada.session.get(attachment["url"]) as response:
        assert (await response.read(), response.content_type) == (b"<svg/>", "image/svg+xml")


async def test_a_command_with_autocomplete_and_an_ephemeral_answer(
    bot: Bot, service: LocalDiscord, ada: Browser
):
    about = {"channel_id": str(service.channel("general").id), "command": "name"}
    asked = about | {"kind": "autocomplete", "options": {"figure": "b"}, "focused": "figure"}
    choices = (await ada.call("POST", "interactions", asked))["choices"]
    assert [choice["value"] for choice in choices] == ["bird", "boat"]
    used = about | {"kind": "command", "nonce": "7", "options": {"figure": "bird"}}
    await ada.call("POST", "interactions", used)
    message = await ada.until("MESSAGE_CREATE")
    assert (message["content"], message["flags"] & 64) == ("bird", 64)
    assert (await ada.until("INTERACTION_ACK"))["nonce"] == "7"


async def test_a_modal_is_opened_and_answered(bot: Bot, service: LocalDiscord, ada: Browser):
    about = {"channel_id": str(service.channel("general").id)}
    await ada.call("POST", "interactions", about | {"kind": "command", "command": "ask", "nonce": "1"})
    opened = await ada.until("MODAL_OPEN")
    assert {"interaction_id", "custom_id", "title", "components", "channel_id"} <= set(opened)
    answer = {"kind": "modal", "interaction_id": opened["interaction_id"], "fields": {"words": "a swan"}}
    await ada.call("POST", "interactions", about | answer)
    assert (await ada.until("MESSAGE_CREATE"))["content"] == "a swan"


async def test_a_missing_answer_is_reported_to_the_person(bot: Bot, service: LocalDiscord, ada: Browser):
    service.interactions.response_window = 0.3
    about = {
        "kind": "command",
        "channel_id": str(service.channel("general").id),
        "command": "silent",
        "nonce": "9",
    }
    await ada.call("POST", "interactions", about)
    assert (await ada.until("INTERACTION_FAILED"))["nonce"] == "9"


async def test_faults_are_switched_by_moderators(service: LocalDiscord, ada: Browser):
    await ada.call("POST", "faults", {"kind": "rate_limit"}, status=403)
    mo = await ada.call("POST", "users", {"name": "Mo", "moderator": True}, status=201)
    assert (await ada.until("MEMBER_JOIN"))["global_name"] == "Mo"
    moderator = Browser(ada.session, mo)
    await moderator.call(
        "POST", "faults", {"kind": "error", "status": 502, "route": "/channels/*"}, status=201
    )
    assert [fault["status"] for fault in await moderator.call("GET", "faults")] == [502]
    await moderator.call("POST", "faults", {"kind": "nonsense"}, status=400)
    await moderator.call("DELETE", "faults", status=204)
    assert service.faults.current() == []


async def test_no_other_site_can_act_through_a_browser_here():
    """A browser on this machine sends what any site asks of it, by name (`Host`) or across sites (`Origin`)."""
    async with LocalDiscord(page=True) as service, aiohttp.ClientSession() as http:
        at = service.base_url.removeprefix("http://")
        port = at.rsplit(":", 1)[1]

        async def join(**headers: str) -> int:
            async with http.post(
                f"{service.base_url}/local/users", json={"name": "Ada"}, headers=headers
            ) as response:
                return response.status

        assert await join() == await join(Origin=f"http://{at}") == 201
        assert await join(Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 201
        assert await join(Origin="https://site.example") == await join(Origin="null") == 403
        assert await join(Origin=f"http://localhost:{port}") == 403
        assert await join(Host=f"site.example:{port}", Origin=f"http://site.example:{port}") == 421
        assert await join(Host="127.0.0.1.site.example") == 421
        async with http.get(f"{service.base_url}/", headers={"Host": "site.example"}) as response:
            assert response.status == 421


async def test_no_request_ends_in_an_error_of_the_server():
    async with LocalDiscord(page=True) as service, aiohttp.ClientSession() as http:
        deep, headers = b"[" * 100_000, {"Content-Type": "application/json"}
        for method, path, body, status in (
            ("POST", "/local/users", deep, 400),
            ("POST", "/api/v10/channels/1/messages", deep, 401),
            ("GET", "/avatars/%00", None, 404),
            ("GET", "/nothing/%00", None, 404),
        ):
            async with http.request(
                method, service.base_url + path, data=body, headers=headers if body else {}
            ) as response:
                assert response.status == status, path
