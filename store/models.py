"""The tables. A turn's row has everything that is needed to train on the turn or to audit it.

Times are UTC. States, actions and contexts are the plain strings of `games.core`.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

import store.study_tables  # noqa: F401 - the database has them too
from games.core import Difficulty, Outcome
from store.columns import choice_column, now, parent_column, time_column, words_column
from store.kinds import (
    AdapterStatus,
    ConsentKind,
    Correctness,
    EndReason,
    GameEventKind,
    Origin,
    RoundAction,
    RoundStatus,
    Satisfaction,
)
from store.version import code_version

IMPORTED_ROUND = -1
"""The round of imported games, which were not played with a policy of this deployment."""


class Player(SQLModel, table=True):
    """A player's account on one platform."""

    __table_args__ = (sa.UniqueConstraint("platform", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    platform: Origin = choice_column(Origin)
    external_id: str
    name: str = words_column()
    locale: str = "en"
    created_at: datetime = time_column(default_factory=now)


class Consent(SQLModel, table=True):
    """A player's answer to a choice. The latest answer of a kind counts; no answer means no."""

    id: int | None = Field(default=None, primary_key=True)
    player_id: int = parent_column("player.id")
    kind: ConsentKind = choice_column(ConsentKind)
    granted: bool
    source: str
    """How it was given, e.g. "/privacy"."""
    at: datetime = time_column(default_factory=now)


class Game(SQLModel, table=True):
    """One game. `targets` is used for the rules, the speaker's picture and evaluation, never for training.

    The indexes are those of the bot's questions: a player's newest game and game in progress, games that a round may
    use, games that ended since a time, games that are not shown yet, success by round and adapter; and the list of all
    games, the newest first, of the page for researchers.
    """

    __table_args__ = (
        sa.Index(None, "player_id", "started_at"),
        sa.Index(None, "outcome", "player_id"),
        sa.Index(None, "origin", "player_id"),
        sa.Index(None, "ended_at", "id"),
        sa.Index(None, "started_at", "id"),
        sa.Index(None, "round", "adapter", "outcome", "origin", "difficulty"),
        sa.Index(None, "thread_closed", "ended_at"),
    )

    id: str = Field(default_factory=lambda: uuid4().hex, primary_key=True)
    game: str
    images: str
    speaker: list[str] = Field(sa_type=sa.JSON)
    listener: list[str] = Field(sa_type=sa.JSON)
    targets: list[str] = Field(sa_type=sa.JSON)
    player_id: int = parent_column("player.id", index=False)
    """Who began it."""
    team: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Whether everybody in its thread may instruct (`TeamPlayer`)."""
    origin: Origin = choice_column(Origin)
    guild_id: str | None = None
    channel_id: str | None = None
    thread_id: str | None = Field(default=None, index=True)
    board_message_id: str | None = None
    shown_turns: int | None = None
    """Number of turns on the last board that was shown; None before the first board."""
    result_shown: bool = Field(default=False, index=True)
    """Whether the game's end has been shown."""
    end_explained: bool = False
    """Whether a message that came after the end has been answered."""
    heard_message_id: str | None = None
    """Id of the newest handled message of the thread; reading continues after it when the bot restarts."""
    adapter: str
    """The adapter that the game is pinned to; "base" is the base model."""
    base_model: str
    """Fingerprint of the base model."""
    images_hash: str | None = None
    """`games.figures.ImageSet.fingerprint` of its image set."""
    difficulty: Difficulty | None = choice_column(Difficulty, default=None, nullable=True)
    """What its player chose of the figures; None: any were dealt."""
    code_version: str | None = Field(default_factory=code_version)
    """Version of the program that dealt it (`store.version`); None for games older than this column."""
    round: int = 0
    """Rounds finished when it began: that of the policy which played it. `IMPORTED_ROUND` for imported games."""
    recorded_round: int | None = None
    """The same in the deployment that an imported game was played in, if its file says so. For reports only."""
    outcome: Outcome = choice_column(Outcome, default=Outcome.OPEN)
    end_reason: EndReason | None = choice_column(EndReason, default=None, nullable=True)
    """Why a game ended that was neither won nor lost."""
    thread_closed: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Whether the thread of a finished game has been archived, or needs no archiving."""
    started_at: datetime = time_column(default_factory=now)
    ended_at: datetime | None = time_column(default=None, nullable=True)


class TeamPlayer(SQLModel, table=True):
    """Somebody who instructed in a team's game and did not begin it.

    Such a game is trained on, or shared, only if all of its players agree, and is erased with any of them.
    """

    __tablename__ = "team_player"  # pyright: ignore[reportAssignmentType]

    game_id: str = Field(foreign_key="game.id", ondelete="CASCADE", primary_key=True)
    player_id: int = Field(foreign_key="player.id", ondelete="CASCADE", primary_key=True, index=True)


class Instruction(SQLModel, table=True):
    """A queued utterance. The row is deleted when its turn is committed."""

    id: int | None = Field(default=None, primary_key=True)
    game_id: str = parent_column("game.id")
    message_id: str | None = Field(default=None, unique=True)
    """The platform's id of the message or interaction; each is played in one turn at most."""
    source: str = "message"
    text: str = words_column()
    player_id: int | None = None
    """Who of a team said it (`TeamPlayer`); None: who began the game."""
    doubts: list[str] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))  # pyright: ignore[reportArgumentType]
    """The actions that its player was asked about, because the policy was unsure; none once it was none of them."""
    chosen: str | None = None
    """The one of them that was meant, once that is known."""
    received_at: datetime = time_column(default_factory=now)


