"""The training of the matcher from the labels of turns."""

import math
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from games.core import Step
from games.figures import open_images
from learner.examples.labels import TrainingGame, TurnLabel
from learner.examples.seed import SeedError
from learner.policy import Policy
from learner.policy.backend import WarmStartSettings
from learner.policy.tiny.backend import TinyBackend
from learner.policy.tiny.grounding import (
    FULL_RATE_REFERENCES,
    LABEL_ODDS,
    TEMPERATURE,
    Grounding,
    Reference,
    known_references,
)
from learner.policy.tiny.known import KNOWN_FILE, NOTHING_KNOWN, KnownDescriptions, read_known, write_known
from learner.protocol import TurnRequest
from learner.settings import NOVICE_WEIGHTS, TINY_WEIGHTS, PolicyConfig

CLASSIC = open_images("classic")
FIGURES = CLASSIC.ids[:20]
NAMES = dict(zip(FIGURES, (
    "violin", "cactus", "kettle", "pirate", "tractor", "lemon", "volcano", "wizard", "zebra", "ladder",
    "pumpkin", "helmet", "octopus", "pyramid", "guitar", "scissors", "mushroom", "anchor", "balloon", "dentist",
), strict=True))  # fmt: skip


@pytest.fixture(scope="module")
def shared_policy() -> Policy:
    """The one that has most to learn."""
    return Policy.load("novice", device="cpu", temperature=PolicyConfig().temperature)


def game(number: int, wanted: str, others: list[str]) -> TrainingGame:
    """Games in which a figure is asked for by a name that it never had and selected, and then deselected."""
    rng = random.Random(number)
    context = rng.sample([wanted, *others], 10)
    letter = "ABCDEFGHIJ"[context.index(wanted)]
    steps = (
        Step("", f"the {NAMES[wanted]}", f"select {letter}"),
        Step(letter, "undo that", f"deselect {letter}"),
    )
    labels = tuple(TurnLabel(t, 2 * number + t, step.action, 1.0) for t, step in enumerate(steps))
    return TrainingGame(str(number), "multiref", "classic", tuple(context), steps, labels)


def played(times: int = 3) -> list[TrainingGame]:
    rng = random.Random(0)
    return [
        game(number, wanted, rng.sample([one for one in FIGURES if one != wanted], 9))
        for number, wanted in enumerate(FIGURES * times)
    ]


def grounding(policy: Policy, known: Sequence[Reference] = ()) -> Grounding:
    assert isinstance(policy.backend, TinyBackend)
    return Grounding(policy.backend.matching, policy, policy.backend.processor.tokenizer, known)


def references_of(policy: Policy, games: list[TrainingGame]) -> list[Reference]:
    return grounding(policy).references(games)


def ground(
    policy: Policy,
    games: list[TrainingGame],
    epochs: int,
    rate: float,
    known: Sequence[Reference] = (),
) -> list[float]:
    settings = WarmStartSettings(epochs, full(rate, games), dropout=0.0)
    return grounding(policy, known).train(games, settings, random.Random(0))


def likeliest(policy: Policy, words: Sequence[Sequence[int]], figures: Sequence[str]) -> list[int]:
    """For each message, the place of the figure that the matcher points at."""
    assert isinstance(policy.backend, TinyBackend)
    features = policy.figures.encode("classic", figures).rows()
    with torch.no_grad():
        return policy.backend.matching.logps(words, features).argmax(-1).tolist()


def full(rate: float, games: list[TrainingGame]) -> float:
    """The learning rate to set, so that training on these few games has the effective rate `rate`."""
    return rate * max(1.0, FULL_RATE_REFERENCES * len(FIGURES) / len(games))


def test_a_reference_is_the_words_of_a_turn_and_what_it_selects(policy: Policy):
    (found,) = references_of(policy, played()[:1])
    (wanted,) = found.figures
    assert policy.prompts.tokenise(f"the {NAMES[wanted]}") == found.words  # without the board and the state


def test_only_what_was_right_is_a_reference(policy: Policy):
    one = played()[0]
    wrong = replace(one, labels=tuple(replace(label, reward=-0.1) for label in one.labels))
    assert references_of(policy, [wrong]) == []


