"""The running games: plays utterances, shows boards, ends games. Their state is only in the database.

Each game has one worker. A step of it shows a board that has not been shown, or else plays the next utterance. The
worker reads the game from the database before each step, so a restart only has to start the workers.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress

import discord
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot import texts
from bot.errors import OUTSIDE, ThreadGone
from bot.language import speak
from bot.locks import KeyedLocks
from bot.play.burst import Burst, first_burst, is_asked_about
from bot.play.display import BoardDisplay, Position
from bot.play.doubt import doubts
from bot.play.turn import chosen_turn, request_of, turn_of
from bot.play.worker import Worker
from bot.services import Policy
from games import GAMES
from games.core import IllegalAction, Outcome
from learner.protocol import BASE_ADAPTER, PolicyError, TurnTooLong
from store.database import Database
from store.games import (
    ask_about,
    choose_action,
    commit_turn,
    deal_of,
    drop_waiting,
    end_game,
    games_played,
    open_games,
    queue_instruction,
    record_closed,
    record_shown,
    record_unshown,
    turns_by_player,
    turns_of,
    waiting_instructions,
)
from store.guilds import may_ask_about
from store.models import EndReason, Game, Instruction, Player, Turn, now
from store.players import team_player_id
from store.rounds import in_quarantine
from web.metrics import Metrics

log = structlog.get_logger(__name__)

LONGEST_WAIT = 30.0
"""Seconds between attempts while a service that the game needs is not available."""
CLOSING_SECONDS = 3.0


class GameSessions:
    """All running games. Everything needed to resume them is in the database."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        display: BoardDisplay,
        metrics: Metrics,
        burst_seconds: float,
        on_finished: Callable[[], object] = lambda: None,
    ) -> None:
        self._database = database
        self._policy = policy
        self._display = display
        self._metrics = metrics
        self._burst_seconds = burst_seconds
        self._on_finished = on_finished
        self._locks = KeyedLocks()
        self._workers: dict[str, Worker] = {}
        self._closing = False
        self._recorded: set[str] = set()
        """Games whose newest board is recorded in the database."""

    # --- actions of players -------------------------------------------------------------------------------

    def opened(self, game_id: str) -> None:
        """A new game is in the database: show its first board."""
        self._recorded.add(game_id)
        self._metrics.games_opened.inc()
        self.wake(game_id)

    async def say(
        self, game_id: str, text: str, message_id: str, source: str, user: discord.abc.User
    ) -> bool:
        """Queue an utterance that did not come as a message, once. False if the game is over."""
        async with self._locks(game_id), self._database.async_writing() as session:
            game = await session.get(Game, game_id)
            if game is None or game.outcome is not Outcome.OPEN:
                return False
            who = await team_player_id(session, game, str(user.id), user.display_name) if game.team else None
            await queue_instruction(session, game_id, text, message_id, source, who)
        self.wake(game_id)
        return True

    async def choose(self, game_id: str, message_id: str, key: str | None, *typed: Instruction) -> bool:
        """Record what was meant where a player was asked (`choose_action`). False if that question is over."""
        async with self._locks(game_id), self._database.async_writing() as session:
            await drop_waiting(session, typed)
            if not await choose_action(session, game_id, message_id, key):
                return False
        self.wake(game_id)
        return True

    async def give_up(self, game_id: str, reason: EndReason = EndReason.PLAYER) -> bool:
        """End a game. False if it was over already."""
        async with self._locks(game_id), self._database.async_writing() as session:
            game = await session.get(Game, game_id)
            if game is None or game.outcome is not Outcome.OPEN:
                return False
            await end_game(session, game, Outcome.GIVEN_UP, reason)
            if reason is EndReason.IDLE:  # its end is not shown, which would open the thread again
                game.result_shown = True
        log.info("game ended", game=game_id, outcome=Outcome.GIVEN_UP.value, reason=reason.value)
        self._finished(Outcome.GIVEN_UP)
        worker = self._workers.get(game_id)
        if worker is not None and worker.thinking is not None:
            worker.thinking.cancel()
        self.wake(game_id)
        return True

    async def abandon(self, game_id: str) -> None:
        """End a game whose thread no longer exists. Its end cannot be shown."""
        await self.give_up(game_id, EndReason.THREAD)
        async with self._database.async_writing() as session:
            turns = await turns_of(session, game_id)
            await record_shown(session, game_id, None, len(turns), result=True)
            await record_closed(session, game_id)

    async def show_again(self, game_id: str) -> None:
        """Show a game's newest board again where its message has been deleted."""
        self._recorded.discard(game_id)
        async with self._database.async_writing() as session:
            await record_unshown(session, game_id)
        self.wake(game_id)

    # --- the workers --------------------------------------------------------------------------------------

    def wake(self, game_id: str) -> None:
        """Wake a game's worker, because there may be something to show or to play."""
        if self._closing:
            return
        worker = self._workers.get(game_id)
        if worker is None:
            worker = self._workers[game_id] = Worker()
            worker.task = asyncio.create_task(self._work(game_id, worker), name=f"game-{game_id}")
        worker.pending = True
        worker.woken.set()

    async def close(self) -> None:
        """Stop every worker after its step. Turns without an answer are requested again after the next start."""
        self._closing = True
        tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
        for worker in self._workers.values():
            worker.woken.set()
            if worker.thinking is not None:
                worker.thinking.cancel()
        if tasks:
            _, slow = await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
            for task in slow:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def count_open(self) -> int:
        """Number of running games."""
        async with self._database.async_session() as session:
            return len(await open_games(session))

    async def _work(self, game_id: str, worker: Worker) -> None:
        failures = 0
        try:
            while worker.pending and not self._closing:
                worker.pending = False
                worker.woken.clear()
                try:
                    while not self._closing and await self._step(game_id, worker):
                        failures = 0
                        worker.notices.clear()
                except Exception as error:
                    if await self._retryable(game_id, worker, error):
                        failures += 1
                        with suppress(TimeoutError):
                            delay = min(LONGEST_WAIT, 0.5 * 2 ** min(failures, 10))
                            await asyncio.wait_for(worker.woken.wait(), delay * random.uniform(0.8, 1.0))
                        worker.pending = True
        finally:
            del self._workers[game_id]

    async def _retryable(self, game_id: str, worker: Worker, error: Exception) -> bool:
        """Handle an error. True if a retry may succeed."""
        match error:
            case ThreadGone():
                await self._abandon_quietly(game_id)
                return False
            case discord.Forbidden():
                self._recorded.discard(game_id)
                log.warning("not allowed in the game's thread", game=game_id, error=str(error))
                await self._tell(game_id, worker, texts.FORBIDDEN)
                return False
            case PolicyError():
                self._metrics.policy_failures.inc()
                log.warning("policy not available", game=game_id, error=str(error))
                await self._tell(game_id, worker, texts.POLICY_AWAY)
                return True
            case SQLAlchemyError():
                log.error("database not available", game=game_id, error=str(error.__cause__ or error))
                await self._tell(game_id, worker, texts.NOT_SAVED)
                return True
            case discord.HTTPException() if 400 <= error.status < 500 and error.status != 429:
                self._recorded.discard(game_id)
                log.error("Discord refuses a board", game=game_id, error=str(error))
                await self._tell(game_id, worker, texts.SOMETHING_BROKE)
                return False
            case error if isinstance(error, OUTSIDE):
                self._recorded.discard(game_id)
                log.warning("Discord not available", game=game_id, error=str(error))
                return True
            case _:
                log.exception("game stopped", game=game_id, exc_info=error)
                await self._tell(game_id, worker, texts.SOMETHING_BROKE)
                return False

    async def _abandon_quietly(self, game_id: str) -> None:
        try:
            await self.abandon(game_id)
        except SQLAlchemyError as error:
            log.error("database not available", game=game_id, error=str(error.__cause__ or error))

    async def _tell(self, game_id: str, worker: Worker, text: str) -> None:
        """Send a notice, at most once until the next successful step."""
        if text in worker.notices:
            return
        worker.notices.add(text)
        with suppress(SQLAlchemyError):
            async with self._database.async_session() as session:
                game = await session.get(Game, game_id)
            if game is not None and game.thread_id is not None:
                await self._display.say(game, text)

    async def _step(self, game_id: str, worker: Worker) -> bool:
        """Do the next step. False if there is nothing to do."""
        async with self._database.async_session() as session:
            game = await session.get(Game, game_id)
            if game is None or game.thread_id is None:
                return False
            player = await session.get(Player, game.player_id)
            if player is None:  # erased meanwhile
                return False
            speak(player.locale)
            turns = await turns_of(session, game_id)
            first_game = not turns and await games_played(session, game.player_id) == 1
            over = game.outcome is not Outcome.OPEN
            waiting = () if over else await waiting_instructions(session, game_id)
            credits = await turns_by_player(session, game) if over and game.team else {}
            may_ask = bool(waiting) and await may_ask_about(session, game)
            heard = not await session.run_sync(in_quarantine, game)  # pyright: ignore[reportArgumentType]
        if game.shown_turns != len(turns) or (over and not game.result_shown):
            external_id, unplayed = player.external_id, worker.unplayed
            await self._show(Position(game, external_id, turns, first_game, credits, unplayed))
            return True
        if not waiting or is_asked_about(waiting):
            return False
        async with self._display.typing(game):
            burst = await self._whole_burst(game_id, worker)
            turn = (
                await self._turn(game, turns, burst, worker, heard=heard, may_ask=may_ask) if burst else None
            )
        if burst is not None and turn is not None:
            await self._commit(game, burst, turn, worker)
        return True

    async def _whole_burst(self, game_id: str, worker: Worker) -> Burst | None:
        """The next utterance, once no more of it is to be expected; None if it was taken back meanwhile."""
        while not self._closing:
            worker.woken.clear()
            async with self._database.async_session() as session:
                waiting = await waiting_instructions(session, game_id)
            burst = first_burst(waiting, self._burst_seconds)
            left = burst.seconds_left(self._burst_seconds) if burst is not None else 0.0
            if left <= 0:
                return burst
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.woken.wait(), left)
        return None

    async def _show(self, position: Position) -> None:
        game, turns = position.game, position.turns
        look_first = game.id not in self._recorded
        self._recorded.discard(game.id)
        message_id = await self._display.show(position, look_first=look_first)
        over = game.outcome is not Outcome.OPEN
        async with self._database.async_writing() as session:
            at = discord.utils.snowflake_time(int(message_id))
            await record_shown(session, game.id, message_id, len(turns), result=over, at=at)
        if not over:
            self._recorded.add(game.id)
        await self._display.retire(game, message_id)
        if over:
            await self._policy.finished(game.id)
        if turns and game.shown_turns not in (None, len(turns)):
            self._metrics.answer_seconds.observe((now() - turns[-1].asked_at).total_seconds())

    async def _turn(
        self, game: Game, turns: Sequence[Turn], burst: Burst, worker: Worker, *, heard: bool, may_ask: bool
    ) -> Turn | None:
        """The policy's turn; None if there is none. Raises PolicyError if the policy is not available."""
        number = len(turns) + 1
        try:
            if (turn := chosen_turn(game, turns, burst)) is not None:
                return turn
            if (answered := burst.typed_answer) is not None:
                if await self.choose(game.id, *answered, *burst.instructions) and answered[1] is None:
                    await self._display.say(game, texts.meant(0))
                return None
            request = request_of(game, turns, burst, heard)
            if may_ask and burst.may_be_asked_about:
                found = await doubts(request, lambda sample: worker.ask(self._policy, sample))
                if found is None or (found and await self._asked(game, turns, burst, found)):
                    return None
            answer = await worker.ask(self._policy, request)
            return turn_of(game, turns, burst, answer) if answer is not None else None
        except TurnTooLong as error:
            log.warning("turn too long", game=game.id, turn=number, error=str(error))
            await self._drop(game, burst, texts.TOO_MANY_WORDS)
        except (PolicyError, IllegalAction) as error:
            if isinstance(error, PolicyError) and error.retry:
                raise
            log.error("policy refuses a turn", game=game.id, turn=number, error=str(error))
            await self._work_around(game, burst)
        return None

    async def _asked(self, game: Game, turns: Sequence[Turn], burst: Burst, found: list[str]) -> bool:
        """Ask which of these actions an utterance means. False if it was changed or something was said after it."""
        async with self._locks(game.id):  # an answer waits until the question is recorded
            async with self._database.async_session() as session:
                waiting = await waiting_instructions(session, game.id)
            if [(each.id, each.text) for each in waiting] != [(each.id, each.text) for each in burst.queued]:
                return False
            await self._display.question(game, turns, burst.last, found)
            async with self._database.async_writing() as session:
                await ask_about(session, burst.last, found)
        log.info("asked what was meant", game=game.id, turn=len(turns) + 1, choices=len(found))
        return True

    async def _commit(self, game: Game, burst: Burst, turn: Turn, worker: Worker) -> None:
        async with self._locks(game.id), self._database.async_writing() as session:
            fresh = await session.get(Game, game.id)
            if fresh is None or fresh.outcome is not Outcome.OPEN:
                return
            for played in burst.queued:
                still = await session.get(Instruction, played.id)
                if still is None or (still.text, still.chosen) != (played.text, played.chosen):
                    return  # deleted, edited or chosen while the policy computed, so the answer is not used
            outcome = GAMES[game.game].outcome(deal_of(fresh), turn.state_after, turn.number)
            await commit_turn(session, burst.queued, turn)
            if outcome is not Outcome.OPEN:
                worker.unplayed = await end_game(session, fresh, outcome)
        self._metrics.turns.inc()
        self._metrics.policy_seconds.observe(turn.seconds)
        log.info("turn", game=game.id, turn=turn.number, action=turn.action, seconds=round(turn.seconds, 3))
        if outcome is not Outcome.OPEN:
            log.info("game ended", game=game.id, outcome=outcome.value, turns=turn.number)
            self._finished(outcome)

    async def _work_around(self, game: Game, burst: Burst) -> None:
        """The policy refused the request for good: change the adapter, or else drop the utterance.

        Raises PolicyError if the policy service does not answer.
        """
        current = (await self._policy.status()).current
        if game.adapter != BASE_ADAPTER:
            adapter = current if current != game.adapter else BASE_ADAPTER
            log.warning("game moved to another adapter", game=game.id, before=game.adapter, after=adapter)
            async with self._database.async_writing() as session:
                fresh = await session.get(Game, game.id)
                if fresh is not None:
                    fresh.adapter = adapter
                    session.add(fresh)
            return
        await self._drop(game, burst, texts.NOT_UNDERSTOOD)

    async def _drop(self, game: Game, burst: Burst, reason: str) -> None:
        """Take an utterance off the queue unplayed, and say why."""
        async with self._database.async_writing() as session:
            await drop_waiting(session, burst.queued)
        await self._display.say(game, reason)

    def _finished(self, outcome: Outcome) -> None:
        self._metrics.games_finished.labels(outcome=outcome.value).inc()
        self._on_finished()