class Turn(SQLModel, table=True):
    """One finished turn: what the listener saw and did, and the propensity of its action."""

    __table_args__ = (sa.UniqueConstraint("game_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    game_id: str = parent_column("game.id")
    number: int
    """From 1."""
    utterance: str = words_column()
    message_id: str | None = Field(default=None, unique=True)
    """The platform's id of the message or interaction that was played; of several messages, the last."""
    earlier_message_ids: list[str] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))  # pyright: ignore[reportArgumentType]
    """Ids of the other messages, oldest first, if several were played as one utterance."""
    source: str = "message"
    player_id: int | None = None
    """Who of a team said it (`TeamPlayer`); None: who began the game."""
    state_before: str
    retracted: str | None = words_column(default=None, nullable=True)
    """What was said first, asked about, and said anew. The policy never saw it; it is feedback on the turn before."""
    chosen: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Whether the player chose the action, by its picture. It is no sample of the policy and is not trained on."""
    action: str
    state_after: str
    logp: float | None = None
    """log π(a|x), in nats, of the executed action under the policy that sampled it; None if not known or `chosen`."""
    adapter: str
    base_model: str
    seconds: float
    """Seconds that the policy took."""
    temperature: float | None = None
    """Sampling temperature; None if the policy did not report it."""
    seed: int | None = None
    """Seed of the policy service: with the game's id and the turn's number it reproduces the sample."""
    asked_at: datetime = time_column(default_factory=now)
    answered_at: datetime = time_column(default_factory=now)


class GameEvent(SQLModel, table=True):
    """Something that happened in a game and is in no other table. Rows are only added."""

    __tablename__ = "game_event"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(default=None, primary_key=True)
    game_id: str = parent_column("game.id")
    kind: GameEventKind = choice_column(GameEventKind)
    turn: int | None = None
    """Number of the turn that it is about: the last one on a board, or the one that had the words. None: no turn."""
    text: str | None = words_column(default=None, nullable=True)
    """What was said after the end, if those who played share the game with researchers; None for other kinds."""
    player_id: int | None = None
    """Who of a team did it (`TeamPlayer`); None: who began the game, or the bot."""
    at: datetime = time_column(default_factory=now)


class Feedback(SQLModel, table=True):
    """A decoder's verdict on a turn, from the next utterance."""

    __table_args__ = (sa.UniqueConstraint("turn_id", "decoder", "version", "scheme"),)

    id: int | None = Field(default=None, primary_key=True)
    turn_id: int = parent_column("turn.id")
    decoder: str
    version: str
    scheme: str
    label: int
    """+1 positive, 0 neutral, -1 negative."""
    confidence: float
    p_positive: float | None = None
    """The decoder's probability that the action was right."""
    cue: str | None = None
    """The decoder's reason."""
    decoded_at: datetime = time_column(default_factory=now)


