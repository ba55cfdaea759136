"""Made-up dialogues that the embedded model is pretrained on: the game's own form, with words written for it.

The words around a description are ours and plain; no person's game is copied. A dialogue is played by a scripted
speaker and a listener that errs, so that corrections, undoing and moving on all occur; what the model learns is
what the listener should have done, never its errors.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from games.multiref import LETTERS, format_action, format_state

ASK = (
    "{d}", "{d}", "{d}", "the {d}", "pick the {d}", "select the {d}", "choose the {d}", "click on the {d}",
    "now the {d}", "next one is {d}", "next is the {d}", "find the {d}", "it looks like {d}", "looks like {d}",
    "i see {d}", "this one is like {d}", "now select {d}", "then pick {d}", "go for {d}", "one that looks like {d}",
    "please choose {d}", "next, {d}", "there is {d}", "could you select {d}",
)  # fmt: skip
YES = (
    "yes", "yes.", "yes,", "good", "good.", "great,", "correct.", "right,", "perfect,", "ok", "okay,", "nice.",
    "yep,", "that's it.", "good job.", "well done,", "exactly,", "that is right.",
)  # fmt: skip
NO = (
    "no", "no,", "no.", "wrong.", "wrong,", "nope,", "not that one.", "incorrect.", "not that,", "that's wrong.",
    "that is not it.", "no no,", "sorry, not that one.",
)  # fmt: skip
UNDO = (
    "undo", "undo that", "undo the last one", "undo the last selection", "deselect that", "deselect it",
    "deselect the last one", "unselect it", "unselect the last image", "remove that one", "remove the last one",
    "take that back", "take it away", "please deselect that one", "delete that", "unclick that", "drop the last one",
    "get rid of that one", "deselect the last image you selected",
)  # fmt: skip
WRONG_ONE = ("", "", "", "deselect that.", "undo that.", "remove it.", "deselect it and choose", "i meant",
             "take that away.", "unselect that one and pick", "it's", "instead")  # fmt: skip
REMOVE = (
    "deselect {d}", "deselect the {d}", "remove the {d}", "take away the {d}", "unselect {d}", "undo the {d}",
    "not the {d}", "drop the {d}", "the {d} is wrong", "get rid of the {d}", "please deselect the {d}",
)  # fmt: skip
CLEAR = (
    "clear everything", "deselect all", "deselect everything", "start over", "reset", "remove all of them",
    "undo everything", "clear all", "unselect all images", "let's start again",
)  # fmt: skip
AND = ("{a} and {b}", "the {a} and the {b}", "pick {a} and {b}", "both {a} and {b}", "select the {a} and {b}")


@dataclass(frozen=True)
class Turn:
    """One turn of a dialogue. `picture` is a figure shown in the place of a description."""

    state: str
    utterance: str
    action: str
    learn: bool
    picture: str | None = None


@dataclass(frozen=True)
class Dialogue:
    """A board with some of the letters, and the turns played on it."""

    letters: str
    figures: tuple[str, ...]
    turns: tuple[Turn, ...]


@dataclass
class Speaker:
    """Plays dialogues over figures with their descriptions."""

    descriptions: Mapping[str, Sequence[str]]
    rng: random.Random
    _said: dict[str, str] = field(default_factory=dict)

    def play(self, size: int, turns: int, pictures: float) -> Dialogue:
        """A dialogue of at most `turns` turns on a board of `size`; `pictures` is how often a picture is shown."""
        rng = self.rng
        letters = "".join(sorted(rng.sample(LETTERS, size)))
        figures = tuple(rng.sample(list(self.descriptions), size))
        figure_of = dict(zip(letters, figures, strict=True))
        waiting = rng.sample(letters, rng.randint(1, max(1, min(5, size - 1))))
        selected: set[str] = set()
        past: list[Turn] = []
        wrong: set[str] = set()
        asked: list[str] = []
        opening = ""
        while len(past) < turns:
            state = format_state(frozenset(selected))
            picture = None
            clicks: tuple[set[str], set[str]] = (set(), set())
            chance = rng.random()
            if wrong and chance < 0.2:
                utterance = _join(rng.choice(NO) if rng.random() < 0.6 else "", rng.choice(UNDO))
                clicks, waiting, asked = (set(wrong), set()), asked + waiting, []
            elif wrong and chance < 0.75 and asked:
                again = self._say(figure_of[asked[0]])
                utterance = _join(rng.choice(NO), rng.choice(WRONG_ONE), again)
                clicks, asked = (set(wrong), {asked[0]}), asked[:1]
            elif selected and chance > 0.97:
                utterance = rng.choice(CLEAR)
                clicks, waiting, asked = (set(selected), set()), [*waiting, *asked], []
            elif selected and chance > 0.89:
                out = rng.choice(sorted(selected))
                utterance = rng.choice(REMOVE).format(d=self._say(figure_of[out]))
                clicks, asked = ({out}, set()), []
            else:
                if not waiting:
                    break
                two = len(waiting) > 1 and chance > 0.8
                asked, waiting = waiting[: 1 + two], waiting[1 + two :]
                if two:
                    words = rng.choice(AND).format(
                        a=self._say(figure_of[asked[0]]), b=self._say(figure_of[asked[1]])
                    )
                elif rng.random() < pictures:
                    picture, words = figure_of[asked[0]], ""
                else:
                    words = rng.choice(ASK).format(d=self._say(figure_of[asked[0]]))
                utterance = _join(opening, words)
                clicks = (set(), set(asked))
            wanted = format_action(frozenset(clicks[0] & selected), frozenset(clicks[1] - selected))
            if not wanted:
                break
            wrong, played, opening = self._listen(letters, selected, clicks)
            action = format_action(frozenset(played[0]), frozenset(played[1]))
            past.append(Turn(state, utterance, action, action == wanted, picture))
            selected = (selected - played[0]) | played[1]
            if not wrong:
                asked = []
            waiting = [letter for letter in waiting if letter not in selected]
        return Dialogue(letters, figures, tuple(past))

    def _say(self, figure: str) -> str:
        return self.rng.choice(list(self.descriptions[figure])).lower().strip().rstrip(".")

    def _listen(
        self, letters: str, selected: set[str], clicks: tuple[set[str], set[str]]
    ) -> tuple[set[str], tuple[set[str], set[str]], str]:
        """(wrongly selected, clicks played, what the speaker may open with)."""
        rng = self.rng
        deselect, select = clicks[0] & selected, clicks[1] - selected
        if select and rng.random() < 0.35:
            free = [letter for letter in letters if letter not in selected and letter not in select]
            if free:
                swapped = rng.choice(sorted(select))
                other = rng.choice(free)
                return {other}, (deselect, select - {swapped} | {other}), ""
        opening = rng.choice(YES) if select and rng.random() < 0.5 else ""
        return set(), (deselect, select), opening


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def written_words() -> list[str]:
    """Every phrase of this module, for the tokenizer."""
    phrases = (*ASK, *YES, *NO, *UNDO, *WRONG_ONE, *REMOVE, *CLEAR, *AND)
    return [phrase.format(d="", a="", b="") for phrase in phrases]
