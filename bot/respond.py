"""Answering: an interaction at once and only to the one who asked, a message by a reply to it."""

from contextlib import suppress
from typing import Any

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.errors import OUTSIDE, came_too_late, cause_of, is_expected, sentence

log = structlog.get_logger(__name__)


async def acknowledge(interaction: discord.Interaction[Any], *, thinking: bool = False) -> None:
    """Tell Discord that an answer comes. Nothing slow may be done before this.

    Raises discord.NotFound for an interaction that is too old to answer; then nothing must be done.
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
    """Say something to the one who asked."""
    if not interaction.response.is_done():
        await interaction.response.send_message(text, ephemeral=True, view=view, file=file)
    else:
        await interaction.followup.send(text, ephemeral=True, view=view, file=file)


async def reply(message: discord.Message, text: str) -> None:
    """Reply to a message, only once if called again. A reply that cannot be sent is dropped."""
    with suppress(*OUTSIDE):
        await message.reply(text, mention_author=False, nonce=f"a-{message.id}")


async def answer_error(
    interaction: discord.Interaction[Any], error: Exception, said: str | None = None, **about: object
) -> None:
    """A sentence for the person, a log line for the operator. Never raises.

    `said`: words that would be lost otherwise, given back to be sent again.
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
