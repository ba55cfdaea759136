"""A local Discord-compatible service for the unmodified discord.py client, and people to be in it."""

from pathlib import Path

from local_discord.client import redirect
from local_discord.faults import Fault
from local_discord.invoke import ActionRefused
from local_discord.model import Upload
from local_discord.people import People, Person
from local_discord.permissions import BOT_INVITE, Overwrite, Permission
from local_discord.server import LocalDiscord

PAGE = Path(__file__).parent / "page"
"""The browser page, for `LocalDiscord(page=...)`."""

__all__ = [
    "BOT_INVITE",
    "PAGE",
    "ActionRefused",
    "Fault",
    "LocalDiscord",
    "Overwrite",
    "People",
    "Permission",
    "Person",
    "Upload",
    "redirect",
]
