"""From finished interactions and decoded feedback to training examples: what is learnt from which turn.

It sees what the interaction itself reveals and nothing else: `Interaction` has no targets.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, Protocol

from games import GAMES
from games.core import Game, Step
from learner.feedback import Scheme
from learner.feedback.rules import asks_for_another, asks_to_put_back, describes, only_takes_back
from store.training import Example, Interaction

Objective = Literal["sup", "rl", "kto"]

REWARDS: dict[Objective, dict[int, float]] = {
    "sup": {1: 1.0},
    "rl": {1: 1.0, -1: -0.1},
    "kto": {1: 1.0, -1: -1.0},
}
"""Reward of each label (METHOD: "Rounds"); labels that are left out have no gradient and are dropped."""


PLAIN = 0.8
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


class Labelled(Protocol):
    """A decoder's verdict on a turn (`store.models.Feedback`, `learner.feedback.Verdict`)."""

    @property
    def label(self) -> int: ...

    @property
    def confidence(self) -> float: ...


@dataclass(frozen=True)
class _Lesson:
    """What a turn teaches."""

    action: str
    label: int | None
    weight: float = 1.0


@dataclass(frozen=True)
class TurnLabel:
    """One action to learn from, in one turn of a game."""

    step: int
    turn_id: int
    action: str
    """The action that was executed, or the one that hindsight puts in its place."""
    reward: float
    weight: float = 1.0
    behaviour_logp: float | None = None
    """log p₀, where the objective needs it; the loss is then taken on the board exactly as it was played."""


@dataclass(frozen=True)
class TrainingGame:
    """One interaction with the turns to learn from; history after the last of them is cut off."""

    game_id: str
    game: str
    images: str
    context: tuple[str, ...]
    """Figure ids in the listener's order."""
    steps: tuple[Step, ...]
    labels: tuple[TurnLabel, ...]
    """In order of turns."""
    rejected: tuple[TurnLabel, ...] = ()
    """Turns whose picks were not what was described, in order. No action is learnt from them, but what words are not
    about."""
    possible: tuple[str, ...] = ()
    """The figures that what was asked for can have been about; empty for all of them."""


def parse_system(system: str) -> tuple[Scheme, Objective]:
    """(scheme, objective) of a system in the paper's names. `control` decodes, never trains."""
    schemes: dict[str, Scheme] = {"b": "binary", "t": "ternary"}
    scheme, _, objective = system.partition("-")
    if system == "control":
        return "binary", "sup"
    if scheme not in schemes or objective not in REWARDS:
        raise ValueError(
            f"Unknown system {system!r}: expected control, b-sup, t-sup, b-rl, t-rl, b-kto or t-kto"
        )
    return schemes[scheme], objective


def build_examples(
    interactions: Sequence[Interaction],
    verdicts: Mapping[int, Labelled],
    objective: Objective,
    base_model: str,
    hindsight: Hindsight = Hindsight(),
) -> list[TrainingGame]:
    """Training examples of finished interactions, one for each game that has any, in order of game ids.

    `verdicts` maps turn ids to decoded feedback; what it says of an interaction's last turn is ignored, since
    nothing was said after it. Propensities are used only where `base_model`, the fingerprint of the model to
    be trained, is the one that logged them; turns that need one and have none are dropped.
    """
    games = []
    for interaction in sorted(interactions, key=lambda interaction: interaction.game_id):
        if interaction.game not in GAMES:
            continue
        lessons = _lessons(interaction, verdicts, hindsight)
        labels = tuple(_labels(interaction, lessons, objective, base_model))
        rejected = tuple(_rejected(interaction, lessons)) if hindsight.rejection else ()
        if labels or rejected:
            last = max(label.step for label in (*labels, *rejected))
            games.append(
                TrainingGame(
                    game_id=interaction.game_id,
                    game=interaction.game,
                    images=interaction.images,
                    context=interaction.context,
                    steps=interaction.steps[: last + 1],
                    labels=labels,
                    rejected=rejected,
                    possible=_possible(interaction, verdicts, hindsight),
                )
            )
    return games


