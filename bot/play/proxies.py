"""Messages that a proxy such as PluralKit posts again in a member's place.

It deletes the member's own message and posts its words through a webhook, in either order.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import discord

from games.words import plain

SECONDS = 15.0
"""How far apart the two may be."""
LONGEST_TAGS = 16
"""Characters that a member's own message has more."""


def is_proxy(message: discord.Message) -> bool:
    """Whether a webhook posted a message. An application answers commands through one with its own id, and posts as
    others through one of any other id."""
    return message.webhook_id is not None and message.webhook_id != message.application_id


@dataclass(frozen=True)
class Said:
    """Words of a message: one that a webhook posted, or one that was deleted before it was played."""

    thread_id: int
    message_id: str
    text: str
    player_id: int | None = None
    """Who of a team said it (`store.models.Instruction`)."""
    at: float = field(default_factory=time.monotonic)


class Proxies:
    """Remembers both kinds of messages for a few seconds and finds the ones that belong together."""

    def __init__(self) -> None:
        self._posted: deque[Said] = deque(maxlen=1000)
        self._deleted: deque[Said] = deque(maxlen=1000)

    def posted(self, said: Said) -> Said | None:
        """A webhook posted a message. Gives the deleted message whose words these are, if there is one."""
        found = self._take(self._deleted, said.thread_id, lambda deleted: within(said.text, deleted.text))
        if found is None:
            self._posted.append(said)
        return found

    def deleted(self, said: Said) -> Said | None:
        """A message was deleted that had not been played. Gives the webhook's message with its words, if there is
        one."""
        found = self._take(self._posted, said.thread_id, lambda posted: within(posted.text, said.text))
        if found is None:
            self._deleted.append(said)
        return found

    @staticmethod
    def _take(among: deque[Said], thread_id: int, fits: Callable[[Said], bool]) -> Said | None:
        since = time.monotonic() - SECONDS
        for said in among:
            if said.thread_id == thread_id and said.at >= since and fits(said):
                among.remove(said)
                return said
        return None


def within(words: str, text: str) -> bool:
    """Whether words are a text but for tags, short ones, that name a member ("J: the boat")."""
    words, text = plain(words), plain(text)
    return bool(words) and words in text and len(text) - len(words) <= LONGEST_TAGS
