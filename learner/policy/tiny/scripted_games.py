"""Scripted dialogues as seed games, on boards of figures with given descriptions."""

import random
from collections.abc import Mapping, Sequence

from games import DEFAULT_GAME, GAMES
from games.letters import LETTERS, format_action, format_state
from learner.examples.seed import SeedGame, SeedStep
from learner.policy.tiny.dialogues import ScriptedSpeaker, in_words

BOARD = max(GAMES[DEFAULT_GAME].board_sizes)
"""Number of figures on the board of a dialogue."""


def scripted_games(
    descriptions: Mapping[str, Sequence[str]], images: str, count: int, turns: int, seed: int
) -> list[SeedGame]:
    """Dialogues like those of the embedded policy's pretraining, of at most `turns` turns."""
    speaker = ScriptedSpeaker(descriptions, random.Random(f"seed games {seed}"))
    games = []
    for _ in range(count):
        dialogue = speaker.play(LETTERS[:BOARD], turns)
        steps = tuple(
            SeedStep(
                state=turn.state,
                utterance=in_words(turn.utterance),
                action=turn.action,
                right=turn.learn if turn.learn == turn.action else None,
            )
            for turn in dialogue.turns
        )
        games.append(SeedGame(game=DEFAULT_GAME, images=images, context=dialogue.figures, steps=steps))
    return games


def naming_games(
    descriptions: Mapping[str, Sequence[str]], images: str, count: int, turns: int, seed: int
) -> list[SeedGame]:
    """The simplest games: one figure after another is selected, with no mistake, by the shorter half of its
    descriptions."""
    rng = random.Random(f"naming games {seed}")
    games = []
    for _ in range(count):
        context = tuple(rng.sample(list(descriptions), BOARD))
        selected, steps = frozenset[str](), []
        for place in rng.sample(range(BOARD), min(turns, BOARD)):
            said = sorted(descriptions[context[place]], key=len)
            letter = frozenset(LETTERS[place])
            action = format_action(frozenset(), letter)
            steps.append(
                SeedStep(
                    state=format_state(selected),
                    utterance=rng.choice(said[: (len(said) + 1) // 2]),
                    action=action,
                    right=action,
                )
            )
            selected |= letter
        games.append(SeedGame(game=DEFAULT_GAME, images=images, context=context, steps=tuple(steps)))
    return games
