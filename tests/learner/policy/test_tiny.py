"""Building the embedded policy: made-up dialogues and a short pretraining."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from games import GAMES
from games.core import Step
from games.figures import open_images
from learner.examples.seed import SEED_FILE, read_seed_games
from learner.policy import Policy
from learner.policy.tiny import modeling
from learner.policy.tiny.build import BuildSettings, build
from learner.policy.tiny.dialogues import Dialogue, DialogueTurn, ScriptedSpeaker
from learner.policy.tiny.pretrain import Encoder, PretrainSettings
from learner.protocol import BASE_ADAPTER, TurnRequest
from learner.settings import TINY_WEIGHTS

rules = GAMES["multiref"]
images = open_images("classic")
WORDS = {f"f{i}": [f"the thing number {i}", f"Thing {i}."] for i in range(20)}
SHORT = BuildSettings(
    width=32,
    layers=1,
    heads=2,
    known_descriptions=0.1,
    pretraining=PretrainSettings(
        align_steps=3, align_batch=16, language_steps=6, finish_steps=4, language_batch=4
    ),
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load("tiny", "cpu")


def played(seed: int, count: int = 200) -> list[Dialogue]:
    speaker = ScriptedSpeaker(WORDS, random.Random(seed))
    return [speaker.play("ABCDEFGHIJ", 9, 0.1) for _ in range(count)]


def test_every_made_up_turn_is_legal_and_its_state_follows_from_the_turn_before():
    for dialogue in played(0):
        state = rules.initial_state(dialogue.figures)
        for turn in dialogue.turns:
            assert turn.state == state
            rules.apply(state, turn.learn)
            state = rules.apply(state, turn.action)


def test_dialogues_hold_what_people_do():
    turns = [turn for dialogue in played(1) for turn in dialogue.turns]
    erred = [turn for turn in turns if turn.action != turn.learn]
    assert 0.1 < len(erred) / len(turns) < 0.5
    assert any(turn.learn.startswith("deselect") and "select" in turn.learn[8:] for turn in turns)
    assert any(turn.learn.startswith("deselect") and "select" not in turn.learn[8:] for turn in turns)
    assert any(turn.picture for turn in turns)


def test_dialogues_are_the_same_for_a_seed():
    assert played(3, 20) == played(3, 20)
    assert played(3, 20) != played(4, 20)


def test_a_build_can_be_loaded_and_plays(tmp_path: Path):
    summary = build(SHORT, tmp_path / "one")
    assert summary["figures"] == 232
    policy = Policy.load(str(tmp_path / "one"))
    request = TurnRequest(
        request_id="g:0",
        game_id="g",
        images="classic",
        context=open_images("classic").ids[:10],
        state="",
        utterance="a bird",
        adapter=BASE_ADAPTER,
    )
    ((action, logp),) = policy.act([request])
    assert action in GAMES["multiref"].legal_actions("")
    assert logp < 0


def test_the_same_seed_builds_the_same_model(tmp_path: Path):
    for name in ("one", "two"):
        build(SHORT, tmp_path / name)
    for file in ("model.safetensors", SEED_FILE):
        one, two = ((tmp_path / name / file).read_bytes() for name in ("one", "two"))
        assert one == two
    assert len(read_seed_games(tmp_path / "one" / SEED_FILE)) > 300


def test_figures_held_out_are_not_learnt_from(tmp_path: Path):
    settings = BuildSettings(**{**vars(SHORT), "holdout": 200})
    seen: set[str] = set()

    def watch(stage: str, *_: object) -> None:
        seen.add(stage)

    assert build(settings, tmp_path / "held", watch)["figures"] == 32
    card = json.loads((tmp_path / "held" / "build.json").read_text())
    assert (card["holdout"], card["summary"]["held_out"]) == (200, 200)
    assert seen == {"align", "language"}


def test_too_few_figures_are_refused_before_any_work(tmp_path: Path):
    with pytest.raises(ValueError, match="lower --holdout"):
        build(replace(SHORT, holdout=len(images.ids) - 5), tmp_path)


def test_the_shipped_weights_are_small_and_of_classic_alone():
    assert (TINY_WEIGHTS / "model.safetensors").stat().st_size <= 20 * 2**20
    assert '"images": "classic"' in (TINY_WEIGHTS / "build.json").read_text()


def test_letters_have_tokens_that_no_written_word_gives(policy: Policy):
    tokenise = policy.prompts.tokenise
    letters = {tokenise(letter) for letter in "ABCDEFGHIJ"}
    assert len(letters) == 10
    assert all(len(tokens) == 1 for tokens in letters)
    messages = rules.prompt(images.ids[:10], [], "", policy.backend.spell("A man. I see a C"))
    asked = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids[20:]
    assert not {token for tokens in letters for token in tokens} & set(asked)


def test_words_it_never_saw_are_read_in_pieces(policy: Policy):
    unknown = policy.backend.processor.tokenizer.unk_token_id
    assert unknown not in policy.prompts.tokenise("a zyzzyva's xylophone, 42!")


def test_nothing_a_person_writes_is_an_image_or_an_end(policy: Policy):
    messages = rules.prompt(images.ids[:10], [], "", "<image> <end> <act> <pad>")
    ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
    assert ids.count(policy.backend.image_token_id) == 10
    assert ids.count(policy.prompts.end_id) == 0


def test_pretraining_reads_dialogues_as_the_policy_reads_games(policy: Policy):
    figures = images.ids[20:30]
    steps = (Step("", "Yes, the Bird", "select B"), Step("B", "no, a man", "deselect B select C"))
    dialogue = Dialogue(
        "ABCDEFGHIJ",
        figures,
        tuple(DialogueTurn(step.state, step.utterance, step.action, step.action) for step in steps),
    )
    encoded = Encoder(policy.backend.processor.tokenizer)(dialogue)
    spelt = [Step(step.state, policy.backend.spell(step.utterance), step.action) for step in steps]
    messages = rules.prompt(figures, spelt[:1], spelt[1].state, spelt[1].utterance)
    ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
    assert tuple(encoded.ids[: len(ids)]) == ids
    assert encoded.learn[-5:] == list(range(len(ids), len(ids) + 5))


@pytest.fixture
def pointing(monkeypatch: pytest.MonkeyPatch):
    """The matcher's distribution in each message over all and over the selected figures, [messages, 10] each."""
    seen: list[torch.Tensor] = []
    shares = modeling._shares

    def noted(likeness: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
        seen.append(shares(likeness, among))
        return seen[-1]

    monkeypatch.setattr(modeling, "_shares", noted)

    def point(policy: Policy, figures: Sequence[str], past: Sequence[Step], state: str, utterance: str):
        seen.clear()
        spelt = [Step(step.state, policy.backend.spell(step.utterance), step.action) for step in past]
        messages = rules.prompt(figures, spelt, state, policy.backend.spell(utterance))
        prompt = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids)
        features = policy.figures.encode("classic", figures).rows()
        policy.backend.model.model.merge_embeddings(torch.tensor([prompt.ids]), features)
        return [shares[0, :, 1:][: len(past) + 1] for shares in seen]

    return point


