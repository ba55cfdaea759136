"""The one normaliser: idempotent on whatever people type, and nothing that tells two figures apart is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.words import plain, spoken

MARKUP = st.text(
    st.one_of(st.sampled_from("*_~`>|\\<>:@#[]() \n-/.’“…½犬👍🏽\u200d"), st.characters()), max_size=60
)


@given(MARKUP)
def test_normalising_twice_changes_nothing(written: str):
    words = plain(written)
    assert plain(words) == words
    assert spoken(spoken(words)) == spoken(words)
    assert "\n" not in words


@given(MARKUP)
def test_what_the_model_reads_is_lower_case_ascii(written: str):
    heard = spoken(plain(written))
    assert heard.isascii() and heard == heard.lower()


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("No, the HOUSE", "no, the house"),
        ("Bär und Löwe", "bar und lowe"),
        ("犬と船", "quan to chuan"),
        ("собака, а не лодка", "sobaka, a ne lodka"),
        ("the 🦆", "the duck"),
        ("👍🏽 ✅", "yes yes"),
        ("👎", "no"),
        ("<a:thumbsup:12> the dog", "yes the dog"),
        ("that isn’t it", "that isn't it"),
    ],
)
def test_what_the_model_hears(written: str, heard: str):
    assert spoken(plain(written)) == heard


@pytest.mark.parametrize(("one", "other"), [("Bär", "Löwe"), ("犬", "船"), ("собака", "лодка"), ("🐈", "🐕")])
def test_words_of_every_script_stay_apart(one: str, other: str):
    assert spoken(plain(one)) != spoken(plain(other))
