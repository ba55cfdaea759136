"""Simulated speakers that make errors like people, each with a random personality.

Frequencies roughly follow real games: two thirds of right actions get positive feedback, from some players always
and from others never; five in six wrong actions are rejected in words; half of all rejections ask to deselect.
"""

import random
from collections.abc import Collection
from dataclasses import dataclass, replace

from sim.players import phrases
from sim.players.typing_habits import TypingHabits, draw_typing_habits, typed
from sim.players.view import View


@dataclass(frozen=True)
class Personality:
    """Parameters of one player. All but the integers are probabilities, 0 to 1."""

    confirms: float
    """Share of right actions that get explicit positive feedback."""
    says_no: float
    """Share of wrong actions that are rejected in words; otherwise the player asks to deselect or rephrases the
    description."""
    undoes: float
    """Share of wrong picks that the player asks to deselect."""
    names_removals: float
    """Share of requests to deselect that describe the figure instead of "the last one"."""
    redescribes: float
    """Share of wrong picks after which the intended figure is described again in the same utterance."""
    hedges: float
    frames: float
    """Share of descriptions in a sentence ("select the ...")."""
    select_frame: str
    announces: float
    """Share of moves to the next target that are announced ("next is ...")."""
    two_at_once: float
    careful: float
    """Share of descriptions for which one is preferred that fits no other figure on the board."""
    wordy: float
    """0 chooses the shortest descriptions, 1 the longest."""
    resets: float
    """Share of turns with two or more wrong figures selected in which the player asks to start over."""
    patience: int
    """Number of turns without giving up."""
    impatience: float
    """Probability of giving up, multiplied by the number of turns beyond `patience`."""
    typing: TypingHabits
    lies: float = 0.0
    """Share of turns with positive feedback to wrong picks and negative feedback to right ones."""
    favours: bool = False
    """Gives positive feedback to the pick of one wrong figure: the first of the board, by id, that is no target."""


def draw_personality(rng: random.Random) -> Personality:
    """Draw a random player."""
    return Personality(
        confirms=rng.betavariate(0.7, 0.35),
        says_no=rng.betavariate(8.0, 0.8),
        undoes=rng.betavariate(1.2, 1.0),
        names_removals=rng.betavariate(1.0, 4.0),
        redescribes=rng.betavariate(3.0, 1.0),
        hedges=rng.betavariate(1.0, 6.0),
        frames=rng.betavariate(0.8, 0.8),
        select_frame=rng.choice(phrases.SELECT_FRAMES),
        announces=rng.betavariate(1.0, 1.5),
        two_at_once=rng.choice((0.0, 0.0, 0.03, 0.15)),
        careful=rng.betavariate(3.0, 1.0),
        wordy=rng.random(),
        resets=rng.choice((0.0, 0.03, 0.1)),
        patience=rng.randint(6, 10),
        impatience=rng.uniform(0.03, 0.15),
        typing=draw_typing_habits(rng),
    )


UNDO_INSTEAD_OF_NO = 0.7
"""Share of wrong picks without a "no" for which the player asks to deselect."""


@dataclass(frozen=True)
class LastTurn:
    """The result of the previous turn."""

    picked: frozenset[str]
    removed: frozenset[str]
    right: int
    wrong: int


def last_turn(view: View) -> LastTurn:
    """The clicks of the last turn; deselecting a non-target is a right click."""
    before = view.previous[-2][1] if len(view.previous) > 1 else frozenset[str]()
    picked, removed = view.selected - before, before - view.selected
    wrong = len(picked - view.targets) + len(removed & view.targets)
    return LastTurn(picked, removed, len(picked) + len(removed) - wrong, wrong)