class HumanEval(SQLModel, table=True):
    """A person's judgement of a turn, for evaluation only. Each rater judges a turn once."""

    __tablename__ = "human_eval"  # pyright: ignore[reportAssignmentType]
    __table_args__ = (sa.UniqueConstraint("turn_id", "rater"),)

    id: int | None = Field(default=None, primary_key=True)
    turn_id: int = parent_column("turn.id", index=False)
    rater: str
    """Name or pseudonym, as the rater wrote it."""
    correctness: Correctness = choice_column(Correctness, length=32)
    feedback: Satisfaction | None = choice_column(Satisfaction, length=32, default=None, nullable=True)
    """None where nothing was said after the turn."""
    right_clicks: list[str] = Field(sa_type=sa.JSON)
    """Figure ids that should have been clicked."""
    at: datetime = time_column(default_factory=now)


class Adapter(SQLModel, table=True):
    """A trained adapter. Its weights and card are in the registry's folder of the same name."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    base_model: str
    parent: str | None = None
    """The adapter that training started from; None for the base model."""
    system: str
    status: AdapterStatus = choice_column(AdapterStatus, default=AdapterStatus.CANDIDATE)
    card: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    erased_turns: int = 0
    """Number of turns that it was trained on and that were erased since; it should be retrained."""
    created_at: datetime = time_column(default_factory=now)


class AdapterTurn(SQLModel, table=True):
    """Lineage: a turn that an adapter was trained on, with its reward and weight."""

    __tablename__ = "adapter_turn"  # pyright: ignore[reportAssignmentType]

    adapter_id: int = Field(foreign_key="adapter.id", ondelete="CASCADE", primary_key=True)
    turn_id: int = Field(foreign_key="turn.id", ondelete="CASCADE", primary_key=True, index=True)
    reward: float
    weight: float


class AdapterPlayer(SQLModel, table=True):
    """Lineage by player: the turns and games of a player that an adapter was trained on. Counts of `AdapterTurn`."""

    __tablename__ = "adapter_player"  # pyright: ignore[reportAssignmentType]

    player_id: int = Field(foreign_key="player.id", ondelete="CASCADE", primary_key=True)
    adapter_id: int = Field(foreign_key="adapter.id", ondelete="CASCADE", primary_key=True, index=True)
    turns: int
    games: int
    since: datetime = time_column()
    """When the first of these games began."""


class Round(SQLModel, table=True):
    """One round of learning. `active` is true until it ends, then null; a unique constraint allows one active round."""

    id: int | None = Field(default=None, primary_key=True)
    number: int = Field(index=True)
    """From 1; the number of a failed round is reused by the next one."""
    active: bool | None = Field(default=True, unique=True)
    system: str
    status: RoundStatus = choice_column(RoundStatus, default=RoundStatus.QUEUED)
    stage: str = "queued"
    progress: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    """{"done": steps, "total": steps, "loss": ..., "seconds_left": ...} of the stage in progress."""
    results: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    trigger: str = "manual"
    """"manual", "schedule" or "games" ("turns" in rows of earlier versions)."""
    requested_by: str | None = None
    channel_id: str | None = None
    """The channel of the message that shows its progress, if there is one."""
    message_id: str | None = None
    """That message; None again once it shows the end."""
    interactions: int = 0
    adapter_id: int | None = Field(default=None, foreign_key="adapter.id", ondelete="SET NULL")
    error: str | None = None
    created_at: datetime = time_column(default_factory=now)
    started_at: datetime | None = time_column(default=None, nullable=True)
    worker: str | None = None
    """The `respect round worker` that runs it; None: a process of the bot's machine, or none yet."""
    heartbeat_at: datetime | None = time_column(default=None, nullable=True)
    """When the process that runs it last said so. A worker's lease lasts for a time after that."""
    ended_at: datetime | None = time_column(default=None, nullable=True)


