"""Building the embedded policy: made-up dialogues and a short pretraining; and what its model does with words."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from games import GAMES
from games.core import Step
from games.figures import open_images
from games.words import plain, spoken
from learner.examples.seed import SEED_FILE, read_seed_games
from learner.feedback.rules.lexicon import DESELECT_VERBS
from learner.policy import Policy
from learner.policy.loading import load_base
from learner.policy.tiny import modeling, phrases
from learner.policy.tiny.align import AlignSettings
from learner.policy.tiny.backend import TinyBackend
from learner.policy.tiny.build import BuildSettings, LanguageBuild, build, build_language
from learner.policy.tiny.dialogues import Description, Dialogue, DialogueTurn, ScriptedSpeaker, in_words
from learner.policy.tiny.known import KNOWN_FILE
from learner.policy.tiny.pretrain import Encoder, LanguageSettings, ScriptedMatcher, some_letters
from learner.policy.tiny.tokenizer import AGAIN, CLOSES, OPENS
from learner.protocol import BASE_ADAPTER, PastStep, TurnRequest
from learner.settings import TINY_WEIGHTS

rules = GAMES["multiref"]
images = open_images("classic")
WORDS = {f"f{i}": [f"the thing number {i}", f"Thing {i}."] for i in range(20)}
SHORT = BuildSettings(
    known_descriptions=0.1, seed_games=40, training=AlignSettings(steps=3, batch=16, views=2, drawings=60)
)
OBJECT = re.compile(rf"\b({'|'.join(DESELECT_VERBS)}) it\b")
"""What the marker gives a verb that has no object."""
TYPED = st.text(st.one_of(st.sampled_from("AaBb .,'’“«»…🦆👍犬船öЖ0:#"), st.characters()), max_size=40)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load("tiny", "cpu")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a short build, and its summary."""
    folder = tmp_path_factory.mktemp("built") / "one"
    return folder, build(SHORT, folder)


def played(seed: int, count: int = 200) -> list[Dialogue]:
    speaker = ScriptedSpeaker(WORDS, random.Random(seed))
    return [speaker.play("ABCDEFGHIJ", 9) for _ in range(count)]


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
    named = [sum(isinstance(part, Description) for part in turn.utterance) for turn in turns]
    assert {1, 2, 3} <= {*named}
    assert any(named == 2 and len(turn.learn.split()) == 2 for named, turn in zip(named, turns, strict=True))


def test_every_kind_of_phrase_is_said():
    """So that none is left out by accident."""
    said = {in_words(turn.utterance) for dialogue in played(5, 1500) for turn in dialogue.turns}
    plain_kinds = (phrases.CLEAR, phrases.CLEAR_TWO, phrases.UNDO, phrases.UNDO_FIRST, phrases.UNDO_TWO)
    for kind in plain_kinds:
        rng = random.Random(0)
        assert any("".join(part for part in phrases.say(kind, rng)) in said for _ in range(400))  # type: ignore[misc]
    assert any(" instead of " in words for words in said)
    assert any("i wanted " in words for words in said)
    assert any(" other two " in words for words in said) and any(" back please" in words for words in said)


def test_dialogues_are_the_same_for_a_seed():
    assert played(3, 20) == played(3, 20)
    assert played(3, 20) != played(4, 20)


def test_a_build_can_be_loaded_and_plays(built: tuple[Path, dict[str, Any]]):
    folder, summary = built
    assert summary["figures"] == 232
    policy = Policy.load(str(folder))
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


