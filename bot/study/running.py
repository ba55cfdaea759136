"""The study that the bot runs: whose games are in it, and which arm they are assigned to.

Whatever players see must be the same in every arm. The arm is only in the store.
"""

import asyncio
from dataclasses import dataclass

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.errors import StartupError
from bot.services import Policy, Wish
from bot.settings import BotSettings
from learner.protocol import PolicyError, PolicyStatus
from learner.registry import AdapterRegistry
from research.study.adapters import arm_problems
from research.study.file import CURRENT, Arm, Drawn, StudyError, StudyFile, read_study
from store.database import Database
from store.games import games_played
from store.models import ConsentKind, Origin
from store.players import consents
from store.studies import answered_items, assignments_of, finished_by_arm, keep_file, passed_questions
from store.study_tables import Assignment, KeptStudy

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Entry:
    """A new game's place in a study."""

    file: StudyFile
    arm: Arm
    adapter: str
    """The arm's adapter; for "current" the one that is current now."""
    drawn: Drawn

    @property
    def images(self) -> str:
        """The image set of the game."""
        return self.file.study.images

    def row(self, game_id: str) -> Assignment:
        """The record of the assignment."""
        return Assignment(
            game_id=game_id,
            study=self.file.study.name,
            study_hash=self.file.hash,
            arm=self.arm.name,
            adapter=self.adapter,
            probability=self.drawn.probability,
            seed=self.drawn.seed,
            eligible_arms=list(self.drawn.eligible),
        )


class RunningStudy:
    """The study of the setting RESPECT_PLAY__STUDY, or none. Raises `StartupError` for a file that is wrong."""

    def __init__(self, settings: BotSettings, database: Database, policy: Policy) -> None:
        self._settings = settings
        self._database = database
        self._policy = policy
        self._registry = AdapterRegistry.of(settings)
        try:
            self.file = read_study(settings.play.study) if settings.play.study is not None else None
        except StudyError as error:
            raise StartupError(f"RESPECT_PLAY__STUDY: {error}") from error

    @property
    def name(self) -> str | None:
        """The study's name; None if no study runs."""
        return self.file.study.name if self.file is not None else None

    async def check(self) -> None:
        """Raises `StartupError` if an arm's adapter cannot be used."""
        if self.file is None:
            return
        try:
            base_model = (await self._policy.status()).base_model
        except PolicyError:  # the bot starts without the policy too
            base_model = None
        if problems := await self._unusable(base_model):
            said = "; ".join(f"arm {arm!r}: {why}" for arm, why in problems.items())
            raise StartupError(f"RESPECT_PLAY__STUDY: {said}. Correct {self._settings.play.study}.")
        kept = KeptStudy(hash=self.file.hash, study=self.file.study.name, text=self.file.text)
        await self._database.write_in_thread(lambda session: keep_file(session, kept))
        log.info("study", study=self.name, hash=self.file.hash)

    async def _unusable(self, base_model: str | None) -> dict[str, str]:
        assert self.file is not None
        study = self.file.study

        def look() -> dict[str, str]:
            with self._database.session() as session:
                return arm_problems(study, self._registry, session, base_model)

        return await asyncio.to_thread(look)

    async def enter(
        self,
        guild_id: int,
        player_id: int,
        user_id: int,
        wish: Wish,
        status: PolicyStatus,
        images: str | None = None,
    ) -> Entry | None:
        """Assign a new game to an arm; None if it is not in the study, so that it is played as usual.

        `images`: the image set, if the player chose another than the usual one.
        """
        if self.file is None:
            return None
        study, who = self.file.study, self.file.study.eligibility
        if wish.team or wish.difficulty is not None or wish.game != study.game:
            return None
        if images not in (None, study.images):
            return None
        if who.servers and str(guild_id) not in who.servers:
            return None
        async with self._database.async_session() as session:
            before = [row for row, _ in await assignments_of(session, player_id, study.name)]
            if not await self._may_enter(session, player_id, len(before)):
                return None
        unusable = await self._unusable(status.base_model)
        for arm, why in unusable.items():
            log.warning("arm left out", study=study.name, arm=arm, why=why)
        usable = [arm for arm in study.arms if arm.name not in unusable]
        found = self._draw(user_id, before, usable)
        if found is None:
            return None
        arm, drawn = found
        adapter = status.current if arm.adapter == CURRENT else arm.adapter
        return Entry(self.file, arm, adapter, drawn)

    async def _may_enter(self, session: AsyncSession, player_id: int, in_study: int) -> bool:
        """Whether a player's next game is in the study, which the player has so many games in."""
        assert self.file is not None
        study, who = self.file.study, self.file.study.eligibility
        limit = study.limits.games_per_player
        if limit is not None and in_study >= limit:
            return False
        if not in_study:
            played = await games_played(session, player_id)
            most = played if who.most_games_before is None else who.most_games_before
            if not who.least_games_before <= played <= most:
                return False
        if who.research_consent and self._settings.origin is Origin.DISCORD:
            agreed = await consents(session, player_id)
            if not agreed[ConsentKind.RESEARCH]:
                return False
        return not await self._stopped(session)

    def _draw(self, user_id: int, before: list[Assignment], usable: list[Arm]) -> tuple[Arm, Drawn] | None:
        """The arm of the next game, with its draw; None if it cannot be played with.

        A player who was assigned stays in the arm, and the draw of the game before is recorded again.
        """
        assert self.file is not None
        study = self.file.study
        unit = f"{self._settings.origin.value}:{user_id}"
        if study.unit == "player" and before:
            last = before[-1]
            kept = next((arm for arm in usable if arm.name == last.arm), None)
            drawn = Drawn(last.arm, last.probability, last.seed, tuple(last.eligible_arms))
            if kept is not None:
                return kept, drawn
            if last.arm in {arm.name for arm in study.arms}:  # it may be used again later
                return None
        if study.unit == "game":
            unit = f"{unit}:{len(before)}"
        if not usable:
            return None
        drawn = study.draw(unit, usable)
        return next(arm for arm in usable if arm.name == drawn.arm), drawn

    async def _stopped(self, session: AsyncSession) -> bool:
        """Whether every arm has as many finished games as the study's stop rule asks for."""
        assert self.file is not None
        study, finished = self.file.study, await finished_by_arm(session, self.file.study.name)
        return all(finished.get(arm.name, 0) >= study.games_per_arm for arm in study.arms)

    async def missing_questions(self, session: AsyncSession, player_id: int) -> list[str]:
        """Questions of the quiz that a player has not answered right yet."""
        assert self.file is not None
        passed = await passed_questions(session, player_id, self.file.study.name)
        return [question.name for question in self.file.study.quiz if question.name not in passed]

    async def survey_page(self, player_id: int) -> int | None:
        """The page of the survey, from 0, that a player should answer now; None if there is none.

        It is due after the player's last game in the study, and after any of them once the study has stopped.
        """
        if self.file is None or self.file.study.survey is None:
            return None
        study = self.file.study
        async with self._database.async_session() as session:
            played = await assignments_of(session, player_id, study.name)
            ended = bool(played) and all(game.ended_at is not None for _, game in played)
            if not ended:
                return None
            if len(played) < (study.limits.games_per_player or 0) and not await self._stopped(session):
                return None
            answered = await answered_items(session, player_id, study.name)
        pages = self.file.study.survey.pages
        return next(
            (number for number, page in enumerate(pages) if any(item.name not in answered for item in page)),
            None,
        )
