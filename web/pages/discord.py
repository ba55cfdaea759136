"""Signing in with Discord: members of one server who have one of some roles may see the page.

The authorization code grant (https://docs.discord.com/developers/topics/oauth2). Discord's token for the person is used
once, to read the roles, and is kept nowhere. Neither it nor the client secret nor who signed in is in any log.
"""

import json
import secrets
from dataclasses import dataclass, field

import aiohttp
import structlog
import yarl
from cryptography.fernet import Fernet, InvalidToken

from web.pages.access import same
from web.pages.settings import PageConfig

log = structlog.get_logger(__name__)

API = "https://discord.com/api/v10"
AUTHORIZE = "https://discord.com/oauth2/authorize"
SCOPE = "identify guilds.members.read"
BACK = "/login/discord/back"
"""Where Discord sends people back to."""
BEGUN_COOKIE = "respect_page_discord"
BEGUN_SECONDS = 600
"""How long somebody may take at Discord."""
PATIENCE = aiohttp.ClientTimeout(total=15)
AGAIN = "Begin again."


class NotAdmitted(RuntimeError):
    """Somebody may not see the page, or it is not known; the message says why. `status` is that of the answer."""

    def __init__(self, sentence: str, status: int = 403) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class DiscordSignIn:
    """The application with which people sign in, and who may."""

    page: str
    """Address of the page, without a path."""
    client_id: str
    client_secret: str = field(repr=False)
    guild: str
    roles: frozenset[str]
    api: str
    authorize: str
    _box: Fernet = field(default_factory=lambda: Fernet(Fernet.generate_key()), repr=False)
    """Signs and encrypts what a browser keeps while its person is at Discord."""

    @classmethod
    def of(cls, config: PageConfig, local_api: str | None = None) -> "DiscordSignIn | None":
        """That of the settings; None if it is not set. `local_api`: of a service that stands in for Discord."""
        if config.url is None or config.client_secret is None or not config.client_id:
            return None
        here = yarl.URL(local_api).origin() if local_api is not None else None
        return cls(
            page=config.url,
            client_id=config.client_id.strip(),
            client_secret=config.client_secret.get_secret_value(),
            guild=(config.guild or "").strip(),
            roles=frozenset(each.strip() for each in (config.roles or "").split(",")),
            api=local_api or API,
            authorize=AUTHORIZE if here is None else f"{here}/oauth2/authorize",
        )

    @property
    def host(self) -> str:
        """The name that the page is called by."""
        return (yarl.URL(self.page).host or "").lower()

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the page with TLS."""
        return self.page.startswith("https:")

    @property
    def _redirect_uri(self) -> str:
        return f"{self.page}{BACK}"

    def begin(self, next_path: str) -> tuple[yarl.URL, str]:
        """(Discord's page to go to, the value of `BEGUN_COOKIE`). `next_path`: where to go afterwards."""
        state = secrets.token_urlsafe(24)
        asked = yarl.URL(self.authorize).with_query(
            response_type="code",
            client_id=self.client_id,
            scope=SCOPE,
            state=state,
            redirect_uri=self._redirect_uri,
            prompt="none",
        )
        return asked, self._box.encrypt(json.dumps([state, next_path]).encode()).decode()

    async def finish(self, begun: str, state: str, code: str, error: str) -> str:
        """Where to go now, for somebody who came back from Discord with these values and may see the page. Raises
        `NotAdmitted`."""
        try:
            wanted, next_path = json.loads(self._box.decrypt(begun.encode(), ttl=BEGUN_SECONDS))
        except (InvalidToken, UnicodeEncodeError):
            wanted, next_path = "", "/"
        if not wanted or not same(state, wanted):
            raise NotAdmitted(f"This sign-in was begun in another browser or too long ago. {AGAIN}")
        if error:
            raise NotAdmitted("You did not allow Discord to tell this page which roles you have.")
        if not await self._roles_of(code) & self.roles:
            raise NotAdmitted("You have none of the roles that may see this page: ask its operator.")
        return next_path

    async def _roles_of(self, code: str) -> frozenset[str]:
        """Ids of the roles of the person who brought a code. Raises `NotAdmitted`."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri}
        client = aiohttp.BasicAuth(self.client_id, self.client_secret)
        try:
            async with aiohttp.ClientSession(timeout=PATIENCE) as http:
                async with http.post(f"{self.api}/oauth2/token", data=form, auth=client) as response:
                    if response.status == 401:
                        log.error("Discord refuses RESPECT_PAGE__CLIENT_ID or RESPECT_PAGE__CLIENT_SECRET")
                        raise NotAdmitted("Discord does not know this page: tell its operator.", 502)
                    if response.status == 400:
                        raise NotAdmitted(f"Discord did not confirm this sign-in. {AGAIN}")
                    response.raise_for_status()
                    token = str((await response.json())["access_token"])
                member = f"{self.api}/users/@me/guilds/{self.guild}/member"
                async with http.get(member, headers={"Authorization": f"Bearer {token}"}) as response:
                    if response.status in (403, 404):
                        raise NotAdmitted("You are not in the server whose members may see this page.")
                    response.raise_for_status()
                    return frozenset(str(role) for role in (await response.json())["roles"])
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            status = getattr(error, "status", None)
            log.error("Discord could not be asked for roles", error=type(error).__name__, status=status)
            raise NotAdmitted("Discord could not be asked just now: try again later.", 502) from None
