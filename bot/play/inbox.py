"""Turns messages in a game's thread into queued utterances: new, edited and deleted messages."""

from collections.abc import Callable

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_incrementing

from bot import texts
from bot.language import speak
from bot.locks import KeyedLocks
from bot.play.buttons import give_up_buttons
from bot.play.missed import Missed, game_of, may_instruct
from bot.play.proxies import Proxies, Said, is_proxy
from bot.play.session import GameSessions
from bot.play.utterances import Content, GiveUp, TypedCommand, Unplayable, Utterance, addresses, read
from bot.respond import reply
from games.core import Outcome
from games.words import plain, storable
from store.database import Database
from store.game_events import note, said_after_end
from store.games import (
    drop_instruction,
    edit_instruction,
    explain_end,
    game_in_thread,
    open_games,
    queue_instruction,
    record_heard,
    turn_of_message,
    turns_of,
    waiting_instruction,
)
from store.models import EndReason, Game, GameEventKind
from store.players import team_player_id

log = structlog.get_logger(__name__)

TRIES = 3
"""Attempts to save an utterance before its player is asked to send it again."""
PLAYABLE = (discord.MessageType.default, discord.MessageType.reply)


class Inbox:
    """Reads threads in order and without gaps: messages that were missed are read first."""

    def __init__(
        self,
        client: discord.Client,
        database: Database,
        games: GameSessions,
        plain_messages: bool,
        command_mention: Callable[[str], str | None],
    ) -> None:
        """`command_mention`: the command that a text begins with, as a name to press."""
        self._client = client
        self._database = database
        self._games = games
        self._plain_messages = plain_messages
        self._command_mention = command_mention
        self._locks = KeyedLocks()
        self._proxies = Proxies()
        self.missed = Missed(client, database, games, self._locks, self._take)
        self._given_back: set[int] = set()
        """Messages whose players were asked to send them again: they are not played when they are read again."""

    async def message(self, message: discord.Message) -> bool:
        """A message was written in any channel; most do not belong to a game. True if its author plays there."""
        if not self._may_be_a_game(message.channel) or (message.author.bot and not is_proxy(message)):
            return False
        async with self._locks(message.channel.id):
            try:
                return await (self._read_proxy(message) if is_proxy(message) else self._read(message))
            except SQLAlchemyError as error:
                log.error("message not read", message=message.id, error=str(error.__cause__ or error))
                await reply(message, texts.NOT_KEPT)
                return True

    async def _read(self, message: discord.Message) -> bool:
        found = await game_of(self._database, message.channel.id)
        if found is None or not may_instruct(*found, message.author):
            return False
        speak(found[1].locale)
        if found[0].outcome is not Outcome.OPEN:
            return await self._after_the_end(found[0], message)
        thread_id = message.channel.id
        if thread_id not in self.missed.up_to_date and await self.missed.read(thread_id, again=True):
            return True
        if not self.missed.is_tried_again(thread_id):  # else it is read with what was missed before it
            await self._take(message)
        return True

    async def _read_proxy(self, message: discord.Message) -> bool:
        """A webhook posted a message. If it has the words of a player's message that was just deleted, it stands for
        it."""
        said = Said(message.channel.id, str(message.id), storable(message.content))
        deleted = self._proxies.posted(said) if said.text and self._plain_messages else None
        found = await game_of(self._database, message.channel.id) if deleted is not None else None
        if found is None:
            return False
        async with self._database.async_writing() as session:
            who = deleted.player_id if deleted is not None else None
            await queue_instruction(session, found[0].id, said.text, said.message_id, player_id=who)
        self._games.wake(found[0].id)
        return True

    async def _after_the_end(self, game: Game, message: discord.Message) -> bool:
        """Say once in a thread that its game is over. Chat, and what mentions the bot, is not answered here."""
        if message.type not in PLAYABLE or addresses(message, self._client.user):
            return False
        content = self._content(message)
        if words := plain(content):
            await self._keep_after_end(game, message, words)
        if game.end_explained:
            return False
        if read(content, _extras(message)) is None and (content or self._plain_messages):
            return False
        async with self._database.async_writing() as session:
            first = await explain_end(session, game.id)
        if first:
            idle = game.end_reason is EndReason.IDLE
            await reply(message, texts.GAME_ENDED_IDLE if idle else texts.GAME_WAS_OVER)
        return first

    async def _keep_after_end(self, game: Game, message: discord.Message, words: str) -> None:
        """Keep what was said after the end, if it is shared with researchers. Nobody is told if that fails."""
        try:
            async with self._database.async_session() as session:
                said = await said_after_end(session, game, str(message.author.id), words, message.created_at)
            if said is not None:
                async with self._database.async_writing() as session:
                    session.add(said)
        except SQLAlchemyError as error:
            log.warning("words after the end not kept", game=game.id, error=str(error.__cause__ or error))

    async def edited(self, message: discord.Message) -> None:
        """A message was edited. A waiting utterance is changed too, a played one is not."""
        changed = message.edited_at is not None and (self._plain_messages or self._content(message))
        if message.author.bot or not changed or not self._may_be_a_game(message.channel):
            return
        async with self._locks(message.channel.id):
            found = await game_of(self._database, message.channel.id)
            if found is None or not may_instruct(*found, message.author):
                return
            speak(found[1].locale)
            try:
                answer = await self._follow_edit(found[0], message)
            except SQLAlchemyError as error:
                log.error("edit not kept", game=found[0].id, error=str(error.__cause__ or error))
                answer = Unplayable(texts.NOT_KEPT)
            await self._answer(found[0], message, answer)
            self._games.wake(found[0].id)

    async def _follow_edit(self, game: Game, message: discord.Message) -> Content:
        content, message_id = read(message.content, _extras(message)), str(message.id)
        async with self._database.async_writing() as session:
            turn = await turn_of_message(session, game.id, message_id)
            if turn is not None:
                words = plain(message.content)  # pinning, for example, changes none
                said = f"{turn.retracted or ''}\n{turn.utterance}"
                if words in said if turn.earlier_message_ids else words == turn.utterance:
                    return None
                note(session, game.id, GameEventKind.EDITED, turn.number, message.edited_at)
                return Unplayable(texts.EDITED_TOO_LATE) if game.outcome is Outcome.OPEN else None
            if isinstance(content, Utterance):
                if await edit_instruction(session, message_id, content.text):
                    note(session, game.id, GameEventKind.EDITED, at=message.edited_at)
                    return None
                turns = await turns_of(session, game.id)
                if any(turn.chosen and turn.answered_at >= message.created_at for turn in turns):
                    return Unplayable(texts.EDITED_TOO_LATE)  # it was the answer to a question
                later = any(int(turn.message_id) > message.id for turn in turns if turn.message_id)
                if game.outcome is Outcome.OPEN and not later:  # for example, it was too long before
                    who = await _team_player(session, game, message.author)
                    await queue_instruction(session, game.id, content.text, message_id, player_id=who)
                return None
            if not await drop_instruction(session, message_id):
                return None
            note(session, game.id, GameEventKind.WITHDRAWN, at=message.edited_at)
            return content

    async def _answer(self, game: Game, message: discord.Message, content: Content) -> None:
        """Answer a message that is not played."""
        match content:
            case Unplayable(answer=sentence):
                await reply(message, sentence)
            case TypedCommand(typed=typed):
                await reply(message, texts.typed_command(self._command_mention(typed)))
            case GiveUp():
                await reply(message, texts.GIVE_UP_SURE, view=give_up_buttons(game.id, message.author.id))

    async def deleted(self, channel_id: int, message_ids: set[int]) -> None:
        """Messages were deleted: their waiting utterances are removed from the queue."""
        channel = self._client.get_channel(channel_id)
        if channel is not None and not self._may_be_a_game(channel):
            return
        games = set[str]()
        async with self._locks(channel_id), self._database.async_writing() as session:
            for message_id in message_ids:
                waiting = await waiting_instruction(session, str(message_id))
                if waiting is None:
                    await _note_withdrawn(session, channel_id, str(message_id))
                    continue
                games.add(waiting.game_id)
                posted = self._proxies.deleted(
                    Said(channel_id, str(message_id), waiting.text, waiting.player_id)
                )
                if posted is not None:
                    await edit_instruction(session, str(message_id), posted.text)
                    waiting.message_id = posted.message_id
                    session.add(waiting)
                    continue
                await drop_instruction(session, str(message_id))
                note(session, waiting.game_id, GameEventKind.WITHDRAWN)
        for game_id in games:  # what was said before it may have waited for the answer to a question about it
            self._games.wake(game_id)

    async def thread_gone(self, thread_id: int) -> None:
        """A thread was deleted: its game ends."""
        async with self._locks(thread_id):
            self.missed.up_to_date.discard(thread_id)
            async with self._database.async_session() as session:
                game = await game_in_thread(session, str(thread_id))
            if game is not None and game.outcome is Outcome.OPEN:
                await self._games.abandon(game.id)

    async def channel_gone(self, channel_id: int) -> None:
        """A channel was deleted with all its threads: their games end."""
        async with self._database.async_session() as session:
            games = [game for game in await open_games(session) if game.channel_id == str(channel_id)]
        for game in games:
            await self.thread_gone(int(game.thread_id or 0))

    # --- reading ------------------------------------------------------------------------------------------

    def _may_be_a_game(self, channel: object) -> bool:
        match channel:
            case discord.Thread():
                return self._client.user is not None and channel.owner_id == self._client.user.id
            case discord.PartialMessageable():
                return channel.guild_id is not None  # perhaps a thread that is not in the cache
            case _:
                return False

    def _content(self, message: discord.Message) -> str:
        """What the bot reads of a message. Without plain messages it reads those that mention it or reply to it,
        whatever Discord gives it."""
        me = self._client.user
        if self._plain_messages or me is None or any(user.id == me.id for user in message.mentions):
            return message.content
        replied = message.reference.resolved if message.reference is not None else None
        is_reply = isinstance(replied, discord.Message) and replied.author.id == me.id
        return message.content if is_reply else ""

    async def _take(self, message: discord.Message) -> None:
        """Handle one message of a game's player. Messages are handled in order."""
        found = await game_of(self._database, message.channel.id)
        if found is None or message.type not in PLAYABLE or message.id in self._given_back:
            return
        game, _ = found
        if game.outcome is not Outcome.OPEN or message.id <= int(game.heard_message_id or 0):
            return
        words = self._content(message)
        content = read(words, _extras(message))
        if not words and not self._plain_messages:
            first = game.heard_message_id is None
            content = Unplayable(texts.NO_PLAIN_MESSAGES) if first else None
        try:
            await self._keep(game, message, content)
        except SQLAlchemyError as error:
            log.error("message not kept", message=message.id, error=str(error.__cause__ or error))
            if content is None or isinstance(content, Utterance):
                if await reply(message, texts.NOT_KEPT):  # else it is read again
                    self._given_back.add(message.id)
                return self.missed.up_to_date.discard(message.channel.id)
        await self._answer(game, message, content)
        if isinstance(content, Utterance):
            self._games.wake(game.id)

    @retry(
        retry=retry_if_exception_type(SQLAlchemyError),
        stop=stop_after_attempt(TRIES),
        wait=wait_incrementing(start=0, increment=0.2),
        before_sleep=lambda state: log.warning("message not kept yet", attempt=state.attempt_number),
        reraise=True,
    )
    async def _keep(self, game: Game, message: discord.Message, content: Content) -> None:
        """Record that a message was read and, if it is an utterance, queue it. Raises SQLAlchemyError."""
        async with self._database.async_writing() as session:
            if isinstance(content, Utterance):
                who = await _team_player(session, game, message.author)
                await queue_instruction(session, game.id, content.text, str(message.id), player_id=who)
            await record_heard(session, game.id, str(message.id))


async def _team_player(session: AsyncSession, game: Game, author: discord.abc.User) -> int | None:
    """Whose words a message has in a team's game; None for who began the game."""
    return await team_player_id(session, game, str(author.id), author.display_name) if game.team else None


async def _note_withdrawn(session: AsyncSession, thread_id: int, message_id: str) -> None:
    """Record that a message was deleted, if it had been played."""
    game = await game_in_thread(session, str(thread_id))
    turn = await turn_of_message(session, game.id, message_id) if game is not None else None
    if turn is not None:
        note(session, turn.game_id, GameEventKind.WITHDRAWN, turn.number)


def _extras(message: discord.Message) -> bool:
    return bool(message.attachments or message.stickers or message.poll or message.message_snapshots)
