"""Scripted dialogues for pretraining the embedded model, in the form of real games.

A dialogue is played by a scripted speaker and a listener that errs, so that positive feedback, corrections and
requests to deselect all occur. The model is trained on the right actions, never on the listener's errors.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from games.letters import format_action, format_state
from learner.policy.tiny import phrases
from learner.policy.tiny.phrases import Phrase, Place


@dataclass(frozen=True)
class Description:
    """A description of a figure, as part of an utterance."""

    text: str
    letter: str
    """Of the figure on the board."""


Utterance = tuple[str | Description, ...]
"""Texts, each with the space after it, and descriptions."""


def in_words(utterance: Utterance) -> str:
    """The utterance as it is typed."""
    return " ".join("".join(part if isinstance(part, str) else part.text for part in utterance).split())


@dataclass(frozen=True)
class DialogueTurn:
    """One turn of a dialogue."""

    state: str
    utterance: Utterance
    action: str
    """What the listener did."""
    learn: str
    """What it should have done; it differs from `action` where the listener erred."""


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
    names_both: float
    """Of corrections with a new description: the wrong figure is named too."""
    exchanges: float
    """Of turns with an earlier wrong pick: the speaker asks for another figure in its place."""
    ignores: float
    """Of wrong picks: the speaker moves on without comment and returns to them later."""
    several: float
    """Of turns with several figures to describe: two or three are described at once."""
    contrasts: float
    """Of descriptions: another figure is named that is not meant."""
    whims: float
    """Of turns with selected figures: the speaker changes their mind about some of them, right or wrong."""
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
            names_both=rng.choice((0.0, 0.3, 0.6)),
            exchanges=rng.choice((0.0, 0.1, 0.3)),
            ignores=rng.choice((0.0, 0.1, 0.3, 0.5)),
            several=rng.choice((0.0, 0.1, 0.4, 0.8)),
            contrasts=rng.choice((0.0, 0.0, 0.1, 0.4)),
            whims=rng.choice((0.0, 0.15, 0.4)),
            clears=rng.choice((0.0, 0.05, 0.2)),
            slips=rng.choice((0.0, 0.0, 0.02, 0.06)),
        )


@dataclass
class _Table:
    """The state of a dialogue."""

    letters: str
    figure_of: dict[str, str]
    meant: frozenset[str]
    manner: Manner
    selected: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()
    """The selected letters, those selected first at the front."""
    latest: tuple[str, ...] = ()
    """Letters that were selected in the last turn."""
    previous: tuple[str, ...] = ()
    """Letters that were selected in the turn before it."""
    aim: tuple[str, ...] = ()
    """Letters described last."""
    wrong: frozenset[str] = frozenset()
    """Letters wrongly picked in the last turn."""
    lost: frozenset[str] = frozenset()
    """Targets wrongly deselected in the last turn."""
    dropped: frozenset[str] = frozenset()
    """Letters that were selected before and are not now."""
    right: bool = False
    """Whether all of the last turn was right."""


Mistakes = Callable[[str, Sequence[str]], str]
"""Chooses which of some letters is picked in place of another one."""


class ScriptedSpeaker:
    """Generates dialogues about figures with given descriptions."""

    def __init__(self, descriptions: Mapping[str, Sequence[str]], rng: random.Random) -> None:
        self.descriptions = {
            figure: [words.lower().strip().rstrip(".") for words in of] for figure, of in descriptions.items()
        }
        self.rng = rng
        self._ids = list(self.descriptions)

    def play(
        self,
        letters: str,
        turns: int,
        figures: Sequence[str] | None = None,
        mistakes: Mistakes | None = None,
    ) -> Dialogue:
        """A dialogue of at most `turns` turns on a board with `letters`, in their order.

        By default figures, and the picks of a listener that errs, are random.
        """
        rng, size = self.rng, len(letters)
        shown = tuple(figures or rng.sample(self._ids, size))
        meant = frozenset(rng.sample(letters, rng.randint(min(3, size - 1), min(6, size - 1))))
        table = _Table(letters, dict(zip(letters, shown, strict=True)), meant, Manner.draw(rng))
        past: list[DialogueTurn] = []
        while len(past) < turns and table.selected != meant:
            utterance, hoped = self._speak(table, first=not past)
            wanted = format_action(table.selected - hoped, hoped - table.selected)
            last = len(past) == turns - 1  # no error in the last turn, because no turn could correct it
            played = hoped if last else self._listen(table, hoped, mistakes)
            action = format_action(table.selected - played, played - table.selected)
            state = format_state(table.selected)
            past.append(DialogueTurn(state, self._typed(utterance, table), action, wanted))
            table.wrong = played - table.selected - hoped
            table.lost = (table.selected - played) & meant & hoped
            table.right = played == hoped
            table.previous, table.latest = table.latest, tuple(sorted(played - table.selected))
            table.order = (*(letter for letter in table.order if letter in played), *table.latest)
            table.dropped = (table.dropped | (table.selected - played)) - played
            table.selected = played
        return Dialogue(letters, shown, tuple(past))

    def describe(self, figure: str) -> str:
        """A description of a figure."""
        return self.rng.choice(self.descriptions[figure])

    def _speak(self, table: _Table, first: bool) -> tuple[Utterance, frozenset[str]]:
        """(utterance, intended selection)."""
        rng, manner = self.rng, table.manner
        misplaced = table.selected - table.meant
        if table.selected and rng.random() < manner.whims:
            return self._change_mind(table)
        if len(misplaced) == 2 == len(table.selected) and rng.random() < 0.3:
            return self._filled(phrases.CLEAR_TWO, table, {}), frozenset()
        if misplaced and len(table.selected) > 1 and rng.random() < manner.clears:
            return self._filled(phrases.CLEAR, table, {}), frozenset()
        ignored = (table.wrong or table.lost) and rng.random() < manner.ignores
        if not ignored and table.lost:
            table.aim = tuple(rng.sample(sorted(table.lost), 1))
            return self._about(phrases.PUT_BACK, table), table.selected | {*table.aim}
        if not ignored and table.wrong:
            return self._correct(table)
        opening: Utterance = ()
        if not first and table.right and rng.random() < manner.confirms:
            opening = self._filled(phrases.YES, table, {})
        missing = table.meant - table.selected
        earlier = sorted(misplaced - table.wrong)
        if earlier and missing and rng.random() < manner.exchanges:
            table.aim = tuple(rng.sample(sorted(missing), 1))
            gone = rng.choice(earlier)
            said = self._filled(phrases.SWAP, table, {"x": table.aim[0], "y": gone})
            return self._joined(opening, said), table.selected - {gone} | {*table.aim}
        if misplaced and (not missing or rng.random() < 0.4):
            said, gone = self._remove(table, misplaced)
            table.aim = ()
            return self._joined(opening, said), table.selected - gone
        if not missing:  # all are selected, and more
            return self._joined(opening, self._filled(phrases.CLEAR, table, {})), frozenset()
        if len(missing) > 1 and rng.random() < manner.several:
            count = min(len(missing), rng.choice((2, 2, 3)))
            table.aim = tuple(rng.sample(sorted(missing), count))
            kind = phrases.TWO if count == 2 else phrases.THREE
            said = self._filled(kind, table, dict(zip("xyz", table.aim, strict=False)))
            return self._joined(opening, said), table.selected | {*table.aim}
        if (before := sorted(missing & table.dropped)) and rng.random() < 0.4:
            table.aim = tuple(rng.sample(before, min(2, len(before))))
            kind = phrases.PUT_BACK_LATER if len(table.aim) == 1 else phrases.PUT_BACK_TWO
            said = self._filled(kind, table, dict(zip("xy", table.aim, strict=False)))
            return self._joined(opening, said), table.selected | {*table.aim}
        table.aim = tuple(rng.sample(sorted(missing), 1))
        others = sorted(set(table.letters) - {*table.aim} - table.selected)
        if others and rng.random() < manner.contrasts:
            said = self._filled(phrases.ASK_NOT, table, {"x": table.aim[0], "y": rng.choice(others)})
        else:
            said = self._about(phrases.ASK_NEXT, table)
        return self._joined(opening, said), table.selected | {*table.aim}

    def _change_mind(self, table: _Table) -> tuple[Utterance, frozenset[str]]:
        """(utterance, intended selection): some of what is selected goes, whether it is right or not."""
        rng, order = self.rng, table.order
        some = tuple(rng.sample(order, min(3, len(order))))  # x, y and z of the phrases
        kinds = [(phrases.CLEAR, order), *[(phrases.REMOVE, some[:1])] * 2]
        if len(table.latest) == 1:
            kinds.append((phrases.UNDO, table.latest))
        if len(table.latest) == 2 < len(order):
            kinds += [(phrases.CLEAR_TWO, table.latest)] * 3
        if len(table.latest) == 2 or (
            len(table.latest) == 1 == len(table.previous) and {*table.previous} <= {*order}
        ):
            kinds += [(phrases.UNDO_TWO, (*table.previous, *table.latest)[-2:])] * 2
        if len(order) > 2:
            kinds += [(phrases.KEEP_NOT_TWO, (some[0], some[2]))] * 3
        if len(order) == 3:
            kinds += [(phrases.KEEP_ONE_OF_THREE, (some[0], some[2]))] * 2
        if len(order) > 1:
            kinds += [(phrases.KEEP, some[:1]), (phrases.UNDO_FIRST, order[:1])]
            kinds.append((phrases.KEEP_ONLY, tuple(letter for letter in order if letter != some[1])))
            kinds += [(phrases.REMOVE_SEVERAL, some[:2])] * 5
        if len(order) == 2:
            kinds += [(phrases.CLEAR_TWO, order)] * 2
            kinds.append((phrases.KEEP_ONE_OF_TWO, tuple(letter for letter in order if letter != some[1])))
        kind, gone = rng.choice(kinds)
        table.aim = ()
        return self._filled(kind, table, dict(zip("xyz", some, strict=False))), table.selected.difference(
            gone
        )

    def _remove(self, table: _Table, misplaced: frozenset[str]) -> tuple[Utterance, frozenset[str]]:
        """(utterance, letters that it asks to deselect)."""
        rng = self.rng
        gone = rng.sample(sorted(misplaced), min(len(misplaced), rng.choice((1, 1, 2))))
        if len(gone) == 2:
            return self._filled(phrases.REMOVE_SEVERAL, table, dict(zip("xy", gone, strict=True))), frozenset(
                gone
            )
        kept = sorted(table.selected & table.meant)
        if len(kept) == 1 and rng.random() < 0.2:
            return self._filled(phrases.KEEP_ONLY, table, {"y": kept[0]}), misplaced
        if kept and rng.random() < 0.3:
            return self._filled(phrases.KEEP, table, {"x": gone[0], "y": rng.choice(kept)}), frozenset(gone)
        if len(table.order) > 1 and table.order[0] in misplaced and rng.random() < 0.3:
            return self._filled(phrases.UNDO_FIRST, table, {}), frozenset(table.order[:1])
        return self._filled(phrases.REMOVE, table, {"x": gone[0]}), frozenset(gone)

    def _correct(self, table: _Table) -> tuple[Utterance, frozenset[str]]:
        """(utterance, intended selection) after a wrong pick."""
        rng, manner, wrong = self.rng, table.manner, table.wrong
        left = tuple(letter for letter in table.aim if letter in table.meant - table.selected)
        hoped = table.selected - wrong
        if len(wrong) == 1 and left and rng.random() < manner.names_both:
            table.aim = left[:1]
            kind = rng.choice((phrases.SWAP, phrases.SWAP, phrases.NOT_THE_LAST))
            said = self._filled(kind, table, {"x": left[0], "y": next(iter(wrong))})
            return said, hoped | {*table.aim}
        parts = [self._filled(phrases.NO, table, {})] if rng.random() < manner.says_no else []
        taken = named = False
        if rng.random() < manner.undoes or not left:
            both = len(wrong) == 2 and wrong == {*table.latest}
            named = (len(wrong) == 2 and not both) or (len(wrong) <= 2 and rng.random() < 0.3)
            if named:
                kind = phrases.REMOVE if len(wrong) == 1 else phrases.REMOVE_SEVERAL
                parts.append(self._filled(kind, table, dict(zip("xy", sorted(wrong), strict=False))))
            else:
                kind = phrases.CLEAR_TWO if both else phrases.UNDO
                parts.append(self._filled(kind, table, {}))
            taken = True
        if left and (rng.random() < manner.redescribes or not parts):
            table.aim = left[:1] if rng.random() < 0.8 else left
            if len(table.aim) > 1:
                kind = phrases.TWO if len(table.aim) == 2 else phrases.THREE
                parts.append(self._filled(kind, table, dict(zip("xyz", table.aim, strict=False))))
            else:
                kind = phrases.INSTEAD if parts else phrases.INSTEAD_ALONE
                if not named:  # "remove the duck" before "and the house" would ask for both
                    kind = rng.choice((kind, phrases.ASK))
                parts.append(self._about(kind, table))
            hoped |= {*table.aim}
        elif left and (not taken or rng.random() < 0.4):
            if taken or rng.random() < 0.7:
                parts.append(self._filled(phrases.AGAIN, table, {}))
            hoped |= {*left}
        return self._joined(*parts), hoped

    def _listen(self, table: _Table, hoped: frozenset[str], mistakes: Mistakes | None) -> frozenset[str]:
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
            swapped = rng.choice(sorted(select))
            played = hoped - {swapped}
            for _ in range(2 if rng.random() < 0.2 else 1):  # at times, two for one
                if free:
                    taken = mistakes(swapped, free) if mistakes else rng.choice(free)
                    free.remove(taken)
                    played |= {taken}
        else:
            played = hoped
        return played if played != table.selected else hoped

    def _about(self, kind: tuple[Phrase, ...], table: _Table) -> Utterance:
        return self._filled(kind, table, {"x": table.aim[0]})

    def _filled(self, kind: tuple[Phrase, ...], table: _Table, letters: Mapping[str, str]) -> Utterance:
        """A phrase with descriptions of the figures with these letters."""
        parts: list[str | Description] = []
        for part in phrases.say(kind, self.rng):
            if isinstance(part, Place):
                letter = letters[part.name]
                words = self.describe(table.figure_of[letter])
                parts.append(Description(phrases.with_article(words) if part.definite else words, letter))
            else:
                parts.append(part)
        return tuple(parts)

    def _joined(self, *said: Utterance) -> Utterance:
        joined: Utterance = ()
        for part in said:
            joined = (*joined, self.rng.choice(phrases.BREAK), *part) if joined and part else joined or part
        return joined

    def _typed(self, utterance: Utterance, table: _Table) -> Utterance:
        """With this speaker's typing errors."""
        slips = table.manner.slips
        if not slips:
            return utterance
        return tuple(
            self._mistyped(part, slips)
            if isinstance(part, str)
            else replace(part, text=self._mistyped(part.text, slips))
            for part in utterance
        )

    def _mistyped(self, text: str, slips: float) -> str:
        """With some letters left out, doubled or swapped with the next one."""
        words = text.split(" ")
        for i, word in enumerate(words):
            if len(word) > 3 and word.isalpha() and self.rng.random() < slips:
                at = self.rng.randrange(1, len(word) - 1)
                options = (
                    word[at + 1 :],
                    word[at] * 2 + word[at + 1 :],
                    word[at + 1] + word[at] + word[at + 2 :],
                )
                words[i] = word[:at] + self.rng.choice(options)
        return " ".join(words)
