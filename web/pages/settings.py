"""The settings of the page for researchers: signing in with Discord."""

from typing import Annotated, Self

import yarl
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic.dataclasses import dataclass


def _ids(value: str | None) -> str | None:
    """Raises ValueError for what is no list of ids."""
    for each in (value or "").split(","):
        if value is not None and not each.strip().isdecimal():
            raise ValueError("an id has digits only: copy it in Discord with developer mode on")
    return value


def _address(value: str | None) -> str | None:
    """Raises ValueError for what is no address of a page."""
    if value is None:
        return None
    url = yarl.URL(value)  # raises ValueError
    if url.scheme not in ("http", "https") or not url.host or url.path != "/" or url.query_string:
        raise ValueError("write only how and where, like https://lab.example.org")
    return str(url.origin())


@dataclass(frozen=True)
class PageConfig:
    """The page for researchers: signing in with Discord (docs/research.md)"""

    url: Annotated[str | None, AfterValidator(_address)] = Field(
        default=None,
        description="Address at which browsers reach `respect page`, like https://lab.example.org. Its path "
        "/login/discord/back must be among the redirects of your application: "
        "https://discord.com/developers/applications > OAuth2.",
    )
    client_id: Annotated[str | None, AfterValidator(_ids)] = Field(
        default=None, description="The application's client id, from the same place."
    )
    client_secret: SecretStr | None = Field(
        default=None, description="The application's client secret, from the same place.", repr=False
    )
    guild: Annotated[str | None, AfterValidator(_ids)] = Field(
        default=None, description="Id of the server whose members may sign in."
    )
    roles: Annotated[str | None, AfterValidator(_ids)] = Field(
        default=None,
        description="Ids of roles there, separated by commas; members with any of them may see the page.",
    )

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        given = (self.url, self.client_id, self.client_secret, self.guild, self.roles)
        if any(given) and not all(given):
            raise ValueError(
                "signing in with Discord needs all of RESPECT_PAGE__URL, …CLIENT_ID, …CLIENT_SECRET, …GUILD and …ROLES"
            )
        return self