def _lessons(
    interaction: Interaction, verdicts: Mapping[int, Labelled], hindsight: Hindsight
) -> list[_Lesson]:
    """What each turn teaches, by what was said next and by hindsight."""
    lessons = [
        _decoded(step.action, verdicts.get(turn_id), hindsight.soft)
        for step, turn_id in zip(interaction.steps, interaction.turn_ids, strict=True)
    ]
    lessons[-1] = _Lesson(lessons[-1].action, 1 if hindsight.win and interaction.won else None)
    game = GAMES[interaction.game]
    if hindsight.correction:
        lessons = _relabel_corrected(game, interaction, lessons, verdicts)
    if hindsight.credit and interaction.won:
        _credit_clicks(game, interaction, lessons)
    for number, lesson in enumerate(lessons):
        if lesson.label == 1 and not _answers(game, interaction, number, lesson.action):
            lessons[number] = _Lesson(lesson.action, None)
    return lessons


def _labels(
    interaction: Interaction, lessons: Sequence[_Lesson], objective: Objective, base_model: str
) -> list[TurnLabel]:
    """The lessons that an objective learns from."""
    rewards = REWARDS[objective]
    labels = []
    for number, lesson in enumerate(lessons):
        if lesson.label is None or lesson.label not in rewards or not lesson.weight:
            continue
        reward, behaviour_logp = rewards[lesson.label], None
        if objective == "kto" or (objective == "rl" and reward < 0):
            executed = lesson.action == interaction.steps[number].action
            if not executed or interaction.base_model != base_model:
                continue
            behaviour_logp = interaction.logps[number]
        turn_id = interaction.turn_ids[number]
        labels.append(TurnLabel(number, turn_id, lesson.action, reward, lesson.weight, behaviour_logp))
    return labels


def _rejected(interaction: Interaction, lessons: Sequence[_Lesson]) -> list[TurnLabel]:
    """The turns that describe something else than what was picked, as far as the lessons know."""
    turns = zip(interaction.steps, interaction.turn_ids, lessons, strict=True)
    return [
        TurnLabel(number, turn_id, step.action, 0.0, lesson.weight)
        for number, (step, turn_id, lesson) in enumerate(turns)
        if lesson.label == -1 and lesson.weight and describes(step.utterance)
    ]


def _possible(
    interaction: Interaction, verdicts: Mapping[int, Labelled], hindsight: Hindsight
) -> tuple[str, ...]:
    """The figures that may be targets, as far as hindsight shows, in the listener's order; empty for all of them."""
    if hindsight.win and interaction.won:
        return _final(interaction)
    if not hindsight.rejection:
        return ()
    game, accepted, refused = GAMES[interaction.game], set[str](), set[str]()
    for step, turn_id in zip(interaction.steps[:-1], interaction.turn_ids, strict=False):
        before, after = _selections(game, interaction, step.state, step.action)
        verdict = verdicts.get(turn_id)
        if verdict is not None and verdict.label and len(after - before) == 1:
            (accepted if verdict.label > 0 else refused).update(after - before)
    return tuple(figure for figure in interaction.context if figure not in refused - accepted)


def _decoded(action: str, verdict: Labelled | None, soft: bool) -> _Lesson:
    if verdict is None:
        return _Lesson(action, None)
    return _Lesson(action, verdict.label, max(0.0, 2 * verdict.confidence - 1) if soft else 1.0)


def _answers(game: Game, interaction: Interaction, number: int, action: str) -> bool:
    """Whether an action does something of each kind that its turn's utterance asks for.

    If it does not, it may still be accepted: a pick in answer to "remove the bird" is on the list by luck, and of half
    an answer, taking back without selecting, nobody complains. Neither is a lesson.
    """
    step = interaction.steps[number]
    before, after = _selections(game, interaction, step.state, action)
    if only_takes_back(step.utterance):
        return bool(before - after)
    return bool(after - before) or not asks_for_another(step.utterance)


def _selections(
    game: Game, interaction: Interaction, state: str, action: str
) -> tuple[frozenset[str], frozenset[str]]:
    """The figures selected before and after an action."""
    before = game.selected(interaction.context, state)
    return frozenset(before), frozenset(game.selected(interaction.context, game.apply(state, action)))


