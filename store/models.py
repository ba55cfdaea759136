"""The tables. Everything needed to train on a turn or to audit it stands in its row.

Times are UTC. States, actions and contexts are the plain strings of `games.core`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from games.core import Outcome
from store.version import code_version

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING_CONVENTION


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A time that comes back from every database as it went in: aware, in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("Times in the store are aware: pass datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


def _time(**kwargs: Any) -> Any:
    return Field(sa_type=UtcDateTime, **kwargs)  # pyright: ignore[reportArgumentType]


def _choice(values: type[StrEnum], **kwargs: Any) -> Any:
    stored = sa.Enum(
        values,
        native_enum=False,
        length=16,
        values_callable=lambda enum: [item.value for item in enum],
    )
    return Field(sa_type=stored, **kwargs)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _parent(column: str, **kwargs: Any) -> Any:
    return Field(foreign_key=column, ondelete="CASCADE", index=True, **kwargs)


class Origin(StrEnum):
    """Where a game was played: what Discord's rules say about training depends on it."""

    DISCORD = "discord"
    LOCAL = "local"
    """On the local Discord-compatible service, by a person through the browser page or a simulated player."""
    SIMULATED = "simulated"
    IMPORTED = "imported"
    """Played elsewhere and read from a file; whoever imported it is responsible for the right to use it."""


IMPORTED_ROUND = -1
"""The round of imported games: they were played with no policy of this deployment and measure none of them."""


class ConsentKind(StrEnum):
    """The two separate opt-ins of a player."""

    TRAINING = "training"
    RESEARCH = "research"


class RoundStatus(StrEnum):
    """How a round stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class AdapterStatus(StrEnum):
    """How an adapter stands. At most one is current; `base` (no adapter) is when none is."""

    CANDIDATE = "candidate"
    CURRENT = "current"
    RETIRED = "retired"
    REJECTED = "rejected"


class Player(SQLModel, table=True):
    """Somebody who plays, as one platform knows them."""

    __table_args__ = (sa.UniqueConstraint("platform", "external_id"),)

    id: int | None = Field(default=None, primary_key=True)
    platform: Origin = _choice(Origin)
    external_id: str
    name: str
    locale: str = "en"
    created_at: datetime = _time(default_factory=now)


class Consent(SQLModel, table=True):
    """One answer of a player to one opt-in. The latest of a kind holds; none means no."""

    id: int | None = Field(default=None, primary_key=True)
    player_id: int = _parent("player.id")
    kind: ConsentKind = _choice(ConsentKind)
    granted: bool
    source: str
    """How it was given, e.g. "/privacy"."""
    at: datetime = _time(default_factory=now)


class Game(SQLModel, table=True):
    """One game. `targets` is for the rules, the speaker's picture and evaluation, never for training."""

    id: str = Field(default_factory=lambda: uuid4().hex, primary_key=True)
    game: str
    images: str
    speaker: list[str] = Field(sa_type=sa.JSON)
    listener: list[str] = Field(sa_type=sa.JSON)
    targets: list[str] = Field(sa_type=sa.JSON)
    player_id: int = _parent("player.id")
    origin: Origin = _choice(Origin, index=True)
    guild_id: str | None = None
    channel_id: str | None = None
    thread_id: str | None = Field(default=None, index=True)
    board_message_id: str | None = None
    shown_turns: int | None = None
    """Turns on the last board that was shown; None before the first board."""
    result_shown: bool = False
    """Whether the players have seen how it ended."""
    heard_message_id: str | None = None
    """The newest message of its thread that was dealt with: where to go on reading after a restart."""
    adapter: str
    """The adapter the game is pinned to; "base" is none."""
    base_model: str
    """Fingerprint of the base model."""
    images_hash: str | None = None
    """`games.figures.ImageSet.fingerprint` of the set it was dealt from."""
    code_version: str | None = Field(default_factory=code_version)
    """The program that dealt it (`store.version`); None for games older than this column."""
    round: int = Field(default=0, index=True)
    """Rounds finished when it began: the round whose policy it measures. `IMPORTED_ROUND` for imported games."""
    outcome: Outcome = _choice(Outcome, default=Outcome.OPEN, index=True)
    started_at: datetime = _time(default_factory=now)
    ended_at: datetime | None = _time(default=None, nullable=True)


