"""Building the embedded policy: made-up dialogues and a short pretraining."""

import json
import random
from pathlib import Path

from games import GAMES
from games.figures import open_images
from learner.policy import Policy
from learner.policy.tiny.build import BuildSettings, build
from learner.policy.tiny.dialogues import Dialogue, Speaker
from learner.policy.tiny.pretrain import PretrainSettings
from learner.protocol import BASE_ADAPTER, TurnRequest

WORDS = {f"f{i}": [f"the thing number {i}", f"Thing {i}."] for i in range(20)}
SHORT = BuildSettings(
    width=32,
    layers=1,
    heads=2,
    known_descriptions=0.1,
    pretraining=PretrainSettings(align_steps=3, align_batch=16, language_steps=6, language_batch=4),
)


def played(seed: int, count: int = 200) -> list[Dialogue]:
    speaker = Speaker(WORDS, random.Random(seed))
    return [speaker.play(10, 9, 0.1) for _ in range(count)]


def test_every_made_up_turn_is_legal_and_its_state_follows_from_the_turn_before():
    rules = GAMES["multiref"]
    for dialogue in played(0):
        state = rules.initial_state
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
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_figures_held_out_are_not_learnt_from(tmp_path: Path):
    settings = BuildSettings(**{**vars(SHORT), "holdout": 200})
    seen: set[str] = set()

    def watch(stage: str, *_: object) -> None:
        seen.add(stage)

    assert build(settings, tmp_path / "held", watch)["figures"] == 32
    card = json.loads((tmp_path / "held" / "build.json").read_text())
    assert (card["holdout"], card["summary"]["held_out"]) == (200, 200)
    assert seen == {"align", "language"}
