"""Hindsight: labels of turns from the rest of the interaction, not only the next utterance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from games import GAMES
from games.core import Change, Game, change_of
from learner.examples.labels import DecodedFeedback
from learner.feedback.rules.decoder import asks_for_another, asks_to_put_back, only_takes_back
from learner.feedback.verdict import says_something
from store.training import Interaction

EXPLICIT_CONFIDENCE = 0.8
"""A negative verdict with at least this confidence is an explicit rejection, not a guess."""


@dataclass(frozen=True)
class Hindsight:
    """The hindsight signals that are used; all off trains on decoded feedback
    alone."""

    win: bool = False
    """The last turn of a won game, which no utterance follows, is labelled positive, and only the figures of its
    final selection may be what its utterances refer to."""
    correction: bool = False
    """A turn that was misunderstood is labelled with the picks that were accepted in the end. A turn whose
    utterance rejects a pick is labelled with deselecting it."""
    rejection: bool = False
    """A figure that was picked and rejected is not a target of the game, and the utterance referred to another
    one."""
    credit: bool = False
    """Each click of a won game is labelled by the final selection, regardless of the next utterance."""
    soft: bool = False
    """The weight of a turn is 2 · confidence - 1 of its verdict, at least 0."""

    @classmethod
    def parse(cls, spec: str) -> "Hindsight":
        """From names separated by commas, or "none". Raises ValueError for an unknown name."""
        chosen = {name.strip() for name in spec.split(",")} - {"", "none"}
        known = [entry.name for entry in fields(cls)]
        if unknown := sorted(chosen.difference(known)):
            raise ValueError(f"Unknown hindsight {', '.join(unknown)}: expected none, or {', '.join(known)}")
        return cls(**dict.fromkeys(chosen, True))

    def usable(self, rejections: bool) -> "Hindsight":
        """These signals without `rejection` unless `rejections`, whether the policy learns from them."""
        return replace(self, rejection=self.rejection and rejections)


@dataclass(frozen=True)
class Lesson:
    """The label of a turn: an action, whether it is right (+1, 0, -1, None for unknown), and its weight."""

    action: str
    label: int | None
    weight: float = 1.0


def possible_targets(
    interaction: Interaction, verdicts: Mapping[int, DecodedFeedback], hindsight: Hindsight
) -> tuple[str, ...]:
    """Figures that may be targets according to hindsight, in the listener's order; empty means all figures."""
    if hindsight.win and interaction.won:
        return final_selection(interaction)
    if not hindsight.rejection:
        return ()
    game, accepted, refused = GAMES[interaction.game], set[str](), set[str]()
    for step, turn_id in zip(interaction.steps[:-1], interaction.turn_ids, strict=False):
        picked = change_of(game, interaction.context, step.state, step.action).picked
        verdict = verdicts.get(turn_id)
        if verdict is not None and says_something(verdict) and verdict.label and len(picked) == 1:
            (accepted if verdict.label > 0 else refused).update(picked)
    return tuple(figure for figure in interaction.context if figure not in refused - accepted)


def answers_request(game: Game, interaction: Interaction, number: int, action: str) -> bool:
    """Whether an action does each kind of thing (select, deselect) that its turn's utterance asks for.

    Actions that do not are not learnt, even with positive feedback: after "remove the bird" a pick can be a target
    by chance, and players rarely complain if the action only deselects and leaves out the pick.
    """
    step = interaction.steps[number]
    change = change_of(game, interaction.context, step.state, action)
    if only_takes_back(step.utterance):
        return bool(change.dropped)
    return bool(change.picked) or not asks_for_another(step.utterance)


def final_selection(interaction: Interaction) -> tuple[str, ...]:
    """Figures selected after the last turn, in the listener's order."""
    game, last = GAMES[interaction.game], interaction.steps[-1]
    return game.selected(interaction.context, game.apply(last.state, last.action))


def relabel_corrected(
    game: Game, interaction: Interaction, decoded: Sequence[Lesson], verdicts: Mapping[int, DecodedFeedback]
) -> list[Lesson]:
    """The lessons, with every turn of a streak of wrong turns relabelled by the action that ended the streak.

    A streak is the turns since the last accepted pick; their utterances all refer to the pick that is accepted
    next. Each of these turns, and the accepted turn itself, should have deselected what the streak had wrongly
    picked by then and, unless its utterance only asks to deselect, selected what was accepted. The accepted turn is
    included because players rarely complain about a rejected pick that is still selected beside the right one. An
    accepted turn that only deselects does not end a streak; if its utterance asked for more, it belongs to the
    streak.
    """
    lessons = list(decoded)
    streak: list[int] = []
    misplaced: set[str] = set()
    for number, lesson in enumerate(decoded):
        change = _played(game, interaction, number)
        if lesson.label != 1 or not answers_request(game, interaction, number, lesson.action):
            streak.append(number)
            misplaced |= change.picked if lesson.label != 1 else change.dropped
        elif change.picked:
            for turn in (*streak, number):
                state, utterance = interaction.steps[turn].state, interaction.steps[turn].utterance
                selected = frozenset(game.selected(interaction.context, state))
                kept = change.after if turn == number else selected - (misplaced - change.after)
                asked = frozenset[str]() if only_takes_back(utterance) else change.picked
                wanted = (kept | asked) - (_refused(game, interaction, verdicts, turn) - change.picked)
                action = game.action_to(interaction.context, state, wanted)
                if action is not None:
                    lessons[turn] = Lesson(action, 1, lesson.weight)
            streak.clear()
            misplaced.clear()
    return lessons


def _refused(
    game: Game, interaction: Interaction, verdicts: Mapping[int, DecodedFeedback], number: int
) -> frozenset[str]:
    """The pick that the utterance of a turn explicitly rejects: the previous turn's, if that picked exactly one."""
    verdict = verdicts.get(interaction.turn_ids[number - 1]) if number else None
    if verdict is None or verdict.label >= 0 or verdict.confidence < EXPLICIT_CONFIDENCE:
        return frozenset()
    change = _played(game, interaction, number - 1)
    if change.dropped and asks_to_put_back(interaction.steps[number].utterance):
        return frozenset()  # it refers to what was deselected
    return change.picked if len(change.picked) == 1 else frozenset()


def _played(game: Game, interaction: Interaction, number: int) -> Change:
    """The change that the action of a turn made."""
    step = interaction.steps[number]
    return change_of(game, interaction.context, step.state, step.action)


def credit_clicks(game: Game, interaction: Interaction, lessons: list[Lesson]) -> None:
    """Label each turn of a won game by its final selection, in place.

    An action whose clicks are all right is positive, one without a right click negative. A partly right action is
    replaced by its right clicks, or not labelled if the rules do not allow them alone.
    """
    final = frozenset(final_selection(interaction))
    for number, step in enumerate(interaction.steps):
        change = _played(game, interaction, number)
        if lessons[number].action != step.action:
            continue  # already relabelled by a correction
        wrong = change.wrong(final)
        if wrong == change.clicked:
            lessons[number] = Lesson(step.action, -1)
            continue
        action = game.action_to(interaction.context, step.state, change.after ^ wrong)
        lessons[number] = Lesson(step.action, None) if action is None else Lesson(action, 1)
