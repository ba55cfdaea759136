"""The embedded policy on boards of every game: legal actions, exact propensities, labels are not words."""

import math
import random

import pytest
import torch

from games import GAMES
from games.core import Game, Step
from games.figures import open_images
from learner.policy import Example, Policy
from learner.policy.tiny.backend import TinyBackend
from learner.protocol import BASE_ADAPTER, TurnRequest, turn_request

IMAGES = open_images("classic")
BOARDS = [(game, size) for game in GAMES.values() for size in (min(game.board_sizes), max(game.board_sizes))]
every_board = pytest.mark.parametrize(
    ("game", "size"), BOARDS, ids=[f"{game.name}-{size}" for game, size in BOARDS]
)


def turns(game: Game, size: int, name: str = "") -> list[TurnRequest]:
    """The turns of a game with its last label selected in the first, and another figure in each, if its rules
    allow it."""
    context = tuple(random.Random(size).sample(IMAGES.ids, size))
    state, steps, found = game.initial_state(context), [], []
    for number in range(game.max_turns):
        figure = context[-1 - number]
        utterance = f"{'no. ' if number else ''}the {IMAGES[figure].names[0]}"
        found.append(
            turn_request(
                game_id=f"{name}{game.name}-{size}",
                game=game.name,
                images=IMAGES.spec,
                context=context,
                steps=steps,
                state=state,
                utterance=utterance,
                adapter=BASE_ADAPTER,
            )
        )
        legal = game.legal_actions(state)
        clicks = (each for each in legal if figure in game.clicked(context, each))
        action = game.action_to(context, state, frozenset([figure])) or next(clicks, legal[0])
        steps.append(Step(state, utterance, action))
        state = game.apply(state, action)
        if number == 3:
            break
    return found


def recomputed(policy: Policy, asked: TurnRequest, action: str) -> float:
    steps = [Step(past.state, past.utterance, past.action) for past in asked.history]
    steps.append(Step(asked.state, asked.utterance, action))
    wanted = ((),) * len(asked.history) + ((action,),)
    example = Example(asked.images, asked.context, tuple(steps), wanted, asked.game)
    with torch.no_grad():
        return float(policy.forward_logps(policy.batch([example]), BASE_ADAPTER).sum)


@every_board
def test_actions_are_legal_and_propensities_exact(policy: Policy, game: Game, size: int):
    for asked in turns(game, size):  # one after another: the later ones are read from the cache
        ((action, logp),) = policy.act([asked])
        every = policy.all_action_logps(asked)
        assert set(every) == set(game.legal_actions(asked.state))
        assert math.fsum(map(math.exp, every.values())) == pytest.approx(1.0, abs=1e-4)
        assert every[action] == pytest.approx(logp, abs=1e-4)
        assert recomputed(policy, asked, action) == pytest.approx(logp, abs=1e-4)


def test_a_batch_over_games_and_board_sizes_answers_as_one_by_one(policy: Policy):
    asked = [request for game, size in BOARDS for request in turns(game, size, "together-")]
    for one, (action, logp) in zip(asked, policy.act(asked), strict=True):
        assert action in GAMES[one.game].legal_actions(one.state)
        assert recomputed(policy, one, action) == pytest.approx(logp, abs=1e-4)


@every_board
def test_labels_of_the_board_do_not_count_as_words(policy: Policy, game: Game, size: int):
    """Also for labels that the model was not built with: the matcher ignores the letters of the selection."""
    backend = policy.backend
    assert isinstance(backend, TinyBackend)
    *past, asked = turns(game, size)
    steps = [Step(each.state, backend.spell(each.utterance), each.action) for each in asked.history]
    messages = game.prompt(asked.context, steps, asked.state, backend.spell(asked.utterance))
    prompt = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids)
    heard = backend.matching.descriptions(prompt.ids)
    labels = {policy.prompts.tokenise(part.text)[0] for part in messages[0].parts[:-1:2]}  # type: ignore[union-attr]
    assert len(labels) == size
    assert len(heard) == len(past) + 1
    for message, said in zip(
        heard, [*(step.utterance for step in steps), backend.spell(asked.utterance)], strict=True
    ):
        tokens = policy.prompts.tokenise(said)
        assert message
        for description in message:
            assert not labels & set(description)
            assert set(description) <= set(tokens)


def test_a_policy_that_has_warmed_up_builds_nothing_in_the_second_turn(policy: Policy):
    """Except in states with more figures than a game has targets."""
    game = GAMES["pick"]
    warm = Policy(policy.backend, games={game.name: game})
    for _ in warm.warming():
        pass
    grammar = warm._grammar(game.name)
    built = grammar.trie.cache_info().misses
    for size in game.board_sizes:
        context = IMAGES.ids[:size]
        for action in game.legal_actions(game.initial_state(context)):
            state = game.apply(game.initial_state(context), action)
            assert len(game.selected(context, state)) <= game.max_targets
            grammar.trie(state)
    assert built == grammar.trie.cache_info().misses > 10