def test_the_matcher_points_among_all_and_among_what_is_selected(policy: Policy, pointing):
    figures = images.ids[20:30]
    past = [Step("", "the bird. A C", "select B"), Step("B", "a man", "select E J")]
    every, taken = pointing(policy, figures, past, "B E J", "undo the man")
    held = torch.tensor([[letter in state for letter in "ABCDEFGHIJ"] for state in ("", "B", "B E J")])
    assert ((taken > 0) == held).all()
    assert every.sum(-1).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert taken.sum(-1).tolist() == pytest.approx([0.0, 1.0, 1.0])


def test_what_is_selected_is_less_likely_meant_and_what_was_taken_back_less_still(policy: Policy, pointing):
    figures, config = images.ids[20:30], policy.backend.model.config
    past = [
        Step("", "the same words", "select B C"),
        Step("B C", "the same words", "deselect B select D"),
    ]
    every, _ = pointing(policy, figures, past, "C D", "the same words")
    odds = (every / every[:, :1]).log()
    change = odds - odds[0]
    expected = torch.zeros(3, 10)
    expected[1, [1, 2]] = config.selected_bias  # B and C are selected
    expected[2, [2, 3]] = config.selected_bias  # C and D are, B is not any more
    expected[2, 1] = config.returned_bias
    assert config.returned_bias < config.selected_bias < 0
    assert change.flatten().tolist() == pytest.approx(expected.flatten().tolist(), abs=1e-4)


def test_word_embeddings_of_an_adapter_change_only_the_matcher(policy: Policy):
    """Otherwise the language part would no longer know the meaning of "remove"."""
    policy.new_adapter("new", rank=4, alpha=8, dropout=0.0)
    embeddings = policy.backend.model.get_input_embeddings()
    ids = torch.tensor([policy.prompts.tokenise("remove the bird")])
    embed = policy.backend.model.model.merge_embeddings
    read = embed(ids, None)
    with torch.no_grad():
        for parameter in embeddings.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    assert not torch.equal(embeddings(ids), read)
    assert torch.equal(embed(ids, None), read)
