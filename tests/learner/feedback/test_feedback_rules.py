"""The rules decoder by examples: utterances after an action, and their labels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from games.core import Step
from games.emoji import MEANINGS
from games.multiref import MultiRef
from games.words import plain
from learner.feedback import Exchange, Verdict, exchange_of, open_decoder
from learner.feedback.rules import lexicon
from learner.feedback.rules.decoder import find_cue
from tests.characters import ANY

GAME = MultiRef()
BOARD = tuple("ABCDEFGHIJ")


def after(
    said: str,
    asked: str = "the duck facing left",
    action: str = "select C",
    before: str = "A",
    earlier: tuple[str, ...] = (),
) -> Exchange:
    """A speaker asked for a duck, the listener selected C beside A, and the speaker went on with `said`."""
    past = [Step("", utterance, "select A") for utterance in earlier]
    return exchange_of(GAME, BOARD, [*past, Step(before, asked, action)], said)


def label(exchange: Exchange, scheme: str = "binary") -> int:
    (verdict,) = open_decoder("rules", scheme).decode([exchange])
    return verdict.label


@pytest.mark.parametrize(
    "said",
    [
        "yes",
        "YES!!! boat next",
        "yesss, now a candle",
        "goood. a candle",
        "good.. next a boat",
        "ok, the boat",
        "that's it",
        "that's it now the boat",
        "thats right. the boat",
        "That was correct. Candle",
        "You got it. Now the boat",
        "no wait that's right, boat next",
        "*yes*, the **boat**",
        "> the duck facing left\nyes! now the boat",
        "👍",
        "👍🏽 the boat",
        ":thumbsup: next the boat",
        "<:yes:123456789> boat",
        "not bad, now the boat",
        "Not too bad! Candle next",
        "no problem. next is a boat",
        "nothing wrong with that, candle",
        "sí, ahora el barco",
        "oui, maintenant le bateau",
        "ja, jetzt das Boot",
        "да, теперь лодка",
        "はい、次は船",
        "对，下一个是船",
    ],
)
def test_confirmations_are_positive(said: str):
    assert label(after(said)) == 1


@pytest.mark.parametrize(
    "said",
    [
        "the boat",
        "next one is a boat",
        "and a boat",
        "last one, a boat",
        "the second is a boat",
        "Can you find the boat?",
        "bird with no head",
        "man with no arms",
        "no head, two legs",
        "a candle that is not lit",
        "shape that doesn't have legs",
        "a boat, no longer than the others",
        "Right facing boat",
        "right arrow",
        'the "no" sign',
        "a letter X",
        "left facing rabbit",
        "a rocket about to take off",
        "person about to drop a ball",
        "person standing still",
        "a house except with two chimneys",
        "person with legs instead of arms",
        "negative space in the middle",
        "the boat with its bottom removed",
        "Now the candle. It doesn't have a flame.",
        "good. next is a bed that isn't touching the wall",
    ],
)
def test_going_on_to_another_figure_accepts_the_action(said: str):
    assert label(after(said)) == 1


@pytest.mark.parametrize(
    "said",
    [
        "no",
        "nooo",
        "Nope.",
        "👎",
        "❌ the other duck",
        ":thumbsdown:",
        "no the other duck",
        "that one is wrong",
        "worng one",
        "thats not right",
        "That ain't it",
        "this is not the one",
        "that's a dog, not a duck",
        "that does look like a duck, but it's the whole body",
        "incorrect, try again",
        "still not it",
        "you picked the wrong duck",
        "hmm, that doesn't look like it",
        "doesn't match",
        "you already selected that",
        "I said duck facing left",
        "ok, but wrong",
        "yes but that's the wrong one",
        "yes but the other one",
        "hmm no",
        "non, l'autre",
        "nein, der andere",
        "нет, другая",
        "いいえ、違います",
        "不对，另一个",
    ],
)
def test_corrections_are_negative(said: str):
    assert label(after(said)) == -1
    assert label(after(said), "ternary") < 1


@pytest.mark.parametrize(
    "said",
    [
        "undo",
        "undo that",
        "↩️",
        "deselect the last",
        "deselct that",
        "de-select that one",
        "please remove your last pick",
        "take that one away",
        "take it back",
        "get rid of that",
        "can you unselect it?",
        "now drop that one",
        "leave out the last one",
        "I don't want that one",
        "start over",
        "deselect everything",
        "remove the duck",
        "drop the bridge, it's the duck",
    ],
)
def test_taking_the_last_pick_back_is_negative(said: str):
    assert label(after(said)) == -1


@pytest.mark.parametrize(
    "said",
    [
        "good. then remove the boat",
        "perfect, can you unselect the first one",
        "yes, now take out the bridge",
        "deselect the first one you picked",
    ],
)
def test_taking_an_earlier_pick_back_accepts_the_last(said: str):
    assert label(after(said)) == 1


def test_removing_another_figure_accepts_the_last_action_if_an_earlier_one_was_rejected():
    assert label(after("unselect the bridge", asked="no. the duck")) == 1
    assert label(after("unselect the bridge", earlier=("no. the bus",))) == 1
    assert label(after("unselect the bridge")) == -1


def test_removal_of_the_only_selection_can_only_mean_the_last():
    assert label(after("unselect the bridge", before="")) == -1


@pytest.mark.parametrize("said", ["a duck facing left", "the duck that looks left", "it has a long beak"])
def test_describing_the_same_figure_again_is_negative(said: str):
    assert label(after(said)) == -1


def test_the_same_words_after_a_granted_removal_are_a_second_try():
    removed = after("the duck", asked="no, deselect the duck", action="deselect C", before="A C")
    assert label(removed) == 1


def test_a_count_is_positive_only_if_it_counts_everything_selected():
    assert label(after("you have two correct. the boat")) == 1
    assert label(after("you have one correct. the boat")) == -1
    assert label(after("only one of those is right"), "ternary") == 0


@pytest.mark.parametrize(
    "said",
    [
        "that was right before, select the duck again",
        "it was correct earlier. put it back",
        "no, put the duck back",
        "I wanted you to keep the duck",
        "keep the duck too",
        "the duck was correct",
        "the duck needs to stay selected",
        "re-select the duck please",
        "I need the duck again",
    ],
)
def test_asking_for_what_was_taken_away_is_negative(said: str):
    taken = after(said, asked="yes, now the boat", action="deselect A select C", before="A B")
    assert label(taken) == -1
    assert label(taken, "ternary") == -1


@pytest.mark.parametrize(
    "said", ["yes, keep going", "another one looks like a boat", "that one is right, next the boat"]
)
def test_restoring_words_have_no_effect_if_nothing_was_deselected(said: str):
    assert label(after(said)) == 1


@pytest.mark.parametrize(
    "said",
    [
        "great /s",
        "yes /s now the boat",
        "yeah right",
        "yeah right 🙄",
        "perfect... not",
        "wow, thanks for nothing",
        "nice try",
        "well done, genius, wrong again",
        "yes wait no",
        "👍👎",
        "good guess but no",
    ],
)
def test_ironic_and_mixed_praise_is_not_positive(said: str):
    assert label(after(said)) == -1
    assert label(after(said), "ternary") < 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("```\nyes\n```", 1),
        ("`no`", -1),
        ("||yes||", 1),
        ("~~no~~ yes", 1),
        ("> yes\nno", -1),
        ("ｙｅｓ", 1),
        ("yes\u200b", 1),
        ("違います", -1),
        ("好的，下一个", 1),
        ("neither", -1),
        ("i give up", -1),
    ],
)
def test_markup_and_scripts_are_read_through(said: str, expected: int):
    assert label(after(said)) == expected


@pytest.mark.parametrize("said", ["not quite try the boat", "try the boat", "the boat instead"])
def test_a_second_try_is_negative(said: str):
    assert label(after(said)) == -1


def test_going_on_after_a_granted_complaint_accepts_the_removal():
    granted = after("a candle", asked="that is not the one", action="deselect C", before="A C")
    assert label(granted) == 1
    ungranted = after("a candle", asked="now the duck", action="deselect C", before="A C")
    assert label(ungranted) == -1


def test_a_bare_description_after_several_picks_at_once_tells_too_little():
    several = after("a candle", action="select C D")
    assert label(several) == -1
    assert label(several, "ternary") == 0
    assert label(after("yes, a candle", action="select C D")) == 1


def test_silence_after_a_correction_counts_less_from_players_who_never_praise():
    fix = {"asked": "no, the duck", "action": "deselect B select C", "before": "A B"}
    assert label(after("the boat", **fix, earlier=("the bridge",))) == -1
    assert label(after("the boat", **fix, earlier=("the bridge", "yes, the duck"))) == 1


@pytest.mark.parametrize("said", ["", " \n ", "...", "?", "```\n```", "<@1234>", "https://example.org/no"])
def test_nothing_said_is_neutral(said: str):
    assert label(after(said), "ternary") == 0
    assert label(after(said), "binary") == -1


def test_a_verdict_says_how_sure_it_is_and_why():
    (yes, boat) = open_decoder("rules").decode([after("yes"), after("the boat")])
    assert yes.decoder == "rules" and yes.version and yes.cue == "praise"
    assert yes.confidence == yes.p_positive > boat.p_positive > 0.5


@given(st.text(ANY), st.text(ANY))
@settings(max_examples=300, deadline=None)
def test_it_reads_whatever_people_type(asked: str, said: str):
    exchange = after(said, asked, earlier=(asked,))
    for scheme in ("binary", "ternary"):
        (verdict,) = open_decoder("rules", scheme).decode([exchange])
        assert isinstance(verdict, Verdict)
        assert 0 <= verdict.confidence <= 1 and 0 <= verdict.p_positive <= 1
        assert verdict.label in ((1, -1) if scheme == "binary" else (1, 0, -1))


TELLING = sorted(
    lexicon.POSITIVE_OPENERS | lexicon.REJECTIONS | lexicon.DESELECT_VERBS | lexicon.PARTS | lexicon.FILLERS
    | lexicon.ACKNOWLEDGEMENTS | {f":{name}:" for name in MEANINGS}
    | frozenset(lexicon.NUMBERS) | frozenset(lexicon.TRANSLATIONS)
    | {"not", "but", "again", "back", "keep", "the", "that", "is", "was", "one", "other", "all", "select", "duck"}
)  # fmt: skip
SPOKEN = st.lists(
    st.tuples(
        st.sampled_from(TELLING), st.sampled_from([" ", ", ", ". ", "! ", "\n", " - ", '"', "```", "~~"])
    )
).map(lambda parts: "".join(word + mark for word, mark in parts))
STATES = st.lists(st.sampled_from("ABCDEFGHIJ"), unique=True).map(lambda letters: " ".join(sorted(letters)))


@given(SPOKEN, SPOKEN, STATES, STATES)
@settings(max_examples=300, deadline=None)
def test_any_mix_of_feedback_words_is_decoded(asked: str, said: str, before: str, now: str):
    action = GAME.action_to(BOARD, before, frozenset(now.split())) or GAME.legal_actions(before)[0]
    exchange = after(said, asked, action, before, (asked, said))
    (binary,), (ternary,) = (
        open_decoder("rules", scheme).decode([exchange]) for scheme in ("binary", "ternary")
    )
    assert binary.label == (ternary.label or -1)
    assert binary.p_positive == ternary.p_positive
    sure = binary.p_positive if binary.label > 0 else 1 - binary.p_positive
    assert binary.confidence == (0.0 if binary.cue == "nothing known" else pytest.approx(sure))


@given(st.lists(st.sampled_from(["duck", "left", "tail", "boat", "facing", "small", "house"]), max_size=8))
def test_a_message_with_a_rejection_is_never_positive(description: list[str]):
    for opening in ("that's wrong, ", "no no ", "👎 ", "wrong one. ", "not that one, "):
        assert label(after(opening + " ".join(description))) == -1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["no ", "a", "that one ", "| ", '"', "'", ":a", "👍", "very ", "ﷺ", "\n> "])
def test_very_long_text_is_decoded_in_bounded_time(piece: str):
    text = piece * (100_000 // len(piece))
    assert find_cue(after(text, asked=text, earlier=(text,)))


def test_praise_at_the_start_of_a_very_long_text_counts():
    assert label(after("Perfect! " + "Now a boat with a long sail. " * 5000)) == 1


@pytest.mark.parametrize(
    "said",
    """absolutely not|god no|hell no|nuh-uh|nahh|bro what|r u serious|yikes|oof|oh dear|aw man|why that one
    |i wanted the swan|should have been the swan|mirror image of that|flip it|one to the left of it
    |scrap that|ctrl+z|roll it back|swing and a miss|terrible pick|heck no|definitely not|yes... wait, no
    |that's it. wait no|one more time|eh|50/50""".replace("\n    ", "").split("|"),
)
def test_people_say_no_in_many_ways(said: str):
    assert label(after(plain(said))) == -1


@pytest.mark.parametrize(
    "said",
    """absolutely|for sure|ofc|that's him|there it is|here we go|let's go|no notes|no question about it, boat next
    |two for two|yse|yess|gj|got the duck. now the boat|duck is right now the boat|wait no, yes that's right
    |no wait yes|no jk yes|nvm that's right, boat now|oops I misread, that's correct|i made a mistake, keep it. boat
    |yes to the duck, no to the first one|the duck is good but remove the first one|skydiver|giraffe
    |chapel|~~wrong~~ right! next the boat""".replace("\n    ", "").split("|"),
)
def test_people_say_yes_in_many_ways(said: str):
    assert label(after(plain(said))) == 1


@pytest.mark.parametrize("said", ["bloop", "W", "qwz", "L bot"])
def test_what_is_not_known_is_no_praise_and_is_not_learnt_from(said: str):
    (verdict,) = open_decoder("rules").decode([after(plain(said))])
    assert (verdict.label, verdict.confidence) == (-1, 0.0)
