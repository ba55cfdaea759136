"""Answers to interactions, visible only to the person who asked, and replies to messages."""

from contextlib import suppress
from typing import Any

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.errors import OUTSIDE, came_too_late, cause_of, is_expected, sentence

log = structlog.get_logger(__name__)


async def acknowledge(interaction: discord.Interaction[Any], *, thinking: bool = False) -> None:
    """Acknowledge an interaction. Call it before anything slow: Discord waits three seconds.

    Raises discord.NotFound if it is too old to be answered; the caller must then do nothing.
    """
    if not interaction.response.is_done():
        await interaction.response.defer(ephemeral=True, thinking=thinking)


async def answer(
    interaction: discord.Interaction[Any],
    text: str,
    *,
    view: discord.ui.View = discord.utils.MISSING,
    file: discord.File = discord.utils.MISSING,
) -> None:
    """Answer the person who asked."""
    if not interaction.response.is_done():
        await interaction.response.send_message(text, ephemeral=True, view=view, file=file)
    else:
        await interaction.followup.send(text, ephemeral=True, view=view, file=file)


async def reply(message: discord.Message, text: str) -> None:
    """Reply to a message; a repeated call sends no second reply. A reply that cannot be sent is dropped."""
    with suppress(*OUTSIDE):
        await message.reply(text, mention_author=False, nonce=f"a-{message.id}")


async def answer_error(
    interaction: discord.Interaction[Any], error: Exception, said: str | None = None, **about: object
) -> None:
    """Answer an error with a sentence and write it to the log. Never raises.

    `said`: what the person wrote, quoted in the answer because it would be lost otherwise.
    """
    cause = cause_of(error)
    about = {"interaction": interaction.id, "user": interaction.user.id, **about}
    if came_too_late(cause):
        log.warning("interaction too old to answer", **about)
        return
    if isinstance(cause, SQLAlchemyError):
        log.error("database not available", error=str(cause.__cause__ or cause), **about)
    elif isinstance(cause, OUTSIDE):
        log.warning("Discord refuses", error=str(cause), **about)
    elif not is_expected(cause):
        log.error("interaction failed", exc_info=cause, **about)
    text = sentence(cause)
    if said is not None and not is_expected(cause):
        text = texts.NOT_KEPT_FORM + said
    try:
        await answer(interaction, text)
    except OUTSIDE as second:
        log.warning("answer not sent", error=str(second), **about)
