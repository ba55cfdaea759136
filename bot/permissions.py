"""What the bot needs to be allowed in a channel, and what of it is missing."""

import discord

NEEDED = discord.Permissions(309237763072)
"""View, send, embed, attach, read history, public threads, send in threads: the invitation's."""

NAMES = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
    "create_public_threads": "Create Public Threads",
    "send_messages_in_threads": "Send Messages in Threads",
}


def missing(granted: discord.Permissions) -> list[str]:
    """Permissions the bot needs and lacks, as Discord's settings name them."""
    if granted.administrator:
        return []
    return [
        label
        for name, label in NAMES.items()
        if getattr(NEEDED, name, False) and not getattr(granted, name, False)
    ]
