"""The texts of `/setup`."""

from collections.abc import Mapping, Sequence

import discord

from bot.images import listed
from bot.language import LANGUAGES, number
from games import GAMES
from games.language import N_, _, ngettext
from store.models import GuildSettings

MESSAGES = N_("Plain messages in a game's thread (otherwise people press Describe)")
POLICY = N_("The model that plays is running")
TRAINING = N_("Discord's permission to learn from games is recorded (`RESPECT_ROUNDS__DISCORD_PERMISSION`)")
PIN = N_("Pin Messages, so that the message with the Play button stays on top")
LOCK = N_("Manage Threads, so that finished threads are locked")

CLASSIC_IMAGES, DEFAULT_IMAGES = "classic", "default"
"""The choices of `/setup images:`. `DEFAULT_IMAGES` restores the set that the operator chose."""
ALL_GAMES = "all"
ALL_GAMES_LABEL = N_("all")
IMAGES_TO_CHOOSE = N_(
    "a server can choose `classic`, some of it (`classic:40`, say), several of these with commas, or `default`; "
    "any other set is for whoever runs me to choose (`RESPECT_PLAY__IMAGES`)"
)
RESET = {
    "reports": ("moderators_channel_id", N_("the channel for reports")),
    "audit": ("audit_channel_id", N_("the channel that says who did what")),
    "images": ("images", N_("figures")),
    "games": ("games", N_("games")),
    "players": ("player_role_id", N_("role of players")),
    "limit": ("most_games", N_("games at the same time")),
    "cooldown": ("cooldown", N_("pause between games")),
    "idle": ("idle_hours", N_("end of silent games")),
    "language": ("locale", N_("language")),
}
"""Choice of `/setup reset:` -> (column of `GuildSettings`, what it is)."""


def changed(person_id: int, settings: Mapping[str, object]) -> str:
    """For the audit channel. `settings`: option of `/setup` -> what was chosen."""
    chosen = ", ".join(f"`{name}: {_shown(value)}`" for name, value in settings.items())
    return _("{person} changed settings: {settings}").format(person=f"<@{person_id}>", settings=chosen)


def _shown(value: object) -> object:
    return value.name if isinstance(value, discord.abc.GuildChannel | discord.Role) else value


def may_write(channel_id: int | str) -> str:
    return _("May write in {channel}").format(channel=f"<#{channel_id}>")


def may_play(channel_id: str, lacking: Sequence[str]) -> str:
    if not lacking:
        return _("Games in {channel}").format(channel=f"<#{channel_id}>")
    return _("Games in {channel}: I lack {permissions} there").format(
        channel=f"<#{channel_id}>", permissions=", ".join(map(_, lacking))
    )


def players(role_id: str, there: bool) -> str:
    if there:
        return _("Only people with the role {role} start games").format(role=f"<@&{role_id}>")
    return _("The role that people need to start games was deleted: `/setup players:` chooses another")


def no_play_message(channel_id: str) -> str:
    return _("The message with the Play button in {channel}: I may not write there").format(
        channel=f"<#{channel_id}>"
    )


def images_refused(spec: str, reason: str) -> str:
    return _("I can't play with `{images}` here: {reason}. Nothing was changed.").format(
        images=spec[:100], reason=_(reason)
    )


def report(
    lines: Sequence[tuple[bool, str]],
    row: GuildSettings,
    channels: Sequence[str],
    *,
    cooldown: float,
    idle_hours: int,
    locale: str,
) -> str:
    """The answer to `/setup`. `channels`: ids of those chosen for games; the rest: the operator's settings, and the
    locale of the server in Discord."""
    rows = [f"{'✅' if good else '❌'} {_(text)}" for good, text in lines]
    rows.append(
        _("📣 Reports of learning: {channel}").format(channel=f"<#{row.moderators_channel_id}>")
        if row.moderators_channel_id
        else _("📣 Reports of learning: nowhere yet. `/setup reports:` chooses a channel.")
    )
    rows.append(
        _("📜 Who did what: {channel}").format(channel=f"<#{row.audit_channel_id}>")
        if row.audit_channel_id
        else _("📜 Who did what: written nowhere. `/setup audit:` chooses a channel.")
    )
    rows.append(
        _("🎲 Games are played in {channels} only.").format(
            channels=", ".join(f"<#{each}>" for each in channels)
        )
        if channels
        else _(
            "🎲 Games are played in every channel. `/setup play_in:` chooses one and puts a Play button there."
        )
    )
    rows.append(
        _("♟️ Games: {games}").format(
            games=", ".join(_(GAMES[name].words.title) for name in row.games if name in GAMES)
        )
        if row.games
        else _("♟️ Games: all of mine.")
    )
    rows.append(
        _("🧩 Figures: {images}").format(images=", ".join(f"`{each}`" for each in listed(row.images)))
        if row.images
        else _("🧩 Figures: the default ones. `/setup images:` chooses others for this server.")
    )
    if row.player_role_id is None:
        rows.append(_("🙋 Everybody may start games. `/setup players:` asks for a role."))
    pause = cooldown if row.cooldown is None else row.cooldown
    rows.append(
        _("⏱️ Pause between one player's games: {seconds} s").format(seconds=f"{pause:g}")
        + _default(row.cooldown)
    )
    if row.most_games is not None:
        rows.append(_("🚦 Games at the same time: {number} at most").format(number=number(row.most_games)))
    hours = idle_hours if row.idle_hours is None else row.idle_hours
    rows.append(
        (
            _("💤 A silent game ends after {time} without a word").format(time=_hours(hours))
            if hours
            else _("💤 A silent game ends never")
        )
        + _default(row.idle_hours)
    )
    rows.append(_("👥 Team games: allowed.") if row.team_games else _("👥 Team games: switched off."))
    rows.append(
        _("🤔 Where I'm unsure what somebody means, I ask.")
        if row.unsure
        else _("🤔 Where I'm unsure what somebody means, I guess. `/setup unsure:` lets me ask.")
    )
    rows.append(
        _("🧵 Finished threads are archived and locked.")
        if row.lock_threads
        else _("🧵 Finished threads are archived.")
    )
    rows.append(_("🌐 Language of reports and Play messages: {language}").format(language=LANGUAGES[locale]))
    return "\n".join(rows)


def _default(chosen: float | None) -> str:
    return " " + _("(default)") if chosen is None else ""


def _hours(hours: int) -> str:
    days, rest = divmod(hours, 24)
    if days and not rest:
        return ngettext("{days} day", "{days} days", days).format(days=days)
    return ngettext("{hours} hour", "{hours} hours", hours).format(hours=number(hours))
