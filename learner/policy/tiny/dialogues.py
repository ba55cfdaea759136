"""Scripted dialogues for pretraining the embedded model, in the form of real games.

A dialogue is played by a scripted speaker and a listener that errs, so that positive feedback, corrections and
requests to deselect all occur. The model is trained on the right actions, never on the listener's errors.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from games.letters import format_action, format_state
from learner.policy.tiny import phrases


@dataclass(frozen=True)
class DialogueTurn:
    """One turn of a dialogue. `picture` is a figure that is shown instead of a description."""

    state: str
    utterance: str
    action: str
    """What the listener did."""
    learn: str
    """What it should have done; it differs from `action` where the listener erred."""
    picture: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """A board with some of the letters, and the turns played on it."""

    letters: str
    figures: tuple[str, ...]
    turns: tuple[DialogueTurn, ...]


@dataclass(frozen=True)
class Manner:
    """Parameters of one speaker and one listener. All are probabilities."""

    errs: float
    confirms: float
    says_no: float
    undoes: float
    redescribes: float
    ignores: float
    """Of wrong picks: the speaker moves on without comment and returns to them later."""
    two_at_once: float
    clears: float
    """Of turns with several selected figures, some of them wrong: the speaker asks to deselect everything."""
    slips: float
    """Of longer words: mistyped."""

    @classmethod
    def draw(cls, rng: random.Random) -> "Manner":
        """Draw a random speaker and listener."""
        return cls(
            errs=rng.uniform(0.05, 0.6),
            confirms=rng.betavariate(0.7, 0.5),
            says_no=rng.betavariate(3.0, 0.7),
            undoes=rng.betavariate(1.0, 1.2),
            redescribes=rng.betavariate(3.0, 1.0),
            ignores=rng.choice((0.0, 0.1, 0.3, 0.5)),
            two_at_once=rng.choice((0.0, 0.0, 0.1, 0.4)),
            clears=rng.choice((0.0, 0.05, 0.2)),
            slips=rng.choice((0.0, 0.0, 0.02, 0.05)),
        )


@dataclass
class _Table:
    """The state of a dialogue."""

    letters: str
    figure_of: dict[str, str]
    meant: frozenset[str]
    manner: Manner
    selected: frozenset[str] = frozenset()
    aim: tuple[str, ...] = ()
    """Letters described last."""
    wrong: frozenset[str] = frozenset()
    """Letters wrongly picked in the last turn."""
    lost: frozenset[str] = frozenset()
    """Targets wrongly deselected in the last turn."""
    right: bool = False
    """Whether all of the last turn was right."""


class ScriptedSpeaker:
    """Generates dialogues about figures with given descriptions."""

    def __init__(self, descriptions: Mapping[str, Sequence[str]], rng: random.Random) -> None:
        self.descriptions = {
            figure: [words.lower().strip().rstrip(".") for words in of] for figure, of in descriptions.items()
        }
        self.rng = rng
        self._ids = list(self.descriptions)

    def play(self, letters: str, turns: int, pictures: float) -> Dialogue:
        """A dialogue of at most `turns` turns on a board with `letters`, in their order; `pictures` is how often a
        picture is shown.
        """
        rng, size = self.rng, len(letters)
        figures = tuple(rng.sample(self._ids, size))
        meant = frozenset(rng.sample(letters, rng.randint(min(3, size - 1), min(6, size - 1))))
        table = _Table(letters, dict(zip(letters, figures, strict=True)), meant, Manner.draw(rng))
        past: list[DialogueTurn] = []
        while len(past) < turns and table.selected != meant:
            utterance, hoped, picture = self._speak(table, pictures, first=not past)
            wanted = format_action(table.selected - hoped, hoped - table.selected)
            last = len(past) == turns - 1  # no error in the last turn, because no turn could correct it
            played = hoped if last else self._listen(table, hoped)
            action = format_action(table.selected - played, played - table.selected)
            state = format_state(table.selected)
            past.append(DialogueTurn(state, self._typed(utterance, table), action, wanted, picture))
            table.wrong = played - table.selected - hoped
            table.lost = (table.selected - played) & meant & hoped
            table.right = played == hoped
            table.selected = played
        return Dialogue(letters, figures, tuple(past))

    def _speak(self, table: _Table, pictures: float, first: bool) -> tuple[str, frozenset[str], str | None]:
        """(utterance, intended selection, picture shown instead of words)."""
        rng, manner = self.rng, table.manner
        misplaced = table.selected - table.meant
        if misplaced and len(table.selected) > 1 and rng.random() < manner.clears:
            return phrases.say(phrases.CLEAR, rng), frozenset(), None
        ignored = (table.wrong or table.lost) and rng.random() < manner.ignores
        if not ignored and table.lost:
            self._aim(table, tuple(rng.sample(sorted(table.lost), 1)))
            return self._filled(phrases.PUT_BACK, table), table.selected | {*table.aim}, None
        if not ignored and table.wrong:
            return *self._correct(table), None
        opening = ""
        if not first and table.right and rng.random() < manner.confirms:
            opening = phrases.say(phrases.YES, rng)
        missing = table.meant - table.selected
        if misplaced and (not missing or rng.random() < 0.4):
            self._aim(table, tuple(rng.sample(sorted(misplaced), 1)))
            said = self._joined(opening, self._filled(phrases.REMOVE, table))
            table.aim = ()
            return said, table.selected - misplaced | (misplaced - self._named), None
        two = len(missing) > 1 and rng.random() < manner.two_at_once
        self._aim(table, tuple(rng.sample(sorted(missing), 1 + two)))
        hoped = table.selected | {*table.aim}
        if not two and rng.random() < pictures:
            return opening, hoped, table.figure_of[table.aim[0]]
        return self._joined(opening, self._filled(phrases.ASK, table)), hoped, None

    def _correct(self, table: _Table) -> tuple[str, frozenset[str]]:
        """(utterance, intended selection) after a wrong pick."""
        rng, manner, wrong = self.rng, table.manner, table.wrong
        left = tuple(letter for letter in table.aim if letter in table.meant - table.selected)
        parts = [phrases.say(phrases.NO, rng)] if rng.random() < manner.says_no else []
        hoped = table.selected - wrong
        named = rng.random() < 0.3
        if rng.random() < manner.undoes or not left:
            if named:
                self._aim(table, tuple(sorted(wrong)))
                parts.append(self._filled(phrases.REMOVE, table))
                table.aim = left
            else:
                parts.append(phrases.say(phrases.UNDO, rng))
        if left and (rng.random() < manner.redescribes or not parts):
            self._aim(table, left[:1] if rng.random() < 0.8 else left)
            parts.append(self._filled(phrases.INSTEAD if parts else phrases.ASK, table))
            hoped |= {*table.aim}
        elif left and (len(parts) == 1 and not _takes_back(parts[0])):
            if rng.random() < 0.7:
                parts.append(phrases.say(phrases.AGAIN, rng))
            hoped |= {*left}
        return self._joined(*parts), hoped

    def _listen(self, table: _Table, hoped: frozenset[str]) -> frozenset[str]:
        """The selection after the listener's turn: the intended one, or an error."""
        rng = self.rng
        select, deselect = hoped - table.selected, table.selected - hoped
        if rng.random() >= table.manner.errs:
            return hoped
        chance = rng.random()
        if deselect and chance < 0.3:  # deselects too little, or the wrong figure
            kept = rng.choice(sorted(deselect))
            others = sorted(table.selected - deselect)
            swap = {rng.choice(others)} if others and rng.random() < 0.5 else set[str]()
            played = hoped - swap | {kept}
        elif table.selected and not deselect and chance < 0.1:  # deselects a figure that was not mentioned
            played = hoped - {rng.choice(sorted(table.selected))}
        elif select:
            free = sorted(set(table.letters) - table.selected - select)
            swap = {rng.choice(sorted(select))}
            played = hoped - swap | ({rng.choice(free)} if free else set())
        else:
            played = hoped
        return played if played != table.selected else hoped

    def _aim(self, table: _Table, letters: tuple[str, ...]) -> None:
        table.aim = letters
        self._named = frozenset(letters)

    def _filled(self, kind: tuple[phrases.Phrase, ...], table: _Table) -> str:
        """A phrase filled with descriptions of the figures in `table.aim`."""
        rng = self.rng
        bare = [rng.choice(self.descriptions[table.figure_of[letter]]) for letter in table.aim]
        frame = phrases.say(kind, rng)
        if len(bare) == 1:
            return frame.format(d=bare[0], the=phrases.with_article(bare[0]))
        both = rng.choice(phrases.AND)
        the = [phrases.with_article(words) for words in bare]
        return frame.format(d=both.format(a=bare[0], b=bare[1]), the=both.format(a=the[0], b=the[1]))

    def _joined(self, *parts: str) -> str:
        said = ""
        for part in parts:
            said = f"{said}{self.rng.choice(phrases.BREAK)}{part}" if said and part else said or part
        return said

    def _typed(self, text: str, table: _Table) -> str:
        """Add this speaker's typing errors: a letter left out, doubled or swapped with the next one."""
        if not table.manner.slips:
            return text
        words = text.split(" ")
        for i, word in enumerate(words):
            if len(word) > 3 and word.isalpha() and self.rng.random() < table.manner.slips:
                at = self.rng.randrange(1, len(word) - 1)
                slips = (
                    word[at + 1 :],
                    word[at] * 2 + word[at + 1 :],
                    word[at + 1] + word[at] + word[at + 2 :],
                )
                words[i] = word[:at] + self.rng.choice(slips)
        return " ".join(words)


def _takes_back(text: str) -> bool:
    return any(word in text for word in (*phrases.TAKE_BACK, "back"))
