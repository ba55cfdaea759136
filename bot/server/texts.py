"""The texts of `/setup`."""

from collections.abc import Sequence

from games import GAMES
from store.models import GuildSettings

MESSAGES = "Plain messages in a game's thread (otherwise people press Describe)"
POLICY = "The model that plays is running"
TRAINING = "Discord's permission to learn from games is recorded (`RESPECT_ROUNDS__DISCORD_PERMISSION`)"
PIN = "Pin Messages, so that the message with the Play button stays on top"
LOCK = "Manage Threads, so that finished threads are locked"

CLASSIC_IMAGES, DEFAULT_IMAGES = "classic", "default"
"""The choices of `/setup images:`. `DEFAULT_IMAGES` restores the set that the operator chose."""
ALL_GAMES = "all"
IMAGES_TO_CHOOSE = (
    "a server can choose `classic`, some of it (`classic:40`, say) or `default`; "
    "any other set is for whoever runs me to choose (`RESPECT_PLAY__IMAGES`)"
)
RESET = {
    "reports": ("moderators_channel_id", "the channel for reports"),
    "images": ("images", "figures"),
    "games": ("games", "games"),
    "cooldown": ("cooldown", "pause between games"),
    "idle": ("idle_hours", "end of silent games"),
}
"""Choice of `/setup reset:` -> (column of `GuildSettings`, what it is)."""


def may_write(channel_id: int | str) -> str:
    return f"May write in <#{channel_id}>"


def may_play(channel_id: str, lacking: Sequence[str]) -> str:
    return f"Games in <#{channel_id}>" + (f": I lack {', '.join(lacking)} there" if lacking else "")


def no_play_message(channel_id: str) -> str:
    return f"The message with the Play button in <#{channel_id}>: I may not write there"


def images_refused(spec: str, reason: str) -> str:
    return f"I can't play with `{spec[:100]}` here: {reason}. Nothing was changed."


def report(
    lines: Sequence[tuple[bool, str]],
    row: GuildSettings,
    channels: Sequence[str],
    *,
    cooldown: float,
    idle_hours: int,
) -> str:
    """The answer to `/setup`. `channels`: ids of those chosen for games; the rest: the operator's settings."""
    rows = [f"{'✅' if good else '❌'} {text}" for good, text in lines]
    rows.append(
        f"📣 Reports of learning: <#{row.moderators_channel_id}>"
        if row.moderators_channel_id
        else "📣 Reports of learning: nowhere yet. `/setup reports:` chooses a channel."
    )
    rows.append(
        "🎲 Games are played in " + ", ".join(f"<#{each}>" for each in channels) + " only."
        if channels
        else "🎲 Games are played in every channel. `/setup play_in:` chooses one and puts a Play button there."
    )
    rows.append(
        "♟️ Games: " + ", ".join(GAMES[name].words.title for name in row.games or () if name in GAMES)
        if row.games
        else "♟️ Games: all of mine."
    )
    rows.append(
        f"🧩 Figures: `{row.images}`"
        if row.images
        else "🧩 Figures: the default ones. `/setup images:` chooses others for this server."
    )
    pause = cooldown if row.cooldown is None else row.cooldown
    rows.append(f"⏱️ Pause between one player's games: {pause:g} s{_default(row.cooldown)}")
    hours = idle_hours if row.idle_hours is None else row.idle_hours
    silent = f"after {_hours(hours)} without a word" if hours else "never"
    rows.append(f"💤 A silent game ends {silent}{_default(row.idle_hours)}")
    rows.append(f"👥 Team games: {'allowed' if row.team_games else 'switched off'}.")
    rows.append(f"🧵 Finished threads are archived{' and locked' if row.lock_threads else ''}.")
    return "\n".join(rows)


def _default(chosen: float | None) -> str:
    return " (default)" if chosen is None else ""


def _hours(hours: int) -> str:
    days, rest = divmod(hours, 24)
    if days and not rest:
        return f"{days} day{'' if days == 1 else 's'}"
    return f"{hours} hour{'' if hours == 1 else 's'}"
