"""Builds training examples from finished interactions and decoded feedback.

Only what the interaction itself reveals is used: `Interaction` has no targets.
"""

from collections.abc import Mapping, Sequence

from games import GAMES
from learner.examples.hindsight import (
    Hindsight,
    Lesson,
    answers_request,
    credit_clicks,
    possible_targets,
    relabel_corrected,
)
from learner.examples.labels import REWARDS, DecodedFeedback, ObjectiveName, TrainingGame, TurnLabel
from learner.feedback.rules.decoder import describes
from learner.feedback.verdict import says_something
from store.training import Interaction


def build_examples(
    interactions: Sequence[Interaction],
    verdicts: Mapping[int, DecodedFeedback],
    objective: ObjectiveName,
    base_model: str,
    hindsight: Hindsight = Hindsight(),  # noqa: B008 - frozen
) -> list[TrainingGame]:
    """Training examples of finished interactions, one per game that has labels, sorted by game id.

    `verdicts` maps turn ids to decoded feedback. Feedback on an interaction's last turn is ignored, because no
    utterance follows it. Propensities are used only if they were logged with `base_model`, the fingerprint of the
    model to be trained; turns that need a propensity and have none are dropped.

    Turns whose action the player chose from pictures have no labels. The action is no sample of the policy, so it has
    no propensity; and as the pictures show the targets, the choice says what is right more than what the words meant.
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
                    possible=possible_targets(interaction, verdicts, hindsight),
                )
            )
    return games


def _lessons(
    interaction: Interaction, verdicts: Mapping[int, DecodedFeedback], hindsight: Hindsight
) -> list[Lesson]:
    """The label of each turn, from the next utterance and from hindsight."""
    lessons = [
        _decoded(step.action, verdicts.get(turn_id), hindsight.soft)
        for step, turn_id in zip(interaction.steps, interaction.turn_ids, strict=True)
    ]
    lessons[-1] = Lesson(lessons[-1].action, 1 if hindsight.win and interaction.won else None)
    game = GAMES[interaction.game]
    if hindsight.correction:
        lessons = relabel_corrected(game, interaction, lessons, verdicts)
    if hindsight.credit and interaction.won:
        credit_clicks(game, interaction, lessons)
    for number, lesson in enumerate(lessons):
        if lesson.label == 1 and not answers_request(game, interaction, number, lesson.action):
            lessons[number] = Lesson(lesson.action, None)
    for number in interaction.chosen:
        lessons[number] = Lesson(lessons[number].action, None)
    return lessons


def _labels(
    interaction: Interaction, lessons: Sequence[Lesson], objective: ObjectiveName, base_model: str
) -> list[TurnLabel]:
    """The lessons that have a reward under an objective, as labels."""
    rewards = REWARDS[objective]
    labels = []
    for number, lesson in enumerate(lessons):
        if lesson.label is None or lesson.label not in rewards or not lesson.weight:
            continue
        reward, behaviour_logp = rewards[lesson.label], None
        if objective == "kto" or (objective == "rl" and reward < 0):
            executed = lesson.action == interaction.steps[number].action
            behaviour_logp = interaction.logps[number]
            if not executed or interaction.base_model != base_model or behaviour_logp is None:
                continue
        turn_id = interaction.turn_ids[number]
        labels.append(TurnLabel(number, turn_id, lesson.action, reward, lesson.weight, behaviour_logp))
    return labels


def _rejected(interaction: Interaction, lessons: Sequence[Lesson]) -> list[TurnLabel]:
    """Turns with a negative label whose utterance describes a figure: it describes another one than was picked."""
    turns = zip(interaction.steps, interaction.turn_ids, lessons, strict=True)
    return [
        TurnLabel(number, turn_id, step.action, 0.0, lesson.weight)
        for number, (step, turn_id, lesson) in enumerate(turns)
        if lesson.label == -1 and lesson.weight and describes(step.utterance)
    ]


def _decoded(action: str, verdict: DecodedFeedback | None, soft: bool) -> Lesson:
    if verdict is None or not says_something(verdict):
        return Lesson(action, None)
    return Lesson(action, verdict.label, max(0.0, 2 * verdict.confidence - 1) if soft else 1.0)