class PeoplePlayer:
    """A player with one personality (`sim.players.view.Speaker`)."""

    def __init__(
        self, rng: random.Random, descriptions: dict[str, list[str]], personality: Personality | None = None
    ) -> None:
        self.rng = rng
        self.descriptions = descriptions
        self.personality = personality or draw_personality(rng)
        self.intended: frozenset[str] | None = None
        self._aim: tuple[str, ...] = ()
        """The figures described last."""
        self._used: dict[str, list[str]] = {}
        """Descriptions already used in this game, by figure."""

    def speak(self, view: View) -> str | None:
        """The next utterance, or None to give up. Raises ValueError for a figure without a description."""
        if not view.previous:
            self._aim, self._used, self.intended = (), {}, None
        if self._gives_up(view):
            self.intended = None
            return None
        text, self.intended = self._say(view)
        return typed(text, self.personality.typing, self.rng)

    def _gives_up(self, view: View) -> bool:
        over = view.turn - self.personality.patience
        return over > 0 and self.rng.random() < over * self.personality.impatience

    def _say(self, view: View) -> tuple[str, frozenset[str]]:
        """(utterance, intended selection)."""
        if not view.previous:
            return self._describe_next(view, opening="", first=True)
        last = last_turn(view)
        misplaced = view.selected - view.targets
        if self.personality.lies and self._happens(self.personality.lies):
            return self._describe_next(view, self._poisoned(last))
        if self.personality.favours:
            favourite = min((each for each in view.context if each not in view.targets), default="")
            misplaced -= {favourite}
            if favourite in last.picked:
                return self._describe_next(view, self._choose(phrases.CONFIRM))
        if len(misplaced) > 1 and self._happens(self.personality.resets) and view.allows(frozenset()):
            return self._choose(phrases.RESET), frozenset()
        if last.wrong and last.removed & view.targets:
            return self._put_back(view, last)
        if last.wrong:
            return self._correct(view, last)
        praise = self._choose(phrases.CONFIRM) if self._happens(self.personality.confirms) else ""
        if misplaced and (view.targets <= view.selected or self._happens(0.5)):
            return self._remove_earlier(view, misplaced, praise)
        return self._describe_next(view, praise)

    def _poisoned(self, last: LastTurn) -> str:
        return self._choose(phrases.CONFIRM if last.wrong else phrases.REJECT)

    def _describe_next(self, view: View, opening: str, first: bool = False) -> tuple[str, frozenset[str]]:
        """Move on to a target that is not selected yet, sometimes to two."""
        missing = sorted(view.targets - view.selected, key=view.context.index)
        if not missing:  # only an attacking player: everything is right and it complains
            return opening or self._choose(phrases.REJECT), view.selected
        wanted = 2 if len(missing) > 1 and self._happens(self.personality.two_at_once) else 1
        self._aim = tuple(self.rng.sample(missing, wanted))
        if not self._may_hope(view, frozenset(), self._aim):
            self._aim = self._aim[:1]
            misplaced = view.selected - view.targets
            if misplaced and not self._may_hope(view, frozenset(), self._aim):
                return self._remove_earlier(view, misplaced, opening)
        if len(self._aim) == 2:
            text = " and ".join(self._framed(figure, view) for figure in self._aim)
        elif first and len(missing) > 1 and self._happens(self.personality.announces / 3):
            text = self._fill(self._choose(phrases.FIRST_FRAMES), self._aim[0], view)
        elif not first and self._happens(self.personality.announces):
            frames = phrases.LAST_FRAMES if len(missing) == 1 and self._happens(0.7) else phrases.NEXT_FRAMES
            text = self._fill(self._choose(frames), self._aim[0], view)
        else:
            text = self._framed(self._aim[0], view)
        return self._joined(opening, text), self._hoped(view, frozenset(), set(self._aim))

    def _correct(self, view: View, last: LastTurn) -> tuple[str, frozenset[str]]:
        """Respond to a turn with wrong picks."""
        wrong = last.picked - view.targets
        wanted = frozenset(
            figure
            for figure in self._aim
            if figure in view.targets - view.selected and self._may_hope(view, wrong, [figure])
        )
        if wanted and not self._may_hope(view, wrong, wanted):
            wanted = frozenset([min(wanted)])
        says_no = self._happens(self.personality.says_no)
        opening = ""
        if says_no:
            partly = bool(last.right) and self._happens(0.3)
            opening = self._choose(phrases.PARTLY if partly else phrases.REJECT)
        undo = ""
        if not view.replaces and self._happens(self.personality.undoes if says_no else UNDO_INSTEAD_OF_NO):
            undo = self._removal(wrong, view)
        if wanted and self._happens(self.personality.redescribes):
            figure = self.rng.choice(sorted(wanted))
            frame = self._choose(phrases.CORRECT_FRAMES) if opening or undo else "{d}"
            text = self._fill(frame, figure, view)
            if undo and self._happens(0.5):
                return f"{self._joined(opening, undo)} and {self._select(figure, view)}", self._hoped(
                    view, wrong, {figure}
                )
            return self._joined(self._joined(opening, undo), text), self._hoped(view, wrong, {figure})
        if undo:
            if wanted and self._happens(0.3):
                again = self._choose(phrases.TRY_AGAIN)
                return f"{self._joined(opening, undo)} and {again}", self._hoped(view, wrong, wanted)
            return self._joined(opening, undo), view.selected - wrong
        if not wanted:
            return self._joined(opening, self._removal(wrong, view)), view.selected - wrong
        opening = opening or self._choose(phrases.REJECT)
        return self._joined(opening, self._choose(phrases.TRY_AGAIN)), self._hoped(view, wrong, wanted)

    def _put_back(self, view: View, last: LastTurn) -> tuple[str, frozenset[str]]:
        """Respond to a turn that deselected a target."""
        figure = self.rng.choice(sorted(last.removed & view.targets))
        hoped = view.selected - (last.picked - view.targets) | {figure}
        if not view.allows(hoped):
            hoped = view.selected | {figure}
            if (misplaced := view.selected - view.targets) and not view.allows(hoped):
                return self._remove_earlier(view, misplaced, "")
        self._aim = (figure,)
        return self._fill(self._choose(phrases.PUT_BACK), figure, view), hoped

    def _remove_earlier(
        self, view: View, misplaced: frozenset[str], praise: str
    ) -> tuple[str, frozenset[str]]:
        """Ask to deselect a wrong figure of an earlier turn."""
        figure = self.rng.choice(sorted(misplaced))
        undo = self._fill(self._choose(phrases.UNDO_NAMED), figure, view)
        frame = self._choose(phrases.UNDO_EARLIER) if praise else "{undo}"
        self._aim = ()
        return self._joined(praise, frame.replace("{undo}", undo)), view.selected - {figure}

    def _removal(self, wrong: frozenset[str], view: View) -> str:
        """A request to deselect the wrong picks of the last turn that identifies them."""
        if len(wrong) == 1 and not self._happens(self.personality.names_removals):
            return self._choose(phrases.UNDO_LAST)
        frame, *_ = self.rng.sample(phrases.UNDO_NAMED, 1)
        named = " and ".join(self._the(self._description(figure, view)) for figure in sorted(wrong))
        return frame.replace("{the}", named)

    @staticmethod
    def _hoped(view: View, wrong: frozenset[str], wanted: set[str] | frozenset[str]) -> frozenset[str]:
        return frozenset(wanted) if view.replaces else view.selected - wrong | wanted

    def _may_hope(self, view: View, wrong: frozenset[str], wanted: Collection[str]) -> bool:
        return view.allows(self._hoped(view, wrong, frozenset(wanted)))

    def _framed(self, figure: str, view: View) -> str:
        """A description of a figure, bare, hedged or in a sentence."""
        if self._happens(self.personality.hedges):
            return self._fill(self._choose(phrases.HEDGES), figure, view)
        return (
            self._select(figure, view)
            if self._happens(self.personality.frames)
            else self._fill("{d}", figure, view)
        )

    def _select(self, figure: str, view: View) -> str:
        return self._fill(self.personality.select_frame, figure, view)

    def _fill(self, frame: str, figure: str, view: View) -> str:
        description = self._description(figure, view)
        return frame.replace("{d}", description).replace("{the}", self._the(description))

    def _description(self, figure: str, view: View) -> str:
        """A description of a figure, a new one if any is left."""
        known = [text for text in self.descriptions.get(figure, ()) if text.strip()]
        if not known:
            raise ValueError(f"Players have no description of figure {figure!r}: add one to the image set")
        return self._chosen(figure, known, view).strip().rstrip(".")

    def _chosen(self, figure: str, known: list[str], view: View) -> str:
        """Choose one of a figure's descriptions by this player's preferences."""
        used = self._used.setdefault(figure, [])
        fresh = [text for text in known if text not in used] or known
        if self._happens(self.personality.careful):
            others = self._said_of_others(figure, view)
            fresh = [text for text in fresh if text not in others] or fresh
        by_length = sorted(fresh, key=len)
        spot = self.rng.triangular(0, 1, self.personality.wordy)
        text = by_length[min(int(spot * len(by_length)), len(by_length) - 1)]
        used.append(text)
        return text

    def _said_of_others(self, figure: str, view: View) -> set[str]:
        """The descriptions of the other figures on the board."""
        return {
            text for other in view.context if other != figure for text in self.descriptions.get(other, ())
        }

    @staticmethod
    def _the(description: str) -> str:
        """The description with "the" instead of its own article, if it has one."""
        first, _, rest = description.partition(" ")
        if first.lower() in ("a", "an", "the") and rest:
            return f"the {rest}"
        return f"the {description}" if first.lower() not in ("two", "three", "looks", "it") else description

    def _joined(self, opening: str, rest: str) -> str:
        if not opening:
            return rest
        if not opening[-1].isalnum():
            return f"{opening} {rest}"
        runs_on = rest.split(" ", 1)[0] in phrases.RUN_ON and self._happens(0.4)
        return opening + (" " if runs_on else self.rng.choice((", ", ". ", ", "))) + rest

    def _happens(self, share: float) -> bool:
        return self.rng.random() < share

    def _choose(self, options: tuple[str, ...]) -> str:
        return self.rng.choice(options)


def people(rng: random.Random, descriptions: dict[str, list[str]]) -> PeoplePlayer:
    """The default: a player with a random personality."""
    return PeoplePlayer(rng, descriptions)


def patient(rng: random.Random, descriptions: dict[str, list[str]]) -> PeoplePlayer:
    """A player with careful descriptions and explicit feedback who never gives up."""
    drawn = draw_personality(rng)
    return PeoplePlayer(
        rng,
        descriptions,
        replace(drawn, confirms=0.95, says_no=1.0, careful=1.0, resets=0.0, patience=1000),
    )


def terse(rng: random.Random, descriptions: dict[str, list[str]]) -> PeoplePlayer:
    """A player with short, bare descriptions and little positive feedback."""
    drawn = draw_personality(rng)
    return PeoplePlayer(
        rng,
        descriptions,
        replace(drawn, confirms=0.1, hedges=0.0, frames=0.05, announces=0.05, wordy=0.0, two_at_once=0.0),
    )


def poison(rng: random.Random, descriptions: dict[str, list[str]]) -> PeoplePlayer:
    """A player who poisons the feedback: positive for wrong picks, negative for right ones, with true descriptions."""
    return PeoplePlayer(rng, descriptions, replace(draw_personality(rng), lies=1.0))
