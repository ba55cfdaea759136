"""Messages that a player sends shortly after one another, or after a question of the bot, are one utterance.

Which messages belong together depends only on what is in the queue, so a restart does not change it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from discord.utils import snowflake_time

from bot.play.utterances import LONGEST
from games.words import plain
from store.models import Instruction, now


@dataclass(frozen=True)
class Burst:
    """Queued messages that are played as one utterance, oldest first. There is at least one."""

    instructions: tuple[Instruction, ...]
    complete: bool
    """Whether nothing that is queued later could still belong to it, whatever the time."""

    @property
    def last(self) -> Instruction:
        """The newest message. The board replies to it."""
        return self.instructions[-1]

    @property
    def utterance(self) -> str:
        """All messages as plain words on one line."""
        return _joined(self.instructions)

    @property
    def asked(self) -> bool:
        """Whether its player was asked what it means."""
        return any(each.doubts is not None for each in self.instructions)

    @property
    def earlier_message_ids(self) -> list[str] | None:
        """The ids of all messages but the last; None if there is only one message."""
        return [str(each.message_id) for each in self.instructions[:-1]] or None

    def seconds_left(self, seconds: float) -> float:
        """Seconds until it is played, if nothing more comes; 0 or less once it is over."""
        waited = (now() - self.last.received_at).total_seconds()  # negative if the clock was set back since
        return 0.0 if self.complete else seconds - max(0.0, waited)


def is_asked_about(waiting: Sequence[Instruction]) -> bool:
    """Whether nothing of a queue is to be played until its player says what was meant."""
    return bool(waiting) and waiting[-1].doubts is not None and waiting[-1].chosen is None


def first_burst(waiting: Sequence[Instruction], seconds: float) -> Burst | None:
    """The first utterance of a queue; None if the queue is empty.

    `waiting`: oldest first. `seconds`: the longest time between two messages of one burst; 0 keeps all apart.
    """
    if not waiting:
        return None
    burst = [waiting[0]]
    for instruction in waiting[1:]:
        if not _belongs(burst, instruction, seconds):
            return Burst(tuple(burst), complete=True)
        burst.append(instruction)
    return Burst(tuple(burst), complete=seconds <= 0 or _sent_at(waiting[-1]) is None)


def _belongs(burst: Sequence[Instruction], following: Instruction, seconds: float) -> bool:
    fits = len(_joined([*burst, following])) <= LONGEST
    if burst[-1].doubts is not None:
        # What is said after a question says more, unless it was answered with a button.
        return burst[-1].chosen is None and fits
    before, after = _sent_at(burst[-1]), _sent_at(following)
    if seconds <= 0 or before is None or after is None or following.player_id != burst[-1].player_id:
        return False
    return 0 <= (after - before).total_seconds() <= seconds and fits


def _sent_at(instruction: Instruction) -> datetime | None:
    """When a message was sent, by its id; None for a form, which is complete in itself."""
    if instruction.source != "message" or instruction.message_id is None:
        return None
    return snowflake_time(int(instruction.message_id))


def _joined(instructions: Sequence[Instruction]) -> str:
    return plain("\n".join(plain(instruction.text) for instruction in instructions))