def _final(interaction: Interaction) -> tuple[str, ...]:
    """The figures selected in the end, in the listener's order."""
    game, last = GAMES[interaction.game], interaction.steps[-1]
    return game.selected(interaction.context, game.apply(last.state, last.action))


def _relabel_corrected(
    game: Game, interaction: Interaction, decoded: Sequence[_Lesson], verdicts: Mapping[int, Labelled]
) -> list[_Lesson]:
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
        step = interaction.steps[number]
        before, after = _selections(game, interaction, step.state, step.action)
        picks = after - before
        if lesson.label != 1 or not _answers(game, interaction, number, lesson.action):
            streak.append(number)
            misplaced |= picks if lesson.label != 1 else before - after
        elif picks:
            for turn in (*streak, number):
                state, utterance = interaction.steps[turn].state, interaction.steps[turn].utterance
                selected = frozenset(game.selected(interaction.context, state))
                kept = after if turn == number else selected - (misplaced - after)
                asked = frozenset[str]() if only_takes_back(utterance) else picks
                wanted = (kept | asked) - (_refused(game, interaction, verdicts, turn) - picks)
                action = game.action_to(interaction.context, state, wanted)
                if action is not None:
                    lessons[turn] = _Lesson(action, 1, lesson.weight)
            streak.clear()
            misplaced.clear()
    return lessons


def _refused(
    game: Game, interaction: Interaction, verdicts: Mapping[int, Labelled], number: int
) -> frozenset[str]:
    """The pick that the utterance of a turn plainly rejects: of the turn before, if that picked just one."""
    verdict = verdicts.get(interaction.turn_ids[number - 1]) if number else None
    if verdict is None or verdict.label >= 0 or verdict.confidence < PLAIN:
        return frozenset()
    step = interaction.steps[number - 1]
    before, after = _selections(game, interaction, step.state, step.action)
    if before - after and asks_to_put_back(interaction.steps[number].utterance):
        return frozenset()  # it is about what was taken away
    return after - before if len(after - before) == 1 else frozenset()


def _credit_clicks(game: Game, interaction: Interaction, lessons: list[_Lesson]) -> None:
    """Label each turn of a won game by its final selection, in place.

    All clicks right is positive, none right negative; of a mixed action the lesson is its right clicks.
    """
    final = frozenset(_final(interaction))
    for number, step in enumerate(interaction.steps):
        before, after = _selections(game, interaction, step.state, step.action)
        wrong = {figure for figure in before ^ after if (figure in after) != (figure in final)}
        if lessons[number].action != step.action:
            continue  # a correction has said more
        action = game.action_to(interaction.context, step.state, after ^ wrong)
        lessons[number] = _Lesson(step.action, -1) if action is None else _Lesson(action, 1)


def lineage(games: Sequence[TrainingGame]) -> list[Example]:
    """The turns of a training set with their rewards and weights, for the store.

    A turn of which only the matcher learns what its words are not about has the reward 0.
    """
    turns = {}
    for game in games:
        for label in (*game.rejected, *game.labels):
            turns[label.turn_id] = Example(label.turn_id, label.reward, label.weight)
    return list(turns.values())


def digest(games: Sequence[TrainingGame]) -> str:
    """A fingerprint of a training set: equal if and only if it is the same to the last byte."""
    return hashlib.sha256(json.dumps([asdict(game) for game in games]).encode()).hexdigest()


def split_held_out(
    interactions: Sequence[Interaction], share: float = 0.1, at_least: int = 20
) -> tuple[list[Interaction], list[Interaction]]:
    """(for training, held out for the gate).

    Held out is a share of the newest round's interactions, chosen by a hash of the game's id, so that the
    choice is the same whenever the round is started again; none where that round has fewer than `at_least`.
    A later round trains on them too.
    """
    newest = max((interaction.round for interaction in interactions), default=0)
    fresh = [interaction for interaction in interactions if interaction.round == newest]
    if len(fresh) < at_least:
        return list(interactions), []
    fresh.sort(key=lambda interaction: hashlib.sha256(interaction.game_id.encode()).digest())
    chosen = {interaction.game_id for interaction in fresh[: max(1, round(share * len(fresh)))]}
    return (
        [interaction for interaction in interactions if interaction.game_id not in chosen],
        [interaction for interaction in interactions if interaction.game_id in chosen],
    )