def test_grounding_learns_names_and_the_policy_acts_on_them(policy: Policy):
    games = played()
    policy.new_adapter("grounded", rank=16, alpha=32, dropout=0.0)
    language = [
        value
        for name, value in policy.backend.model.named_parameters()
        if "layers" in name and "lora" in name
    ]
    before = [value.clone() for value in language]
    losses = ground(policy, games, 16, 2e-3)
    policy.eval()
    least = math.log((LABEL_ODDS + 9) / LABEL_ODDS)  # sure of every figure that was picked among nine others
    assert losses[-1] - least < (losses[0] - least) / 3
    assert language and all(map(torch.equal, language, before))
    requests = [
        TurnRequest(
            request_id=f"{number}",
            game_id=f"{number}",
            images="classic",
            context=tuple(random.Random(number + 999).sample(one.context, 10)),
            state="",
            utterance=one.steps[0].utterance,
            adapter="grounded",
        )
        for number, one in enumerate(games[:20])
    ]
    right = 0
    for request, one, (action, _) in zip(requests, games, policy.act(requests, greedy=True), strict=False):
        wanted = one.context["ABCDEFGHIJ".index(one.steps[0].action[-1])]
        right += action == f"select {'ABCDEFGHIJ'[request.context.index(wanted)]}"
    assert right >= 15


def test_wrong_labels_are_outvoted_and_then_down_weighted(policy: Policy):
    """Accepted picks that are right only by accident are wrong labels; other games of the same words correct them."""
    games = played(times=6)
    wrong = games[0]
    (meant,) = references_of(policy, [wrong])[0].figures
    picked = next(figure for figure in wrong.context if figure != meant)
    letter = "ABCDEFGHIJ"[wrong.context.index(picked)]
    steps = (
        replace(wrong.steps[0], action=f"select {letter}"),
        Step(letter, wrong.steps[1].utterance, f"deselect {letter}"),
    )
    labels = tuple(
        replace(label, action=step.action) for label, step in zip(wrong.labels, steps, strict=True)
    )
    games[0] = replace(wrong, steps=steps, labels=labels)
    policy.new_adapter("grounded", rank=16, alpha=32, dropout=0.0)
    ground(policy, games, 16, 2e-3)
    policy.eval()
    weights = [game.labels[0].weight for game in grounding(policy).reweighted(games)]
    assert weights[0] < 0.2
    assert sum(weight > 0.8 for weight in weights[1:]) > 0.8 * len(weights[1:])
    assert all(
        game.labels[1].weight == 1 for game in grounding(policy).reweighted(games)
    )  # nothing is picked there


def test_the_softmax_that_it_learns_with_is_softer_than_that_of_play(policy: Policy):
    games = played(FULL_RATE_REFERENCES)  # so many that no word is exchanged
    references = references_of(policy, games)
    words = [each.words for each in references]
    features = policy.figures.encode("classic", FIGURES).rows()
    prior = torch.zeros(len(references), len(FIGURES))
    for row, each in zip(prior, references, strict=True):
        row[[FIGURES.index(figure) for figure in each.others]] = 1 / (LABEL_ODDS + 9)
        row[FIGURES.index(each.figures[0])] = LABEL_ODDS / (LABEL_ODDS + 9)
    policy.new_adapter("untrained", rank=16, alpha=32, dropout=0.0)
    with torch.no_grad():
        play = policy.backend.matching.logps(words, features)
    softer = (play / TEMPERATURE).log_softmax(-1)
    (loss,) = ground(policy, games, 1, 0.0)
    assert loss == pytest.approx(-float((softer + prior.log()).logsumexp(-1).mean()), abs=1e-4)
    assert TEMPERATURE > 1
    policy.eval()
    believed = (play + prior.log()).softmax(-1)  # as in play
    picked = [(each.turn, FIGURES.index(each.figures[0])) for each in references]
    expected = {turn: float(row[figure]) for (turn, figure), row in zip(picked, believed, strict=True)}
    found = {
        (game.game_id, at.step): at.weight
        for game in grounding(policy).reweighted(games)
        for at in game.labels
    }
    assert {turn: found[turn] for turn in expected} == pytest.approx(expected, abs=1e-4)


def test_a_won_game_says_what_its_turns_were_about(policy: Policy):
    one = played()[0]
    (open_ended,) = references_of(policy, [one])
    assert {*open_ended.figures, *open_ended.others} == {*one.context}
    final = (*open_ended.figures, *open_ended.others[:2])
    (won,) = references_of(policy, [replace(one, possible=final)])
    assert won.figures == open_ended.figures
    assert {*won.others} == {*open_ended.others[:2]}


def test_a_rejected_turn_was_about_another_figure(policy: Policy):
    one = played()[0]
    ((label, _), (picked,)) = one.labels, references_of(policy, [one])[0].figures
    rejected = replace(one, labels=(), rejected=(replace(label, reward=0.0),))
    (found,) = references_of(policy, [rejected])
    assert found.figures == ()
    assert {*found.others} == {*one.context} - {picked}
    (narrowed,) = references_of(policy, [replace(rejected, possible=tuple(one.context[:4]))])
    assert {*narrowed.others} == {*one.context[:4]} - {picked}


