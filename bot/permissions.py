"""The permissions that the bot needs in a channel, and the check for moderators."""

import discord
from discord import app_commands

from bot.services import BotInteraction
from games.language import N_

NEEDED = discord.Permissions(309237763072)
"""View, send, embed, attach, read history, public threads, send in threads: as in the invitation."""

NAMES = {
    "view_channel": N_("View Channel"),
    "send_messages": N_("Send Messages"),
    "embed_links": N_("Embed Links"),
    "attach_files": N_("Attach Files"),
    "read_message_history": N_("Read Message History"),
    "create_public_threads": N_("Create Public Threads"),
    "send_messages_in_threads": N_("Send Messages in Threads"),
}


def missing(granted: discord.Permissions) -> list[str]:
    """The missing permissions, named as in Discord's settings, in English."""
    if granted.administrator:
        return []
    return [
        label
        for name, label in NAMES.items()
        if getattr(NEEDED, name, False) and not getattr(granted, name, False)
    ]


def check_moderator(interaction: BotInteraction) -> None:
    """Raises NoPrivateMessage outside a server, MissingPermissions without the Manage Server permission."""
    if interaction.guild is None:
        raise app_commands.NoPrivateMessage
    if not interaction.permissions.manage_guild:
        raise app_commands.MissingPermissions(["manage_guild"])
