"""What nobody should send: texts, names, custom ids and options that try to break a bot or to make it do what it must
not."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_discord.model import Json

LONGEST = 2000
"""Characters of a message on Discord."""
ZALGO = [chr(code) for code in range(0x300, 0x36F)]
HUGE = (-1, 0, 10**6, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30, 1e308, 0.1, -0.0)
SAID = (
    "the dog",
    "the bird, no, the other one",
    "no",
    "yes good",
    "undo that",
    "all of them",
    "I give up",
    "how do I play?",
    "lol",
    "/round start",
    "/help",
    "/setup reset",
    "// aside",
    "(( aside",
    "select a b c",
)
TRICKS = (
    "@everyone",
    "@here",
    "<@{person}>",
    "<@&{role}>",
    "<#{channel}>",
    "<@!{person}> hi",
    "@\u200beveryone",
    "https://discord.gg/abcdef",
    "[@everyone](https://discord.gg/x)",
    "<https://x.y/@everyone>",
    "javascript:alert(1)",
    "```\n@everyone\n```",
    "`@here`",
    "||@everyone||",
    "> @everyone\n> x",
    "-# @here",
    "# @everyone",
    "\u202e@everyone\u202c",
    "\u2067ابحث عن الكلب\u2069",
    "\u200f\u200f\u200f",
    "\ufdfa" * 50,
    "\u0000",
    "a\u0000b",
    "\ud800",
    "dog \udfff\ud800 cat",
    "\ufffe\uffff",
    "\U0010ffff",
    "\u2028\u2029\u0085",
    "\x1b[31mred\x1b[0m",
    "' OR 1=1 --",
    "'; DROP TABLE game; --",
    "{{7*7}}",
    "{player}",
    "%s%n%x",
    "${jndi:ldap://x}",
    "<script>x</script>",
    "</play:1>",
    "<t:1:R>",
    "<id:customize>",
    "<a:wave:123456789012345678>",
    "<:x:1>",
    ":" * 300,
    "../../etc/passwd",
    '\nTraceback (most recent call last):\n  File "said.py", line 1, in said\n',
    "token=abcdef.ghijkl.mnopqr",
    "👍🏽" * 400,
    "👩‍👩‍👧‍👦" * 150,
    "🏳️‍🌈",
)


class Hostile:
    """Makes up what is hostile, the same for the same generator."""

    def __init__(self, rng: random.Random, ids: Callable[[], Mapping[str, Any]]) -> None:
        """`ids`: what there is to name now, e.g. a person's id under "person"."""
        self._rng = rng
        self._ids = ids

    def text(self, longest: int = LONGEST) -> str:
        """A message, of at least one character."""
        rng = self._rng
        makers: Sequence[Callable[[], str]] = (
            self._trick,
            self._trick,
            lambda: rng.choice(SAID),
            lambda: f"{rng.choice(SAID)} {self._trick()}",
            lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300))).decode("latin-1"),
            lambda: "".join(chr(rng.randrange(1, 0x11000)) for _ in range(rng.randrange(1, 300))),
            lambda: "".join(letter + "".join(rng.choices(ZALGO, k=30)) for letter in "the dog"),
            lambda: rng.choice("*_`~|>#[]()<>\\-") * rng.randrange(1, longest),
            lambda: "".join(rng.choices("*_`~|>#[]()<>\\- \n", k=rng.randrange(1, longest))),
            lambda: f"{'```' * rng.randrange(1, 9)}{self._trick()}{'**__~~||' * rng.randrange(1, 99)}",
            lambda: "dog " * rng.randrange(1, 500),
            lambda: "x" * rng.randrange(1, longest + 1),
        )
        return rng.choice(makers)()[:longest] or "x"

    def name(self) -> str:
        """A display name."""
        return self.text(32)

    def extras(self) -> Json:
        """What a message without words has."""
        sticker = {"id": "1", "name": self.name(), "format_type": 1}
        empty = dict.fromkeys(("attachments", "embeds", "mentions", "components", "sticker_items"), ())
        at = "2026-01-01T00:00:00+00:00"
        message = {
            "type": 0,
            "flags": 0,
            "content": self.text(200),
            "timestamp": at,
            "edited_timestamp": None,
        }
        forwarded = {"message": {**empty, **message}}
        poll = {
            "question": {"text": self.text(100)},
            "answers": [{"answer_id": 1, "poll_media": {"text": self.text(50)}}],
            "expiry": "2036-01-01T00:00:00+00:00",
            "allow_multiselect": False,
            "layout_type": 1,
        }
        return self._rng.choice(
            ({"sticker_items": [sticker]}, {"message_snapshots": [forwarded]}, {"poll": poll})
        )

    def broken(self, custom_id: str) -> str:
        """A custom id that is almost right."""
        rng = self._rng
        at = rng.randrange(len(custom_id))
        return rng.choice(
            (
                custom_id[:at] or "x",
                custom_id + custom_id[at:],
                custom_id[:at] + self.text(20) + custom_id[at:],
                custom_id.replace(":", "::", 1),
                custom_id.upper(),
                f"{custom_id}:{'9' * 200}",
                self.text(150),
            )
        )

    def value(self, kind: int | None = None) -> Any:
        """The value of a field, or that of an option of a kind: Discord sends no other kind."""
        match kind:
            case 4:
                return int(self._rng.choice(HUGE))
            case 5:
                return self._rng.random() < 0.5
            case 10:
                return self._rng.choice(HUGE)
            case None:
                pass
            case _:
                return self._rng.choice((self.text(30), self.text(6000), ""))
        return self._rng.choice(
            (self.text(120), self.text(6000), self._rng.choice(HUGE), True, None, "", [self.text(9)])
        )

    def _trick(self) -> str:
        text = self._rng.choice(TRICKS)
        for key, value in self._ids().items():
            text = text.replace(f"{{{key}}}", str(value))
        return text