def test_names_are_learnt_from_rejections_alone(policy: Policy):
    """Each name is used on several boards and always rejected: the only figure on all of them must be meant."""
    games = []
    for one in played(times=10):
        wanted = one.context["ABCDEFGHIJ".index(one.steps[0].action[-1])]
        other = next(figure for figure in one.context if figure != wanted)
        letter = "ABCDEFGHIJ"[one.context.index(other)]
        step, label = replace(one.steps[0], action=f"select {letter}"), one.labels[0]
        rejected = (replace(label, action=step.action, reward=0.0),)
        games.append(replace(one, steps=(step,), labels=(), rejected=rejected))
    policy.new_adapter("grounded", rank=16, alpha=32, dropout=0.0)
    ground(policy, games, 32, 2e-3)
    policy.eval()
    words = [policy.prompts.tokenise(f"the {NAMES[figure]}") for figure in FIGURES]
    best = likeliest(policy, words, FIGURES)
    assert sum(place == number for number, place in enumerate(best)) >= 15


def test_what_the_base_knows_is_rehearsed_and_so_not_forgotten(policy: Policy):
    """New names are learnt at a high rate."""
    known = known_references(read_known(NOVICE_WEIGHTS), policy.backend.processor.tokenizer)
    games = played(times=6)
    ids = sorted({figure for each in known for figure in each.figures})

    def right() -> float:
        policy.eval()
        best = likeliest(policy, [each.words for each in known], ids)
        return sum(ids[place] in each.figures for place, each in zip(best, known, strict=True)) / len(known)

    before = right()
    after = []
    for name, also, epochs in (("without", [], 32), ("with", known, 16)):  # as many steps
        policy.new_adapter(name, rank=16, alpha=32, dropout=0.0)
        ground(policy, games, epochs, 1e-2, also)
        after.append(right())
    assert after[0] < before / 2
    assert after[1] > before - 0.02


def test_a_policy_brings_what_it_was_pretrained_on(tmp_path: Path):
    for folder, figures, descriptions in ((TINY_WEIGHTS, 232, 8947), (NOVICE_WEIGHTS, 97, 192)):
        known = read_known(folder)
        assert (len(known.figures), sum(map(len, known.figures.values()))) == (figures, descriptions)
        assert {figure: {*said} <= {*CLASSIC[figure].words} for figure, said in known.figures.items()} == (
            dict.fromkeys(known.figures, True)
        )
    assert read_known(tmp_path) == NOTHING_KNOWN


def test_what_is_not_on_this_machine_is_not_rehearsed(tmp_path: Path):
    words = {"bat-05": ("a bat",), "no-such-figure": ("a ghost",)}
    write_known(KnownDescriptions(images="classic", figures=words), tmp_path)
    assert read_known(tmp_path).figures == {"bat-05": ("a bat",)}
    for images in ("kilogram:/nowhere", "kilogram:~nobody/x", f"kilogram:/{'x' * 5000}", "unheard-of", ""):
        write_known(KnownDescriptions(images=images, figures={"page1-1": ("a bat",)}), tmp_path)
        assert read_known(tmp_path) == NOTHING_KNOWN


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"images": 5, "figures": {}}',
        '{"images": "classic", "figures": 1}',
        '{"images": "classic", "figures": {"bat-05": "a bat"}}',
        '{"images": "classic", "figures": {"bat-05": {"a": 1}}}',
        '{"images": "classic", "figures": {"bat-05": [null, 1]}}',
        '{"images": "classic", "figures": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_a_damaged_file_of_descriptions_is_refused_in_a_sentence(tmp_path: Path, content: str):
    (tmp_path / KNOWN_FILE).write_text(content)
    with pytest.raises(SeedError, match=f"{KNOWN_FILE} is damaged: build or install the policy again"):
        read_known(tmp_path)


def test_a_policy_plays_without_its_descriptions_and_says_when_they_are_others(tmp_path: Path):
    folder = tmp_path / "policy"
    shutil.copytree(NOVICE_WEIGHTS, folder)
    digests = set()
    for content in (
        (folder / KNOWN_FILE).read_text(),
        '{"images": "classic", "figures": {"bat-05": ["bat"]}}',
    ):
        (folder / KNOWN_FILE).write_text(content)
        digests.add(Policy.load(str(folder), device="cpu").backend.rehearsed())
    assert len(digests) == 2
    (folder / KNOWN_FILE).write_text("damaged")
    policy = Policy.load(str(folder), device="cpu")
    with pytest.raises(SeedError):
        policy.backend.rehearsed()
