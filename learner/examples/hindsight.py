"""Hindsight: what an interaction shows about its turns beyond the next utterance (METHOD: "Beyond the paper")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from games import GAMES
from games.core import Change, Game, change_of
from learner.examples.labels import DecodedFeedback
from learner.feedback.rules.decoder import asks_for_another, asks_to_put_back, only_takes_back
from store.training import Interaction

EXPLICIT_CONFIDENCE = 0.8
"""Confidence from which on a rejection was said and not guessed."""


@dataclass(frozen=True)
class Hindsight:
    """What an interaction shows beyond the next utterance (METHOD: "Beyond the paper")."""

    win: bool = False
    """A won game shows that its last turn, which no utterance follows, was right, and what its turns were about."""
    correction: bool = False
    """An utterance that was first misunderstood is labelled with the picks that were accepted in the end, and one that
    rejects a pick with taking it back."""
    rejection: bool = False
    """What was picked and rejected is no target of the game, and the utterance was about another figure."""
    credit: bool = False
    """In a won game each click is right or wrong by the final selection, whatever was said next."""
    soft: bool = False
    """A turn weighs as much as the decoder is sure of what was said next: twice its confidence less one."""

    @classmethod
    def parse(cls, spec: str) -> "Hindsight":
        """From names with commas between them, or "none". Raises ValueError for an unknown one."""
        chosen = {name.strip() for name in spec.split(",")} - {"", "none"}
        known = [entry.name for entry in fields(cls)]
        if unknown := sorted(chosen.difference(known)):
            raise ValueError(f"Unknown hindsight {', '.join(unknown)}: expected none, or {', '.join(known)}")
        return cls(**dict.fromkeys(chosen, True))

    def usable(self, rejections: bool) -> "Hindsight":
        """What a policy can use of it: without rejections if it does not learn from them."""
        return replace(self, rejection=self.rejection and rejections)


@dataclass(frozen=True)
class Lesson:
    """What a turn teaches."""

    action: str
    label: int | None
    weight: float = 1.0


def possible_targets(
    interaction: Interaction, verdicts: Mapping[int, DecodedFeedback], hindsight: Hindsight
) -> tuple[str, ...]:
    """The figures that may be targets, as far as hindsight shows, in the listener's order; empty for all of them."""
    if hindsight.win and interaction.won:
        return final_selection(interaction)
    if not hindsight.rejection:
        return ()
    game, accepted, refused = GAMES[interaction.game], set[str](), set[str]()
    for step, turn_id in zip(interaction.steps[:-1], interaction.turn_ids, strict=False):
        picked = change_of(game, interaction.context, step.state, step.action).picked
        verdict = verdicts.get(turn_id)
        if verdict is not None and verdict.label and len(picked) == 1:
            (accepted if verdict.label > 0 else refused).update(picked)
    return tuple(figure for figure in interaction.context if figure not in refused - accepted)


def answers_request(game: Game, interaction: Interaction, number: int, action: str) -> bool:
    """Whether an action does something of each kind that its turn's utterance asks for.

    If it does not, it may still be accepted: a pick in answer to "remove the bird" is a target by chance, and of half
    an answer, taking back without selecting, nobody complains. Neither is learnt.
    """
    step = interaction.steps[number]
    change = change_of(game, interaction.context, step.state, action)
    if only_takes_back(step.utterance):
        return bool(change.dropped)
    return bool(change.picked) or not asks_for_another(step.utterance)


def final_selection(interaction: Interaction) -> tuple[str, ...]:
    """The figures selected in the end, in the listener's order."""
    game, last = GAMES[interaction.game], interaction.steps[-1]
    return game.selected(interaction.context, game.apply(last.state, last.action))


def relabel_corrected(
    game: Game, interaction: Interaction, decoded: Sequence[Lesson], verdicts: Mapping[int, DecodedFeedback]
) -> list[Lesson]:
    """The lessons, with every utterance of a streak of wrong turns given its net effect on the way to its end.

    The utterances since the last accepted pick were all about what was accepted in the end: they should have
    taken back what the streak had wrongly picked by then, and, unless they only ask to take something back,
    selected what was accepted. So should the accepted turn itself: nobody complains of a pick that was rejected and
    is still there beside the right one. An accepted turn that only takes something back ends no streak; if it is
    half an answer, it belongs to the streak.
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
    """The pick that the utterance of a turn plainly rejects: of the turn before, if that picked just one."""
    verdict = verdicts.get(interaction.turn_ids[number - 1]) if number else None
    if verdict is None or verdict.label >= 0 or verdict.confidence < EXPLICIT_CONFIDENCE:
        return frozenset()
    change = _played(game, interaction, number - 1)
    if change.dropped and asks_to_put_back(interaction.steps[number].utterance):
        return frozenset()  # it is about what was taken away
    return change.picked if len(change.picked) == 1 else frozenset()


def _played(game: Game, interaction: Interaction, number: int) -> Change:
    """What the action of a turn did."""
    step = interaction.steps[number]
    return change_of(game, interaction.context, step.state, step.action)


def credit_clicks(game: Game, interaction: Interaction, lessons: list[Lesson]) -> None:
    """Label each turn of a won game by its final selection, in place.

    All clicks right is positive, none right negative; of a mixed action the lesson is its right clicks.
    """
    final = frozenset(final_selection(interaction))
    for number, step in enumerate(interaction.steps):
        change = _played(game, interaction, number)
        if lessons[number].action != step.action:
            continue  # a correction has said more
        right = change.after ^ change.wrong(final)
        action = game.action_to(interaction.context, step.state, right)
        lessons[number] = Lesson(step.action, -1) if action is None else Lesson(action, 1)