class PlayerTrust(SQLModel, table=True):
    """What a round found of the trust in a player's feedback (`learner.examples.trust`)."""

    __tablename__ = "player_trust"  # pyright: ignore[reportAssignmentType]

    round_id: int = Field(foreign_key="round.id", ondelete="CASCADE", primary_key=True)
    player_id: int = Field(foreign_key="player.id", ondelete="CASCADE", primary_key=True, index=True)
    trust: float
    """Probability that feedback agrees with independent evidence, 0 to 1; 0.5 without any."""
    turns: float
    """The evidence, in turns."""
    naming: float
    """Log-likelihood ratio, in nats, of names as the others use them, against names at random."""
    weight: float
    """Greatest weight of the player's games in what was learnt, 0 to 1; 0 in quarantine."""
    quarantined: bool
    capped: bool
    """Whether games were left out by the limit of turns of one player."""


class RoundEvent(SQLModel, table=True):
    """Something that was done about rounds and adapters. Rows are only added; who asked for a round is in its row."""

    __tablename__ = "round_event"  # pyright: ignore[reportAssignmentType]

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = time_column(default_factory=now)
    action: RoundAction = choice_column(RoundAction)
    by: str | None = None
    """The platform's id of the person, or "shell"; None for the bot itself, and after that person was erased."""
    round_id: int | None = Field(default=None, foreign_key="round.id", ondelete="SET NULL")
    """The round that it is about, if it is about one."""
    adapter: str | None = None
    """The adapter that it is about: the new current one of a promotion or a rollback."""
    before: str | None = None
    """The adapter that was current before."""
    detail: str | None = None
    """The cron expression of a schedule ("" for none, null for the operator's), what was requested, or a report."""


class GuildSettings(SQLModel, table=True):
    """Settings of a community. None means the operator's setting or, where there is none, the default."""

    __tablename__ = "guild_settings"  # pyright: ignore[reportAssignmentType]

    guild_id: str = Field(primary_key=True)
    images: str | None = None
    games: list[str] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))  # pyright: ignore[reportArgumentType]
    """Names of the games that may be played; None for all."""
    moderators_channel_id: str | None = None
    audit_channel_id: str | None = None
    """Where the bot writes who did what."""
    cooldown: float | None = None
    """Seconds between one player's new games."""
    idle_hours: int | None = None
    """Hours without a word after which a game ends; 0 never."""
    team_games: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    """Whether games may be played by everybody in the thread."""
    player_role_id: str | None = None
    """The role that people need to start games; None for everybody."""
    most_games: int | None = None
    """Games that may run in the community at the same time; None for any number."""
    unsure: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Whether the bot asks what was meant where the policy is unsure."""
    lock_threads: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Whether the thread of a finished game is locked when it is archived."""
    locale: str | None = None
    """The language of what the whole community reads; None for its platform's setting."""
    updated_at: datetime = time_column(default_factory=now)


class PlayChannel(SQLModel, table=True):
    """A channel that a community chose for games, with its message that has the Play button."""

    __tablename__ = "play_channel"  # pyright: ignore[reportAssignmentType]

    channel_id: str = Field(primary_key=True)
    guild_id: str = Field(index=True)
    message_id: str | None = None
    """None while there is none, e.g. because the bot may not write there."""
