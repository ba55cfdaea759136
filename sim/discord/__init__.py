"""A local Discord-compatible service for the unmodified discord.py client, and people to be in it."""

from sim.discord.client import redirect
from sim.discord.faults import Fault
from sim.discord.invoke import ActionRefused
from sim.discord.model import Upload
from sim.discord.people import People, Person
from sim.discord.permissions import BOT_INVITE, Overwrite, Permission
from sim.discord.server import LocalDiscord

__all__ = [
    "BOT_INVITE",
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