def test_the_same_seed_builds_the_same_model(built: tuple[Path, dict[str, Any]], tmp_path: Path):
    folder, _ = built
    build(SHORT, tmp_path / "two")
    for file in ("model.safetensors", SEED_FILE, KNOWN_FILE):
        assert (folder / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert len(read_seed_games(folder / SEED_FILE)) == 40


def test_a_build_keeps_nothing_of_the_figures_that_its_language_part_came_with(
    built: tuple[Path, dict[str, Any]], tmp_path: Path
):
    """Otherwise figures that are held out would have been seen."""
    folder, _ = built  # from the language part of the shipped weights
    assert str(TINY_WEIGHTS) == SHORT.language
    build(replace(SHORT, language=str(folder)), tmp_path / "two")
    parts = [load_base(str(each), torch.device("cpu")).model.model for each in (folder, tmp_path / "two")]
    parts = [part.state_dict() for part in parts]
    assert parts[0].keys() == parts[1].keys()
    assert all(torch.equal(parts[0][name], parts[1][name]) for name in parts[0])


def test_figures_held_out_are_not_learnt_from(tmp_path: Path):
    seen: set[str] = set()

    def watch(stage: str, *_: object) -> None:
        seen.add(stage)

    assert build(replace(SHORT, holdout=200), tmp_path / "held", watch)["figures"] == 32
    card = json.loads((tmp_path / "held" / "build.json").read_text())
    assert (card["holdout"], card["summary"]["held_out"]) == (200, 200)
    assert seen == {"align"}


def test_too_few_figures_are_refused_before_any_work(tmp_path: Path):
    with pytest.raises(ValueError, match="lower --holdout"):
        build(replace(SHORT, holdout=len(images.ids) - 5), tmp_path)


def test_a_language_part_is_built_from_a_sentence_encoder(tmp_path: Path):
    encoder = sentence_encoder(tmp_path / "encoder")
    few = LanguageSettings(tagger_steps=3, tagger_batch=2, steps=3, batch=2)
    settings = LanguageBuild(vocabulary=80, width=32, layers=1, heads=2, image_size=32, training=few)
    build_language(settings, encoder, tmp_path / "language")
    build(replace(SHORT, language=str(tmp_path / "language")), tmp_path / "policy")
    policy = Policy.load(str(tmp_path / "policy"))
    known = policy.backend.processor.tokenizer.get_vocab()
    assert {"duck", "house", "##s"} <= known.keys()
    assert policy.backend.spell("The Duck")


def test_a_folder_without_a_sentence_encoder_is_refused(tmp_path: Path):
    with pytest.raises(OSError, match="sentence encoder"):
        build_language(LanguageBuild(), tmp_path, tmp_path / "language")


def sentence_encoder(folder: Path) -> Path:
    """A tiny random BERT with few words."""
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "duck", "house", "man", "the", "a", "select", "##s", "##ed"]
    words += [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    pieces = WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(pieces),
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


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
    messages = rules.prompt(images.ids[:10], [], "", policy.backend.spell("<image> <end> <act> <pad> <word>"))
    ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
    assert ids.count(policy.backend.image_token_id) == 10
    assert ids.count(policy.prompts.end_id) == 0
    assert ids.count(policy.backend.model.config.word_token_id) == 0


@given(TYPED)
@settings(max_examples=150, deadline=None)
def test_marks_stand_around_whole_words_and_change_none(shared_policy: Policy, typed: str):
    said = spoken(plain(typed))
    spelt = shared_policy.backend.spell(plain(typed))
    without = spelt.removeprefix(AGAIN).replace(OPENS, " ").replace(CLOSES, " ")
    if spelt.startswith(AGAIN):  # "undo" becomes "undo it"
        without, said = (OBJECT.sub(r"\1", text) for text in (without, said))
    assert "".join(without.split()) == "".join(said.split())
    assert shared_policy.prompts.tokenise(" ".join(without.split())) == shared_policy.prompts.tokenise(
        " ".join(said.split())
    )
    depth = 0
    for char in spelt:
        depth += (char == OPENS) - (char == CLOSES)
        assert 0 <= depth <= 1
    assert depth == 0


def test_pretraining_reads_dialogues_as_the_policy_reads_games(policy: Policy):
    """Apart from the words of descriptions, which the language part does not read."""
    figures = images.ids[20:30]
    said = (
        ("yes, ", Description("the Bird", "C")),
        ("no, ", Description("a man", "D"), " and ", Description("tree", "E")),
    )
    actions, states = ("select B", "deselect B select D E"), ("", "B")
    dialogue = Dialogue(
        "ABCDEFGHIJ",
        figures,
        tuple(DialogueTurn(s, u, a, a) for s, u, a in zip(states, said, actions, strict=True)),
    )
    rng = random.Random(0)
    encoded = Encoder(policy.backend.processor.tokenizer)(
        dialogue, ScriptedMatcher("ABCDEFGHIJ", rng), 0.0, rng
    )
    spelt = ("yes, « the bird »", f"{AGAIN} no, « a man » and « tree »")
    steps = [Step(s, u, a) for s, u, a in zip(states, spelt, actions, strict=True)]
    messages = rules.prompt(figures, steps[:1], states[1], spelt[1])
    ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
    assert _without_words(
        policy, encoded.ids[: -len(policy.prompts.tokenise(actions[1])) - 1]
    ) == _without_words(policy, ids)
    assert encoded.learn[-6:] == list(range(len(encoded.ids) - 6, len(encoded.ids)))
    assert len(encoded.messages) == 2
    assert len(encoded.descriptions) == 3


def _without_words(policy: Policy, ids: Sequence[int]) -> list[int]:
    config = policy.backend.model.config
    kept, inside = [], False
    for token in ids:
        inside = (inside or token == config.opens_token_id) and token != config.closes_token_id
        if not inside or token == config.opens_token_id:
            kept.append(token)
    return kept


def test_boards_of_pretraining_have_every_label():
    rng = random.Random(0)
    seen = {letter for _ in range(50) for letter in some_letters(rng)}
    assert len(seen) == 12


def test_a_scripted_matcher_is_better_than_chance_and_errs():
    rng = random.Random(0)
    best = []
    for _ in range(300):
        matcher = ScriptedMatcher("ABCDEFGHIJ", rng)
        best.append(int(np.argmax(matcher.logits("D"))) == 3)
    assert 0.4 < np.mean(best) < 0.95


@pytest.fixture
def pointing(monkeypatch: pytest.MonkeyPatch):
    """The matcher's distribution over all and over the selected figures: [messages + descriptions, 10] each."""
    seen: list[torch.Tensor] = []
    shares = modeling._shares

    def noted(likeness: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
        seen.append(shares(likeness, among))
        return seen[-1]

    monkeypatch.setattr(modeling, "_shares", noted)

    def point(policy: Policy, figures: Sequence[str], past: Sequence[Step], state: str, utterance: str):
        seen.clear()
        messages = rules.prompt(figures, past, state, utterance)
        prompt = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids)
        features = policy.figures.encode("classic", figures).rows()
        policy.backend.model.model.merge_embeddings(torch.tensor([prompt.ids]), features)
        rows = [each[0, :, 1:] for each in seen]
        turns = len(past) + 1
        return [(each[:turns], each[turns + 1 :]) for each in rows]

    return point


def test_the_matcher_points_among_all_and_among_what_is_selected(policy: Policy, pointing):
    figures = images.ids[20:30]
    past = [Step("", "« the bird ». a c", "select B"), Step("B", "« a man »", "select E J")]
    (every, _), (taken, _) = pointing(policy, figures, past, "B E J", "undo « the man »")
    held = torch.tensor([[letter in state for letter in "ABCDEFGHIJ"] for state in ("", "B", "B E J")])
    assert ((taken > 0) == held).all()
    assert every.sum(-1).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert taken.sum(-1).tolist() == pytest.approx([0.0, 1.0, 1.0])


def test_what_is_selected_or_was_taken_back_is_less_likely_meant(policy: Policy, pointing, monkeypatch):
    figures, config = images.ids[20:30], policy.backend.model.config
    assert config.returned_bias < 0 and config.selected_bias < 0
    monkeypatch.setattr(config, "selected_bias", -1.0)  # they are told apart
    past = [
        Step("", "the same words", "select B C"),
        Step("B C", "the same words", "deselect B select D"),
    ]
    (every, _), _ = pointing(policy, figures, past, "C D", "the same words")
    odds = (every / every[:, :1]).log()
    change = odds - odds[0]
    expected = torch.zeros(3, 10)
    expected[1, [1, 2]] = config.selected_bias  # B and C are selected
    expected[2, [2, 3]] = config.selected_bias  # C and D are, B is not any more
    expected[2, 1] = config.returned_bias
    assert change.flatten().tolist() == pytest.approx(expected.flatten().tolist(), abs=1e-4)


def test_a_rejection_takes_back_the_last_pick_rather_than_an_earlier_one(policy: Policy, pointing):
    figures, config = images.ids[20:30], policy.backend.model.config
    past = [
        Step("", "the same words", "select B"),
        Step("B", "the same words", "select C E"),
        Step("B C E", "the same words", "select D"),
    ]
    for said, newest in ((f"{AGAIN} the same words", {3}), ("the same words", set[int]())):
        _, (taken, _) = pointing(policy, figures, past, "B C D E", said)
        odds = (taken[-1] / taken[-1, 1]).log()
        (every, _), _ = pointing(policy, figures, past, "", "the same words")
        alone = (every[0] / every[0, 1]).log()
        for figure in (2, 3, 4):
            bias = config.newest_bias if figure in newest else 0.0
            assert float(odds[figure]) == pytest.approx(float(alone[figure]) + bias, abs=1e-4)
    assert config.newest_bias > 0


def test_each_description_points_by_its_own_words(policy: Policy, pointing):
    """Whatever else is said in the message; the message as a whole is the mean of all."""
    figures = images.ids[20:30]
    (_, each), _ = pointing(policy, figures, [], "", "« the kneeling man » and then « a boat »")
    for place, words in enumerate(("« the kneeling man »", "« a boat »")):
        (whole, alone), _ = pointing(policy, figures, [], "", f"hello. {words}")
        assert torch.allclose(each[place], alone[0], atol=1e-6)
        assert torch.allclose(whole[0], alone[0], atol=1e-6)


def test_a_description_points_at_what_is_selected_as_far_as_it_is_of_that(policy: Policy, pointing):
    """So that the language part can tell "not the duck" about a selected duck from one about another figure."""
    figures = images.ids[20:30]
    for other in figures[3:]:  # words of a selected figure and of another one
        said = f"« {images[figures[1]].names[0]} {images[other].names[0]} »"
        (_, own), _ = pointing(policy, figures, [], "", said)
        if 0.1 < own[0, 1] + own[0, 2] < 0.9:
            break
    _, (_, taken) = pointing(policy, figures, [], "B C", said)
    messages = rules.prompt(figures, [], "B C", said)
    ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
    embeddings = policy.backend.model.model.merge_embeddings(
        torch.tensor([ids]), policy.figures.encode("classic", figures).rows()
    )[0]
    of = policy.backend.processor.tokenizer.convert_tokens_to_ids
    opens, second, third = policy.backend.model.get_input_embeddings()(torch.tensor(of([OPENS, "B", "C"])))
    fits = own[0, 1] + own[0, 2]
    expected = opens + fits * (taken[0, 1] * second + taken[0, 2] * third)
    assert 0.1 < fits < 0.9
    assert torch.allclose(embeddings[ids.index(of(OPENS))], expected, atol=1e-4)


def test_grounding_reads_the_descriptions_that_the_model_points_by(policy: Policy):
    backend = policy.backend
    assert isinstance(backend, TinyBackend)
    messages = rules.prompt(
        images.ids[:10], [Step("", "« a duck » and « a man »", "select A B")], "A B", "great"
    )
    ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
    tokens = policy.prompts.tokenise
    assert backend.matching.descriptions(ids) == [[tokens("a duck"), tokens("a man")], [tokens("great")]]


def test_the_language_part_does_not_read_words_of_descriptions(policy: Policy):
    embed = policy.backend.model.model.merge_embeddings
    figures = images.ids[20:30]
    features = policy.figures.encode("classic", figures).rows()
    read = []
    for words in ("« a house »", "« the duck »"):
        messages = rules.prompt(figures, [], "", f"no, {words}")
        ids = policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
        read.append(embed(torch.tensor([ids]), features)[0])
    (differ,) = ((read[0] - read[1]).abs().amax(-1) > 1e-6).nonzero(as_tuple=True)
    tokens = policy.backend.processor.tokenizer.convert_ids_to_tokens(list(ids))
    assert {tokens[place] for place in differ} <= {CLOSES, "<summary>"}
    assert len(differ) == 2


def test_adapters_change_the_matchers_words_alone(policy: Policy):
    """Otherwise the language part would no longer know the meaning of "remove"."""
    policy.new_adapter("new", rank=4, alpha=8, dropout=0.0)
    ids = torch.tensor([policy.prompts.tokenise("remove the bird")])
    matcher, embed = policy.backend.model.model.matcher, policy.backend.model.model.merge_embeddings
    read, before = embed(ids, None), matcher.words(ids)
    with torch.no_grad():
        for parameter in matcher.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    assert not torch.equal(matcher.words(ids), before)
    assert torch.equal(embed(ids, None), read)


def test_what_rejects_is_about_the_same_figure_as_what_was_said_before(policy: Policy, pointing):
    figures, config = images.ids[20:30], policy.backend.model.config
    first, second = "« the kneeling man »", "« a boat »"
    (alone, _), _ = pointing(policy, figures, [], "", first)
    (other, _), _ = pointing(policy, figures, [], "", second)
    held = torch.zeros(10)
    held[1] = config.selected_bias
    past = [Step("", first, "select B")]
    for said, expected in (
        (f"{AGAIN} no", alone[0].log() + 2 * held),
        (f"{AGAIN} no, {second}", alone[0].log() + other[0].log() + 2 * held),
        (f"yes, {second}", other[0].log() + held),
    ):
        (whole, each), _ = pointing(policy, figures, past, "B", said)
        assert torch.allclose(whole[1], expected.softmax(-1), atol=1e-5)
        assert all(torch.allclose(own, whole[1], atol=1e-5) for own in each[1:])


@pytest.mark.parametrize("picked", [1, 4])
def test_a_description_of_the_last_pick_is_not_about_what_was_said_before(
    policy: Policy, pointing, picked: int
):
    """The more it fits the last pick: in "the kneeling man, not the boat" the boat that was picked is a boat."""
    figures, config = images.ids[20:30], policy.backend.model.config
    asked, named = "« the kneeling man »", f"« {images[figures[1]].names[0]} »"
    held = torch.zeros(10)
    held[picked] = config.selected_bias
    past = [Step("", asked, f"select {'ABCDEFGHIJ'[picked]}")]
    (_, each), _ = pointing(policy, figures, past, "ABCDEFGHIJ"[picked], f"{AGAIN} no, {asked}, not {named}")
    (before, _), _ = pointing(policy, figures, [], "", asked)
    for place, words in enumerate((asked, named), 1):
        (own, _), _ = pointing(policy, figures, [], "", words)
        expected = own[0].log() + held + (1 - own[0, picked]) * (before[0].log() + held)
        assert torch.allclose(each[place], expected.softmax(-1), atol=1e-5)


def test_a_description_alone_counts_with_what_was_said_before(policy: Policy, pointing):
    """Even if it fits the last pick best: "no, the boat with a tall sail" describes anew what was asked for."""
    figures, config = images.ids[20:30], policy.backend.model.config
    asked, anew = "« the kneeling man »", f"« {images[figures[1]].names[0]} »"
    (before, _), _ = pointing(policy, figures, [], "", asked)
    (own, _), _ = pointing(policy, figures, [], "", anew)
    held = torch.zeros(10)
    held[1] = config.selected_bias
    (_, each), _ = pointing(policy, figures, [Step("", asked, "select B")], "B", f"{AGAIN} no, {anew}")
    expected = own[0].log() + before[0].log() + 2 * held
    assert torch.allclose(each[1], expected.softmax(-1), atol=1e-5)


def test_prompts_with_different_numbers_of_descriptions_are_the_same_together_and_alone(policy: Policy):
    model, figures = policy.backend.model.model, images.ids[20:30]
    features = policy.figures.encode("classic", figures).rows()
    past = [Step("", "« a boat »", "select B")]
    prompts = []
    for before, said in (
        (past, f"{AGAIN} no, « the man », not « a boat » and not « a tall house »"),
        ([], "hello there"),
        (past, "« a duck »"),
        ([], "« a duck » and « a man »"),
    ):
        messages = rules.prompt(figures, before, "B" if before else "", said)
        prompts.append(
            policy.prompts.build(messages, lambda figure: policy.figures("classic", figure).ids).ids
        )
    longest = max(map(len, prompts))
    padded = torch.tensor([[*ids, *[0] * (longest - len(ids))] for ids in prompts])
    together = model.merge_embeddings(padded, features.repeat(len(prompts), 1))
    for row, ids in enumerate(prompts):
        alone = model.merge_embeddings(torch.tensor([ids]), features)[0]
        assert torch.allclose(together[row, : len(ids)], alone, atol=1e-5)


def test_a_message_is_about_the_mean_of_its_descriptions_however_long_they_are(policy: Policy, pointing):
    figures = images.ids[20:30]
    several = (
        "« a boat »",
        "« the kneeling man with one very long arm, who looks to the left »",
        "« a tall house »",
    )
    logs = []
    for words in several:
        (alone, _), _ = pointing(policy, figures, [], "", words)
        logs.append(alone[0].log())
    (whole, each), _ = pointing(policy, figures, [], "", " and ".join(several))
    assert len(each) == len(several)
    assert torch.allclose(whole[0], torch.stack(logs).mean(0).softmax(-1), atol=1e-5)


def test_a_second_rejection_goes_back_to_the_first_description(policy: Policy, pointing, monkeypatch):
    figures, config = images.ids[20:30], policy.backend.model.config
    monkeypatch.setattr(config, "selected_bias", -1.0)  # told apart from that of figures that were taken back
    past = [Step("", "« a boat »", "select B"), Step("B", f"{AGAIN} no", "deselect B select C")]
    (whole, _), _ = pointing(policy, figures, past, "C", f"{AGAIN} wrong, try again")
    (alone, _), _ = pointing(policy, figures, [], "", "« a boat »")
    held = torch.zeros(10)
    held[1], held[2] = config.returned_bias, config.selected_bias
    assert torch.allclose(whole[2], (alone[0].log() + 2 * held).softmax(-1), atol=1e-5)


def mixed_board(number: int) -> tuple[str, ...]:
    """Ten figures of many kinds, others for each number to 22: names tell them apart."""
    return images.ids[number::23][:10]


def test_the_next_best_figure_is_picked_after_a_plain_no(policy: Policy):
    """As typed by a person, through the bot's normaliser."""
    figures = mixed_board(0)
    found = 0
    for figure in figures:
        said = images[figure].names[0].upper()
        right = "ABCDEFGHIJ"[figures.index(figure)]
        letter = "A" if right != "A" else "B"
        request = TurnRequest(
            request_id="g:1",
            game_id=f"g-{figure}",
            images="classic",
            context=figures,
            history=(PastStep(state="", utterance=plain(said), action=f"select {letter}"),),
            state=letter,
            utterance=plain("No, that isn’t it"),
            adapter=BASE_ADAPTER,
        )
        ((action, _),) = policy.act([request], greedy=True)
        found += action == f"deselect {letter} select {right}"
    assert found >= 7


def after(board: int, number: int, said: Mapping[str, str], typed: str) -> TurnRequest:
    """A turn on a board on which one figure after another was selected: letter -> what was said for it."""
    picked = list(said)
    return TurnRequest(
        request_id=f"{board}-{number}",
        game_id=f"{board}-{number}",
        images="classic",
        context=mixed_board(board),
        history=tuple(
            PastStep(state=" ".join(picked[:place]), utterance=plain(words), action=f"select {letter}")
            for place, (letter, words) in enumerate(said.items())
        ),
        state=" ".join(picked),
        utterance=plain(typed),
        adapter=BASE_ADAPTER,
    )


def names_on(board: int) -> list[str]:
    """A name of each figure of a board."""
    return [images[figure].names[0] for figure in mixed_board(board)]


def after_two_picks(board: int, number: int, typed: str) -> TurnRequest:
    """A turn on a board on which the second figure was named and selected, then the third."""
    names = names_on(board)
    return after(board, number, {"B": names[1], "C": names[2]}, typed)


def answered(policy: Policy, requests: Sequence[TurnRequest], expected: Sequence[str]) -> int:
    """Number of requests whose greedy answer is the expected action."""
    answers = policy.act(requests, greedy=True)
    return sum(action == wanted for (action, _), wanted in zip(answers, expected, strict=True))


def test_a_rejection_that_goes_on_is_about_the_last_pick(policy: Policy):
    """As typed by a person: the last pick goes, the one before stays. Another is picked at once if the message makes
    a pause before it."""
    with_pause = (
        "No deselect, the shape is a {}",
        "WRONG deselect. Next {}",
        "No! Delete. Find the {}",
        "wrong unselect and pick the {} please",
    )
    without = ("No deselect looks like a {}", "no deselect {}", "no, delete it. Get the {} on the right side")

    def answers(typed: Sequence[str], first: int) -> list[str]:
        requests = [
            after_two_picks(board, place, words.format(names_on(board)[place]))
            for board in range(8)
            for place, words in enumerate(typed, first)
        ]
        return [action for action, _ in policy.act(requests, greedy=True)]

    paused = answers(with_pause, first=3)
    actions = paused + answers(without, first=3 + len(with_pause))
    kept = sum(action.split(" select")[0] == "deselect C" for action in actions)
    assert kept >= 51, f"{kept} of {len(actions)}"
    picked = sum(" select " in action for action in paused)
    assert picked >= 26, f"{picked} of {len(paused)}"


def test_a_figure_that_is_named_is_taken_back(policy: Policy):
    """As typed by a person, of either of two selected figures."""
    typed = (
        "Let’s get rid of that {}",
        "Great. Could you unselect the {}? It has a flat bottom.",
        "pls unclick the one I called {}",
        "Good, but deselect the earlier {}",
        "OK get rid of the {} one",
        "Now we have to drop the shape that looks like a {}",
        "I don’t want the {} any more",
        "Take out the {} again…",
    )
    requests, expected = [], []
    for board in range(8):
        names = names_on(board)
        for number, words in enumerate(typed):
            requests.append(after_two_picks(board, number, words.format(names[1 + number % 2])))
            expected.append(f"deselect {'BC'[number % 2]}")
    right = answered(policy, requests, expected)
    assert right >= 0.75 * len(expected), right


def test_a_figure_that_is_named_as_wrong_is_exchanged_for_another(policy: Policy):
    """As typed by a person: one of two picks goes and another figure comes; the other pick stays."""
    typed = (
        "Deselect the {y}, select the {x}",
        "Replace the {y} with the {x}, please",
        "The {y} is wrong. I’d like the {x}",
        "Swap the {y} for the {x}",
    )
    requests, expected = [], []
    for board in range(8):
        names = names_on(board)
        for number, words in enumerate(typed):
            wrong = 1 + (board + number) % 2
            requests.append(after_two_picks(board, number, words.format(x=names[4], y=names[wrong])))
            expected.append(f"deselect {'ABC'[wrong]} select E")
    right = answered(policy, requests, expected)
    assert right >= 0.6 * len(expected), f"{right} of {len(expected)}"


def test_the_last_pick_is_exchanged_when_both_figures_are_named(policy: Policy):
    """As typed by a person who asked for the second figure and got the third, whichever of the two is named first."""
    typed = (
        "The {x}, not the {y}",
        "No, the {x} — not the {y}",
        "I said the {x}, not the {y}…",
        "That’s the {y}. I want the {x}",
        "Not the {y}, the {x}!",
        "no, not the {y}. the {x} please",
        "Wrong. I meant the {x}, not the {y}",
    )
    requests = []
    for board in range(8):
        _, asked, picked, *_ = names_on(board)
        requests += [
            after(board, number, {"C": f"The {asked}"}, words.format(x=asked, y=picked))
            for number, words in enumerate(typed)
        ]
    actions = [action for action, _ in policy.act(requests, greedy=True)]
    done = actions.count("deselect C select B")
    assert done >= 0.8 * len(actions), f"{done} of {len(actions)}"


def test_two_figures_that_are_named_are_taken_back_and_the_third_stays(policy: Policy):
    typed = (
        "Deselect the {} and the {}",
        "please unselect the {} and the {}!",
        "Undo both the {} and the {} pls",
    )
    requests = []
    for board in range(8):
        said = dict(zip("BCD", names_on(board)[1:4], strict=True))
        requests += [
            after(board, number, said, words.format(said["B"], said["D"]))
            for number, words in enumerate(typed)
        ]
    actions = [action for action, _ in policy.act(requests, greedy=True)]
    done = actions.count("deselect B D")
    assert done >= 0.7 * len(actions), f"{done} of {len(actions)}"
