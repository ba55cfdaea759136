"""A local Discord-compatible service for testing an unmodified discord.py bot, by code or in a browser."""

from local_discord.client import redirect, running
from local_discord.faults import Fault
from local_discord.invoke import ActionRefused
from local_discord.model import Upload
from local_discord.people import People, Person
from local_discord.permissions import BOT_INVITE, Overwrite, Permission
from local_discord.server import PAGE, LocalDiscord

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
    "running",
]
