"""Messages that a player sends shortly after one another are one utterance.

Where the bot asked what one means, another one in place of an answer stands for it: its words are taken back.

Which messages belong together depends only on what is in the queue, so a restart does not change it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from discord.utils import snowflake_time

from bot.play.doubt import number_of
from bot.play.utterances import LONGEST
from games.words import plain
from store.games import action_key
from store.models import Instruction, now


@dataclass(frozen=True)
class Burst:
    """Queued messages that are played as one utterance, oldest first. There is at least one."""

    instructions: tuple[Instruction, ...]
    complete: bool
    """Whether nothing that is queued later could still belong to it, whatever the time."""
    retracted: tuple[Instruction, ...] = ()
    """Those before it that the bot asked about and that were said anew with it."""

    @property
    def last(self) -> Instruction:
        """The newest message. The board replies to it."""
        return self.instructions[-1]

    @property
    def utterance(self) -> str:
        """All messages as plain words on one line."""
        return _joined(self.instructions)

    @property
    def may_be_asked_about(self) -> bool:
        """Whether the bot may ask what it means: not if it was typed instead of an answer to such a question."""
        return self.last.doubts is None and not (self.retracted and self.retracted[-1].doubts)

    @property
    def retracted_words(self) -> str | None:
        """What was taken back first, unless somebody else of a team said it; None if there is nothing."""
        asked = next((place for place, each in enumerate(self.retracted, 1) if each.doubts is not None), 0)
        own = [each for each in self.retracted[:asked] if each.player_id == self.last.player_id]
        return _joined(own) or None

    @property
    def typed_answer(self) -> tuple[str, str | None] | None:
        """(message that was asked about, key of the action that was meant or None for none of them), where the words
        only answer the question."""
        asked = self.retracted[-1] if self.retracted else None
        if asked is None or not asked.doubts or asked.message_id is None:
            return None
        match number_of(self.utterance, len(asked.doubts)):
            case None:
                return None
            case 0:
                return asked.message_id, None
            case number:
                return asked.message_id, action_key(asked.doubts[number - 1])

    @property
    def queued(self) -> tuple[Instruction, ...]:
        """Everything that leaves the queue with it."""
        return (*self.retracted, *self.instructions)

    @property
    def earlier_message_ids(self) -> list[str] | None:
        """The ids of all messages but the last; None if there is only one message."""
        return [str(each.message_id) for each in self.queued[:-1]] or None

    def seconds_left(self, seconds: float) -> float:
        """Seconds until it is played, if nothing more comes; 0 or less once it is over."""
        waited = (now() - self.last.received_at).total_seconds()  # negative if the clock was set back since
        return 0.0 if self.complete else seconds - max(0.0, waited)


def is_asked_about(waiting: Sequence[Instruction]) -> bool:
    """Whether nothing of a queue is to be played until its player says what was meant."""
    return bool(waiting) and _unanswered(waiting[-1])


def first_burst(waiting: Sequence[Instruction], seconds: float) -> Burst | None:
    """The first utterance of a queue; None if the queue is empty, or waits for the answer to a question.

    `waiting`: oldest first. `seconds`: the longest time between two messages of one burst; 0 keeps all apart.
    """
    if not waiting or is_asked_about(waiting):
        return None
    said = max((place for place, each in enumerate(waiting, 1) if _unanswered(each)), default=0)
    retracted, burst = tuple(waiting[:said]), [waiting[said]]
    for instruction in waiting[said + 1 :]:
        if not _belongs(burst, instruction, seconds):
            return Burst(tuple(burst), True, retracted)
        burst.append(instruction)
    complete = seconds <= 0 or _sent_at(waiting[-1]) is None or waiting[-1].chosen is not None
    return Burst(tuple(burst), complete, retracted)


def _belongs(burst: Sequence[Instruction], following: Instruction, seconds: float) -> bool:
    if burst[-1].chosen is not None:
        return False
    before, after = _sent_at(burst[-1]), _sent_at(following)
    if seconds <= 0 or before is None or after is None or following.player_id != burst[-1].player_id:
        return False
    return 0 <= (after - before).total_seconds() <= seconds and len(_joined([*burst, following])) <= LONGEST


def _unanswered(instruction: Instruction) -> bool:
    """Whether the bot asked about it and it is not known what was meant."""
    return instruction.doubts is not None and instruction.chosen is None


def _sent_at(instruction: Instruction) -> datetime | None:
    """When a message was sent, by its id; None for a form, which is complete in itself."""
    if instruction.source != "message" or instruction.message_id is None:
        return None
    return snowflake_time(int(instruction.message_id))


def _joined(instructions: Sequence[Instruction]) -> str:
    return plain("\n".join(plain(instruction.text) for instruction in instructions))
