"""Renders a game's messages as token ids by the model's chat template; each turn only appends to the prompt.

Actions are tokenised separately from the text around them, so that an action always has the same tokens: those that
were sampled are those that are later read and trained on.
"""

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from games.core import Figure, Game, Message, Step, Text

_MARK = "QQQQ"
_PROBE = "Aa. Bb  Cc. dD|'"
"""A template that writes this as it is writes every text as it is: no lower case, no splitting, no stripping inside."""


@dataclass(frozen=True)
class Piece:
    """Part of a rendered prompt: tokens, or a figure."""

    ids: tuple[int, ...] = ()
    figure: str | None = None


@dataclass(frozen=True)
class Prompt:
    """Token ids of an interaction."""

    ids: tuple[int, ...]
    figures: tuple[str, ...]
    """Figure ids in the order of their image tokens."""
    turns: tuple[int, ...]
    """For each turn, the number of tokens before its action."""


class PromptBuilder:
    """Renders messages with a processor's chat template and tokenises them piece by piece."""

    def __init__(self, processor: Any) -> None:
        """`processor`: a transformers processor with a tokenizer and a chat template. Raises ValueError."""
        self._processor = processor
        self._tokenizer = processor.tokenizer
        if self._tokenizer.is_fast:  # parts of prompts are whole, whatever the tokenizer's file says
            self._tokenizer.backend_tokenizer.no_padding()
            self._tokenizer.backend_tokenizer.no_truncation()
        self.image_token: str = processor.image_token
        special = sorted(
            {*self._tokenizer.all_special_tokens, *self._tokenizer.get_added_vocab(), self.image_token},
            key=len,
            reverse=True,
        )
        self._special = re.compile("|".join(re.escape(token) for token in special))
        self.tokenise = lru_cache(maxsize=20_000)(self._tokenise)
        self.length = lru_cache(maxsize=100_000)(lambda text: len(self._tokenise(self.harmless(text))))
        """Tokens of what a person said."""
        self.action_ids = lru_cache(maxsize=100_000)(lambda action: self.tokenise(self._lead + action))
        self._actions: dict[str, tuple[int, ...]] = {}
        self._first = lru_cache(maxsize=2_000)(self._render_first)
        self._later = lru_cache(maxsize=20_000)(self._render_later)
        self._frame: tuple[str, ...] | None = None
        """Text that the template writes before and after a later message, once it is known."""
        self._inline = self._loses_order()
        asked = self._message(Message("user", (Text("a"),)))
        opened = self._render([asked], generate=True)
        before, tail = self._render([asked, _assistant(_MARK)], generate=False).split(_MARK, 1)
        if not before.startswith(opened):
            raise ValueError("The chat template of this model does not let a conversation grow turn by turn")
        self._lead = before[len(opened) :]
        tail_ids = self.tokenise(tail) if tail else ()
        special_ids = {*self._tokenizer.all_special_ids, *self._tokenizer.get_added_vocab().values()}
        self._template_ends = bool(tail_ids) and tail_ids[0] in special_ids
        self.end_id: int = tail_ids[0] if self._template_ends else self._tokenizer.eos_token_id  # pyright: ignore
        """Id of the token that ends an action."""

    def all_action_ids(self, actions: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of several actions, the same as `action_ids` gives for each."""
        new = [action for action in actions if action not in self._actions]
        if new:
            ids = self._token_ids([self._lead + action for action in new])
            self._actions.update(zip(new, ids, strict=True))
        return [self._actions[action] for action in actions]

    def build(
        self, messages: Sequence[Message], expand: Callable[[str], Sequence[int]], close: bool = False
    ) -> Prompt:
        """Token ids of alternating user and assistant messages; `expand` gives a figure's image tokens.

        A prompt whose last message is a user's is ready for the next action. With `close`, the last message is an
        assistant's, and its end token is included.
        """
        ids: list[int] = []
        figures: list[str] = []
        turns: list[int] = []
        for i, message in enumerate(messages):
            if message.role == "assistant":
                ids += self.action_ids(_text(message))
                ids.append(self.end_id)
                continue
            for piece in self._first(message) if i == 0 else self._later(message):
                if piece.figure is None:
                    ids += piece.ids
                else:
                    ids += expand(piece.figure)
                    figures.append(piece.figure)
            turns.append(len(ids))
        if close != (bool(messages) and messages[-1].role == "assistant"):
            raise ValueError("A prompt ends with a user message, a closed interaction with the assistant's")
        return Prompt(tuple(ids), tuple(figures), tuple(turns))

    def _render_first(self, message: Message) -> tuple[Piece, ...]:
        text = self._render([self._message(message)], generate=True)
        return self._pieces(text, message)

    def _render_later(self, message: Message) -> tuple[Piece, ...]:
        if all(isinstance(part, Text) for part in message.parts) and len(message.parts) == 1:
            words = self.harmless(_text(message))
            if self._frame is None:
                self._frame = self._verbatim_frame()
            if self._frame and words and words == words.strip():  # a template may strip what it is given
                return self._after_end((Piece(self.tokenise(words.join(self._frame))),))
        return self._after_end(self._pieces(self._render_after(message), message))

    def _verbatim_frame(self) -> tuple[str, ...]:
        """What the template writes around a later message; nothing where it changes what it is given."""
        frame = _frame(self._render_after(Message("user", (Text(_MARK),))))
        verbatim = frame and self._render_after(Message("user", (Text(_PROBE),))) == _PROBE.join(frame)
        return frame if verbatim else ()

    def _render_after(self, message: Message) -> str:
        """The text that the template writes between an action and the next one."""
        asked = self._message(Message("user", (Text("a"),)))
        text = self._render([asked, _assistant(_MARK), self._message(message)], generate=True)
        return text.split(_MARK, 1)[1]

    def _after_end(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """The pieces without the end token, if the template writes it: it already ends the previous action."""
        if self._template_ends and pieces and pieces[0].ids[:1] == (self.end_id,):
            return (Piece(pieces[0].ids[1:]), *pieces[1:])
        return pieces

    def _pieces(self, text: str, message: Message) -> tuple[Piece, ...]:
        figures = [part.id for part in message.parts if isinstance(part, Figure)]
        texts = text.split(self.image_token)
        if len(texts) != len(figures) + 1:
            raise ValueError(
                f"The chat template shows {len(texts) - 1} images for {len(figures)} figures: it is not one for"
                " several images"
            )
        pieces = [Piece(self.tokenise(texts[0]))]
        for figure, between in zip(figures, texts[1:], strict=True):
            pieces += [Piece(figure=figure), Piece(self.tokenise(between))]
        return tuple(pieces)

    def _tokenise(self, text: str) -> tuple[int, ...]:
        return self._token_ids([text])[0] if text else ()

    def _token_ids(self, texts: list[str]) -> list[tuple[int, ...]]:
        if self._tokenizer.is_fast:  # faster than the tokenizer itself
            encoded = self._tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
            return [tuple(each.ids) for each in encoded]
        return [*map(tuple, self._tokenizer(texts, add_special_tokens=False)["input_ids"])]

    def _render(self, messages: list[dict[str, Any]], generate: bool) -> str:
        return self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=generate)

    def _message(self, message: Message) -> dict[str, Any]:
        if self._inline:
            words = " ".join(
                self.image_token if isinstance(part, Figure) else self.harmless(part.text)
                for part in message.parts
            )
            return {"role": message.role, "content": [{"type": "text", "text": words}]}
        content = [
            {"type": "image"}
            if isinstance(part, Figure)
            else {"type": "text", "text": self.harmless(part.text)}
            for part in message.parts
        ]
        return {"role": message.role, "content": content}

    def harmless(self, text: str) -> str:
        """Escape text so that nothing that a person wrote is read as a special token."""
        return self._special.sub(lambda found: " ".join(found.group()), text)

    def _loses_order(self) -> bool:
        """Whether the template moves all images before all text, as LLaVA's does. Then image tokens are written
        into the text."""
        self._inline = False
        parts = (Text("Q1"), Figure("f"), Text("Q2"))
        shown = self._render([self._message(Message("user", parts))], generate=False)
        places = [shown.find("Q1"), shown.find(self.image_token), shown.find("Q2")]
        return places != sorted(places) or -1 in places


def _frame(rendered: str) -> tuple[str, ...]:
    """The text before and after `_MARK`; empty unless it occurs exactly once."""
    around = tuple(rendered.split(_MARK))
    return around if len(around) == 2 else ()


def _assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _text(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Text))


def prompt_hash(builder: PromptBuilder, games: Mapping[str, Game]) -> str:
    """SHA-256 of how prompts are written: a first and a later turn of a fixed board of each game, as token ids with a 0
    for each figure."""
    written = hashlib.sha256()
    for name, game in sorted(games.items()):
        context = game.deal([str(number) for number in range(12)], random.Random(0)).listener
        state = game.initial_state(context)
        action = game.legal_actions(state)[0]
        first = Step(state, "the first one", action)
        messages = game.prompt(context, [first], game.apply(state, action), "no, the other one")
        ids = builder.build(messages, lambda _figure: (0,)).ids
        written.update(f"{name} {ids}".encode())
    return written.hexdigest()
