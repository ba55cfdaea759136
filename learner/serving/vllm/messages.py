"""Converts a turn's conversation to chat messages, with figures as pictures in data URLs."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from games import GAMES
from games.core import Figure, Game, Message
from games.figures import open_images
from learner.conversation import RASTER, conversation_of, game_of
from learner.protocol import TurnRequest

_SPECIAL = re.compile(r"<[^<>\s]+>|<[|｜][^<>]*[|｜]>|\[/?[A-Z_]+\]")
"""Forms of special tokens, such as <|im_end|>, </s>, <image> and [INST]."""


class Conversations:
    """Writes turns as chat messages and caches the pictures."""

    def __init__(self, games: Mapping[str, Game] = GAMES) -> None:
        self._games = games
        self._open = lru_cache(maxsize=8)(open_images)
        self._picture = lru_cache(maxsize=4096)(self._draw)

    def of(self, request: TurnRequest) -> list[dict[str, Any]]:
        """The messages of a turn.

        Raises KeyError or ValueError for an unknown figure, image set, game or state.
        """
        messages = conversation_of(game_of(self._games, request.game), request)
        return [self._message(request.images, message) for message in messages]

    def legal_actions(self, request: TurnRequest) -> Sequence[str]:
        """All legal actions of the request's state. Raises ValueError for an invalid state."""
        return game_of(self._games, request.game).legal_actions(request.state)

    def _message(self, images: str, message: Message) -> dict[str, Any]:
        content = [
            {"type": "image_url", "image_url": {"url": self._picture(images, part.id)}}
            if isinstance(part, Figure)
            else text(harmless(part.text))
            for part in message.parts
        ]
        return {"role": message.role, "content": content}

    def _draw(self, images: str, figure: str) -> str:
        file = io.BytesIO()
        self._open(images).raster(figure, RASTER).save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def text(words: str) -> dict[str, str]:
    """Text as a part of a chat message."""
    return {"type": "text", "text": words}


def harmless(words: str) -> str:
    """Escape text so that nothing that a person wrote is read as a special token, by spaces between its characters.

    A server does not tell which tokens are special, so everything of their form is escaped.
    """
    return _SPECIAL.sub(lambda found: " ".join(found.group()), words)