class Instruction(SQLModel, table=True):
    """An utterance that waits for its turn. It goes when its turn is committed."""

    id: int | None = Field(default=None, primary_key=True)
    game_id: str = _parent("game.id")
    message_id: str | None = Field(default=None, unique=True)
    """The platform's id of the message or interaction: one message is one turn at most."""
    source: str = "message"
    text: str
    received_at: datetime = _time(default_factory=now)


class Turn(SQLModel, table=True):
    """One finished turn: what the listener saw, did, and how likely it was to do so."""

    __table_args__ = (sa.UniqueConstraint("game_id", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    game_id: str = _parent("game.id")
    number: int
    """From 1."""
    utterance: str
    message_id: str | None = Field(default=None, unique=True)
    source: str = "message"
    state_before: str
    action: str
    state_after: str
    logp: float | None = None
    """log π(a|x) of the action that was executed, under the policy that sampled it; None where that is not known."""
    adapter: str
    base_model: str
    seconds: float
    """Time the policy took."""
    temperature: float | None = None
    """Sampling temperature; None where the policy did not say."""
    seed: int | None = None
    """Seed of the policy service: with the game's id and the turn's number it gives the draw again."""
    asked_at: datetime = _time(default_factory=now)
    answered_at: datetime = _time(default_factory=now)


class Feedback(SQLModel, table=True):
    """A decoder's verdict on a turn, read from what was said next."""

    __table_args__ = (sa.UniqueConstraint("turn_id", "decoder", "version", "scheme"),)

    id: int | None = Field(default=None, primary_key=True)
    turn_id: int = _parent("turn.id")
    decoder: str
    version: str
    scheme: str
    label: int
    """+1 positive, 0 neutral, -1 negative."""
    confidence: float
    p_positive: float | None = None
    """The decoder's probability that the action was right."""
    cue: str | None = None
    """What the decoder went by."""
    decoded_at: datetime = _time(default_factory=now)


class Adapter(SQLModel, table=True):
    """A trained adapter. Its weights and card lie in the registry's folder of the same name."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    base_model: str
    parent: str | None = None
    """The adapter it was trained from, None if from the base model."""
    system: str
    status: AdapterStatus = _choice(AdapterStatus, default=AdapterStatus.CANDIDATE)
    card: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    erased_turns: int = 0
    """Turns it was trained on that their players have since had erased: it should be retrained."""
    created_at: datetime = _time(default_factory=now)


class AdapterTurn(SQLModel, table=True):
    """Lineage: a turn that an adapter was trained on, and how."""

    __tablename__ = "adapter_turn"  # pyright: ignore[reportAssignmentType]

    adapter_id: int = Field(foreign_key="adapter.id", ondelete="CASCADE", primary_key=True)
    turn_id: int = Field(foreign_key="turn.id", ondelete="CASCADE", primary_key=True, index=True)
    reward: float
    weight: float


class Round(SQLModel, table=True):
    """One round of learning. `active` is true until it ends, then null: there is one active round at most."""

    id: int | None = Field(default=None, primary_key=True)
    number: int = Field(index=True)
    """From 1; a failed round's number is taken again by the next."""
    active: bool | None = Field(default=True, unique=True)
    system: str
    status: RoundStatus = _choice(RoundStatus, default=RoundStatus.QUEUED)
    stage: str = "queued"
    progress: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    """{"done": steps, "total": steps, "loss": ..., "seconds_left": ...} of the stage under way."""
    results: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    trigger: str = "manual"
    """"manual", "schedule" or "games" ("turns" in rows of earlier versions)."""
    requested_by: str | None = None
    interactions: int = 0
    adapter_id: int | None = Field(default=None, foreign_key="adapter.id", ondelete="SET NULL")
    error: str | None = None
    created_at: datetime = _time(default_factory=now)
    started_at: datetime | None = _time(default=None, nullable=True)
    heartbeat_at: datetime | None = _time(default=None, nullable=True)
    ended_at: datetime | None = _time(default=None, nullable=True)


class GuildSettings(SQLModel, table=True):
    """What a community chose."""

    __tablename__ = "guild_settings"  # pyright: ignore[reportAssignmentType]

    guild_id: str = Field(primary_key=True)
    images: str | None = None
    moderators_channel_id: str | None = None
    updated_at: datetime = _time(default_factory=now)
