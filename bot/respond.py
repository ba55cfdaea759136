"""Answers to interactions, visible only to the person who asked, and replies to messages."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.errors import OUTSIDE, came_too_late, cause_of, is_expected, sentence
from bot.language import speak
from games.language import _
from learner.protocol import PolicyError

ACKNOWLEDGED = "acknowledged"
"""In an interaction's extras: Discord has been told that an answer comes, though discord.py may not know."""
ALREADY_ACKNOWLEDGED = 40060
NO_PINGS = discord.AllowedMentions.none()
"""For everything that is sent: a bot of somebody else's may allow more by default."""
KEEP_SECONDS = 1.5
"""Discord waits 3 s for an acknowledgement."""

log = structlog.get_logger(__name__)


async def acknowledge(interaction: discord.Interaction[Any], *, thinking: bool = False) -> None:
    """Acknowledge an interaction. Call it before anything slow: Discord waits three seconds.

    Raises discord.NotFound if it is too old to be answered; the caller must then do nothing.
    """
    if interaction.response.is_done() or interaction.extras.get(ACKNOWLEDGED):
        return
    try:
        await interaction.response.defer(ephemeral=True, thinking=thinking)
    except discord.HTTPException as error:
        if error.code != ALREADY_ACKNOWLEDGED:  # the first attempt arrived, its answer did not
            raise
    interaction.extras[ACKNOWLEDGED] = True


async def kept_first(interaction: discord.Interaction[Any], keep: Coroutine[Any, Any, bool]) -> bool:
    """Keep what was sent in, then acknowledge it: what is kept is not lost with the answer. Gives what `keep` gives.

    Where keeping takes long it is acknowledged meanwhile. Raises what `keep` raises, and nothing for an
    acknowledgement that fails.
    """
    keeping = asyncio.ensure_future(keep)
    try:
        await asyncio.wait({keeping}, timeout=KEEP_SECONDS)
        if keeping.done():
            keeping.result()
        try:
            await acknowledge(interaction)
        except OUTSIDE as error:
            log.warning("a form is not acknowledged", interaction=interaction.id, error=str(error))
        return await asyncio.shield(keeping)
    except asyncio.CancelledError:
        await asyncio.wait({keeping})
        raise


async def answer(
    interaction: discord.Interaction[Any],
    text: str,
    *,
    view: discord.ui.View = discord.utils.MISSING,
    file: discord.File = discord.utils.MISSING,
) -> None:
    """Answer the person who asked. A marked text is translated."""
    text = _(text)
    about: dict[str, Any] = {"ephemeral": True, "view": view, "file": file, "allowed_mentions": NO_PINGS}
    if interaction.response.is_done() or interaction.extras.get(ACKNOWLEDGED):
        await interaction.followup.send(text, **about)
        return
    try:
        await interaction.response.send_message(text, **about)
    except discord.HTTPException as error:
        if error.code != ALREADY_ACKNOWLEDGED:
            raise


async def reply(
    message: discord.Message, text: str, *, view: discord.ui.View = discord.utils.MISSING
) -> bool:
    """Reply to a message; a repeated call sends no second reply. False if it cannot be sent.

    A marked text is translated.
    """
    with suppress(*OUTSIDE):
        await message.reply(_(text), nonce=f"a-{message.id}", view=view, allowed_mentions=NO_PINGS)
        return True
    return False


async def answer_error(
    interaction: discord.Interaction[Any], error: Exception, said: str | None = None, **about: object
) -> None:
    """Answer an error with a sentence and write it to the log. Never raises.

    `said`: what the person wrote, quoted in the answer because it would be lost otherwise.
    """
    speak(interaction.locale)
    cause = cause_of(error)
    about = {"interaction": interaction.id, "user": interaction.user.id, **about}
    if came_too_late(cause):
        log.warning("interaction too old to answer", **about)
        return
    if isinstance(cause, discord.HTTPException) and cause.code == ALREADY_ACKNOWLEDGED:
        return  # the answer, a form for example, arrived; what Discord said of it did not
    if isinstance(cause, SQLAlchemyError):
        log.error("database not available", error=str(cause.__cause__ or cause), **about)
    elif isinstance(cause, PolicyError):
        log.warning("policy not available", error=str(cause), **about)
    elif isinstance(cause, OUTSIDE):
        log.warning("Discord refuses", error=str(cause), **about)
    elif not is_expected(cause):
        log.error("interaction failed", exc_info=cause, **about)
    text = sentence(cause)
    if said is not None and not is_expected(cause):
        text = _(texts.NOT_KEPT_FORM) + said
    try:
        await answer(interaction, text)
    except OUTSIDE as second:
        log.warning("answer not sent", error=str(second), **about)
