"""Signing in to the page with Discord, against the local service."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
import yarl
from aiohttp.test_utils import TestServer, unused_port
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from cli.main import app
from local_discord import Fault, LocalDiscord
from local_discord.openapi import OpenApi
from tests.web.stored_games import SECRET, TOKEN, Elements, Serve, Stored
from tests.web.test_pages import check, look, texts
from web.pages.access import COOKIE, LOCAL_HOSTS, Access
from web.pages.app import make_pages
from web.pages.discord import BACK, DiscordSignIn
from web.pages.settings import PageConfig
from web.pages.site import Site

DESCRIPTION = Path(__file__).parents[3] / "shared" / "data" / "discord-openapi.json"


@dataclass
class Both:
    """A Discord, the page, and a browser."""

    discord: LocalDiscord
    url: str
    http: aiohttp.ClientSession
    people: dict[str, str]
    """Name -> id."""

    async def sign_in(self, name: str = "Ada", **changed: str) -> tuple[int, yarl.URL, str]:
        """Press "Log in with Discord" and choose a person; "" cancels. Gives status, address and page at the end.

        `changed`: what the browser brings back instead.
        """
        async with self.http.get(f"{self.url}/games?outcome=won") as response:
            login = Elements(await response.text())
        (link,) = (str(each["href"]) for each in login.named("a") if "discord" in str(each.get("href")))
        async with self.http.get(f"{self.url}{link}") as response:
            assert response.url.path == "/oauth2/authorize", await response.text()
            asked = Elements(await response.text())
        form = {str(each["name"]): str(each["value"]) for each in asked.named("input")}
        user = self.people[name] if name else ""
        authorize = f"{self.discord.base_url}/oauth2/authorize"
        async with self.http.post(authorize, data={**form, "user": user}, allow_redirects=False) as response:
            back = yarl.URL(response.headers["Location"])
        async with self.http.get(back.update_query(changed)) as response:
            return response.status, response.url, await response.text()

    async def is_in(self) -> bool:
        async with self.http.get(f"{self.url}/games") as response:
            return response.url.path == "/games"


@pytest.fixture
async def both(stored: Stored, tmp_path: Path) -> AsyncIterator[Both]:
    async with LocalDiscord() as discord:
        people = {
            "Ada": str((await discord.people.join("Ada", moderator=True)).id),
            "Bob": str((await discord.people.join("Bob")).id),
            "Eve": str(discord.world.add_user("eve", "Eve").id),
        }
        port = unused_port()
        url = f"http://127.0.0.1:{port}"
        discord.oauth.redirect_uris.add(f"{url}{BACK}")
        config = PageConfig(
            url=url,
            client_id=discord.oauth.client_id,
            client_secret=SecretStr(discord.oauth.client_secret),
            guild=str(discord.guild.id),
            roles=f"1, {discord.world.moderator_role(discord.guild).id}",
        )
        sign_in = DiscordSignIn.of(config, discord.rest_url)
        access = Access(None, LOCAL_HOSTS)
        pages = make_pages(Site(stored.database, SECRET), access, tmp_path / "exports", sign_in)
        server = TestServer(pages, port=port)
        await server.start_server(access_log=None)
        async with server, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            yield Both(discord, url, http, people)


async def test_a_member_with_the_role_sees_the_page(both: Both, capfd: pytest.CaptureFixture[str]):
    assert not await both.is_in()
    status, at, html = await both.sign_in()
    assert (status, at.path_qs) == (200, "/games?outcome=won") and "1 game" in html
    assert await both.is_in()
    (cookie,) = (each for each in both.http.cookie_jar if each.key == COOKIE)
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["max-age"] == str(12 * 3600)
    log = capfd.readouterr().err
    for private in (both.discord.oauth.client_secret, both.people["Ada"], "Ada"):
        assert private not in log
    csrf = Elements(html).value("csrf")
    async with both.http.post(f"{both.url}/logout", data={"csrf": csrf}) as response:
        assert response.url.path == "/login"
    assert not await both.is_in()


@pytest.mark.parametrize(
    ("name", "changed", "status", "said"),
    [
        ("Bob", {}, 403, "none of the roles"),
        ("Eve", {}, 403, "not in the server"),
        ("", {}, 403, "did not allow"),
        ("Ada", {"state": "forged"}, 403, "another browser"),
        ("Ada", {"state": ""}, 403, "another browser"),
        ("Ada", {"code": "forged"}, 403, "did not confirm"),
        ("Ada", {"code": "ü\x00"}, 403, "did not confirm"),
    ],
)
async def test_others_are_refused_with_a_sentence(
    both: Both, name: str, changed: dict[str, str], status: int, said: str
):
    found, at, html = await both.sign_in(name, **changed)
    assert (found, at.path) == (status, BACK) and said in html, html
    check(html, Elements(html))
    assert not await both.is_in()


async def test_a_sign_in_works_once_and_in_one_browser(both: Both):
    await both.sign_in("Bob")
    seen = [record for record in both.discord.log if record.path == "/oauth2/token"]
    assert [record.status for record in seen] == [200] and not seen[0].body
    stolen = both.url + BACK + "?code=of-another&state=of-another"
    async with both.http.get(stolen) as response:  # the cookie was for the one before
        assert response.status == 403 and "another browser" in await response.text()
    both.http.cookie_jar.update_cookies({"respect_page_discord": "ü"}, yarl.URL(both.url))
    async with both.http.get(stolen) as response:
        assert response.status == 403
    assert not await both.is_in()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(kind="error", status=502, route="/oauth2/token"), "try again later"),
        (Fault(kind="drop", route="/users/@me/guilds/*", count=9), "try again later"),
        (Fault(kind="rate_limit", retry_after=1, route="/users/@me/guilds/*"), "try again later"),
    ],
)
async def test_discord_is_in_trouble(both: Both, fault: Fault, said: str):
    both.discord.faults.add(fault)
    status, _, html = await both.sign_in()
    assert status == 502 and said in html and not await both.is_in()


async def test_a_wrong_client_secret_is_said_without_it(both: Both, capfd: pytest.CaptureFixture[str]):
    before, both.discord.oauth.client_secret = both.discord.oauth.client_secret, "another"
    status, _, html = await both.sign_in()
    assert status == 502 and "tell its operator" in html
    log = capfd.readouterr().err
    assert "RESPECT_PAGE__CLIENT_SECRET" in log and before not in log


async def test_a_foreign_host_and_another_page_are_refused(both: Both):
    for path in ("/login/discord", BACK):
        async with both.http.get(f"{both.url}{path}", headers={"Host": "evil.example"}) as response:
            assert response.status == 403 and "not served under that name" in await response.text()
    async with both.http.get(
        f"{both.url}/login/discord?next=//evil.example", allow_redirects=False
    ) as answer:
        assert yarl.URL(answer.headers["Location"]).host == "127.0.0.1"
    async with both.http.post(f"{both.url}/login", data={"token": TOKEN}) as response:
        assert response.status == 403  # there is no token


async def test_without_the_settings_there_is_only_the_token(serve: Serve):
    client = await serve(logged_in=False)
    _, elements = await look(client, "/login")
    assert "Discord" not in texts(elements) and elements.named("input")
    for path in ("/login/discord", BACK):
        await look(client, path, 404)


@pytest.mark.skipif(not DESCRIPTION.exists(), reason="Discord's description is not on this machine")
async def test_the_local_service_answers_as_discord_describes(both: Both):
    assert (await both.sign_in())[0] == 200
    oauth = both.discord.oauth
    grant = next(iter(oauth._tokens))
    for path in ("/users/@me", f"/users/@me/guilds/{both.discord.guild.id}/member"):
        async with both.http.get(
            both.discord.rest_url + path, headers={"Authorization": f"Bearer {grant}"}
        ) as response:
            assert response.status == 200, await response.text()
    oauth._tokens[grant] = replace(oauth._tokens[grant], scopes=frozenset({"identify"}))
    for token in (f"Bearer {grant}", "Bearer forged", f"Bot {both.discord.token}"):
        member = f"{both.discord.rest_url}/users/@me/guilds/{both.discord.guild.id}/member"
        async with both.http.get(member, headers={"Authorization": token}) as response:
            assert response.status in (401, 403)
    openapi = OpenApi.read(DESCRIPTION)
    found = [record for record in both.discord.log if record.path != "/oauth2/token"]
    assert len(found) == 6
    for record in found:
        assert not openapi.problems(record) and not openapi.answer_problems(record), record


def test_half_of_the_settings_is_a_sentence(tmp_path: Path):
    half = {"RESPECT_PAGE__CLIENT_ID": "123", "RESPECT_STORE__DATA_DIR": str(tmp_path)}
    result = CliRunner().invoke(app, ["page"], env=half)
    assert result.exit_code == 1 and "needs all of RESPECT_PAGE__URL" in " ".join(result.output.split())
    for wrong in ({"url": "lab.example.org"}, {"guild": "the server"}, {"roles": "1,,2"}):
        with pytest.raises(ValidationError):
            PageConfig(**wrong)
