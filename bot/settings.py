"""Settings of the bot."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yarl
from pydantic import AfterValidator, Field, FiniteFloat, SecretStr, model_validator
from pydantic.dataclasses import dataclass

from learner.settings import LearnerSettings, RoundsConfig, is_loopback
from store.models import Origin
from web.pages.settings import PageConfig


def _on_this_machine(url: str | None) -> str | None:
    """Raises ValueError for the URL of a service on another machine: it would get the bot's token, and its games would
    count as local, to which Discord's rules on training are not applied."""
    if url is None:
        return None
    parsed = yarl.URL(url)  # raises ValueError
    if not is_loopback(parsed.host or "") or parsed.scheme not in ("http", "https", "ws", "wss"):
        raise ValueError(
            "only a service on this machine (127.0.0.1, ::1 or localhost) can stand in for Discord; unset it to use "
            "Discord itself"
        )
    return url


AfterErasure = Literal["round", "rollback"]
ManagedBy = Literal["owner", "servers", "moderators", "request"]


def _id(value: str | None) -> str | None:
    """Raises ValueError for what is no id of Discord."""
    if value is not None and not value.strip().isdecimal():
        raise ValueError("an id has digits only: copy it in Discord with developer mode on")
    return value and value.strip()


def _ids(value: str) -> str:
    """Raises ValueError for what is no list of ids."""
    for each in filter(None, value.split(",")):
        _id(each)
    return value


@dataclass(frozen=True)
class DiscordConfig:
    """Discord"""

    token: SecretStr | None = Field(
        default=None,
        description="The bot's token: https://discord.com/developers/applications > your application > Bot > Reset "
        "Token.",
    )
    message_content: bool = Field(
        default=True,
        description="Ask for the Message Content Intent, which is switched on at the same place, so that messages in a "
        "game's thread are instructions. Set to false to do without: people then press the Describe button.",
    )
    api: Annotated[str | None, AfterValidator(_on_this_machine)] = Field(
        default=None,
        description="Base URL of a local Discord-compatible service in place of Discord, as `respect demo` runs one; "
        "loopback addresses only.",
        examples=["http://127.0.0.1:8080/api/v10"],
    )
    gateway: Annotated[str | None, AfterValidator(_on_this_machine)] = Field(
        default=None, description="Gateway URL of that service.", examples=["ws://127.0.0.1:8080"]
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.api is None) != (self.gateway is None):
            raise ValueError("set both RESPECT_DISCORD__API and RESPECT_DISCORD__GATEWAY, or neither")
        return self


def _some(value: str) -> str:
    """Raises ValueError for a list of nothing."""
    if not value.strip(" ,"):
        raise ValueError("name an image set, such as 'classic'")
    return value


@dataclass(frozen=True)
class PlayConfig:
    """The game"""

    images: Annotated[str, AfterValidator(_some)] = Field(
        default="classic",
        description="Image set of new games: 'classic' ships with the package, 'classic:40' is 40 of its figures, "
        "which are learnt sooner; 'kilogram:DIR' reads a KiloGram folder that you downloaded (its pictures may be used "
        "for education and research only). Several, separated by commas: games are played with the first unless a "
        "player chooses another.",
        examples=["classic,kilogram:kilogram/dataset"],
    )
    cooldown: FiniteFloat = Field(default=10.0, ge=0, description="Seconds between one player's new games.")
    idle_hours: int = Field(
        default=48,
        ge=0,
        description="Hours without a word after which a game ends, where a server has not chosen; 0 never.",
    )
    burst: FiniteFloat = Field(
        default=2.0,
        ge=0,
        le=30,
        description="Messages that follow one another within this number of seconds are one instruction. The bot waits "
        "this long after a message and shows that it is typing. 0 plays each message at once, on its own.",
    )
    study: Path | None = Field(
        default=None,
        description="File of the study that new games take part in (see docs/research.md); `respect study check` "
        "checks it.",
        examples=["study.toml"],
    )


@dataclass(frozen=True)
class BotRoundsConfig(RoundsConfig):
    """Rounds of learning"""

    schedule: str | None = Field(
        default=None, description="Cron expression of when rounds start.", examples=["0 4 * * *"]
    )
    every_games: int = Field(
        default=0, ge=0, description="Start a round after this many new finished games; 0 never."
    )
    managed_by: ManagedBy | None = Field(
        default=None,
        description="Who may start, cancel and schedule rounds, promote and roll back, all of which concern every "
        "server: 'owner' (the application's owner or team), 'servers' (also moderators of the servers in "
        "RESPECT_ROUNDS__SERVERS), 'moderators' (everybody with Manage Server in any server), 'request' (moderators "
        "ask, and the owner confirms). Unset: owner, and moderators on a local service.",
    )
    servers: Annotated[str, AfterValidator(_ids)] = Field(
        default="",
        description="Ids of the servers whose moderators may do so with 'servers', separated by commas.",
    )
    requests_channel: Annotated[str | None, AfterValidator(_id)] = Field(
        default=None,
        description="Id of the channel where moderators' requests are confirmed or refused, by the owner or the "
        "moderators of its server. Unset: they are sent to the owner in a direct message.",
    )
    cooldown: FiniteFloat = Field(
        default=10.0, ge=0, description="Minutes after a round in which the bot starts no other."
    )
    least_games: int = Field(
        default=1,
        ge=0,
        description="New finished games since the last round that the bot needs to start one.",
    )
    after_erasure: AfterErasure = Field(
        default="round",
        description="What becomes of the adapter in use once a player erases games that it learnt from, or no longer "
        "agrees to training: 'round' (the next round starts without them, and new games are played with the adapter "
        "until that round ends) or 'rollback' (from then on new games are played with the newest adapter that did not "
        "learn from them, or with the base model).",
    )
    erasure_days: int = Field(
        default=30,
        ge=0,
        description="With 'round' above: days after which no new game is played with such an adapter, though no round "
        "has come. 0: it waits for a round, however long.",
    )
    gain_games: int = Field(
        default=30,
        ge=0,
        description="Report how much better a new adapter plays once it has played this many games; 0 never.",
    )

    @property
    def named_servers(self) -> frozenset[str]:
        """`servers` as ids."""
        return frozenset(re.findall(r"\d+", self.servers))

    @model_validator(mode="after")
    def _servers_are_named(self) -> Self:
        if self.managed_by == "servers" and not self.named_servers:
            raise ValueError("RESPECT_ROUNDS__MANAGED_BY=servers needs their ids in RESPECT_ROUNDS__SERVERS")
        return self


@dataclass(frozen=True)
class WebConfig:
    """Health and metrics"""

    host: str = Field(
        default="127.0.0.1", description="Address of the health (/healthz) and metrics (/metrics) page."
    )
    port: int = Field(default=9464, ge=0, le=65535, description="Port of that page; 0 takes a free one.")


class BotSettings(LearnerSettings):
    """All settings of the bot, including those of the policy service and of rounds."""

    rounds: BotRoundsConfig = BotRoundsConfig()  # pyright: ignore[reportIncompatibleVariableOverride] - frozen
    discord: DiscordConfig = DiscordConfig()
    play: PlayConfig = PlayConfig()
    web: WebConfig = WebConfig()
    page: PageConfig = PageConfig()

    @property
    def origin(self) -> Origin:
        """Origin of the games. Only a service on this machine is local (`DiscordConfig` refuses others)."""
        return Origin.LOCAL if self.discord.api else Origin.DISCORD

    @property
    def managed_by(self) -> ManagedBy:
        """Who may start rounds and change adapters."""
        return self.rounds.managed_by or ("moderators" if self.origin is Origin.LOCAL else "owner")
