"""Phrases around descriptions in scripted dialogues: plain data. A phrase is one choice from each of its parts.

`{d}` is a description as it was written, `{the}` one with an article. They were written for this module; none is
copied from games of people, and simulated players use other phrases.
"""

import random

Phrase = tuple[tuple[str, ...], ...]
"""Parts in order; one option of each is taken, and empty options are skipped."""

YES: tuple[Phrase, ...] = (
    (("yes", "yeah", "yep", "yup", "ok", "okay", "right", "correct", "good", "great", "nice", "perfect", "exactly",
      "excellent", "awesome", "cool", "super", "fine", "true", "thanks", "sweet", "alright", "wonderful", "bingo",
      "amazing", "lovely", "brilliant", "👍", "✅", "fantastic", "very good", "very nice", "all right"),),
    (("good", "great", "nice", "excellent"), ("job", "work", "one", "pick", "choice", "guess")),
    (("", "yes", "ok", "great", "yeah", "yep"),
     ("that's it", "that is it", "that's right", "that is right", "that's correct", "that is correct", "well done",
      "you got it", "got it", "that's the one", "that one is right", "spot on", "this is right", "it is correct",
      "that was right", "just like that", "that works", "you did it", "good")),
)  # fmt: skip
NO: tuple[Phrase, ...] = (
    (("no", "nope", "nah", "wrong", "incorrect", "not that", "no no", "not it", "false", "oops", "nooo", "bad", "❌",
      "👎", "not quite", "not really", "uh no", "no sorry", "sorry no", "hmm no", "not correct", "not right"),),
    (("", "no", "nope", "sorry", "oops", "hmm"),
     ("not that one", "wrong one", "that's wrong", "that is wrong", "that's not it", "that is not it", "that isn't it",
      "that's not right", "that is not right", "that's not the one", "that's incorrect", "that was wrong",
      "this is wrong", "that one is wrong", "it is wrong", "not this one", "you picked the wrong one",
      "that was the wrong one", "not what i meant", "that's not what i meant", "that is not correct",
      "wrong choice", "wrong pick", "bad choice", "not the one", "that doesn't look right")),
)  # fmt: skip
AGAIN: tuple[Phrase, ...] = (
    (("", "please"),
     ("try again", "try another", "try another one", "try the other one", "pick another one", "pick a different one",
      "the other one", "another one", "look again", "choose again", "a different one", "guess again")),
)  # fmt: skip
TAKE_BACK = (
    "undo", "deselect", "unselect", "remove", "take back", "take away", "drop", "delete", "unclick", "get rid of",
    "de-select", "take out", "uncheck", "lose", "cancel",
)  # fmt: skip
THAT = (
    "that", "it", "that one", "this one", "the last one", "the last selection", "the last image", "the last pick",
    "your last choice", "the one you just picked", "the last image you selected", "the last thing you picked",
    "the previous one", "your last pick", "the last figure", "the one you selected",
)  # fmt: skip
UNDO: tuple[Phrase, ...] = (
    (
        (
            "undo",
            "please undo",
            "undo it",
            "deselect",
            "take it back",
            "put it back",
            "go back",
            "undo please",
        ),
    ),
    (("", "", "please", "now", "can you", "could you"), TAKE_BACK, THAT),
)
REMOVE: tuple[Phrase, ...] = (
    (("", "", "please", "now", "but", "also", "next", "you need to", "can you"), TAKE_BACK, ("{the}", "{the}", "{d}")),
    (("not {the}", "{the} is wrong", "{the} was wrong", "{the} should not be selected", "{the} isn't right",
      "{the} is not one of them", "we don't need {the}", "{the} has to go"),),
)  # fmt: skip
PUT_BACK: tuple[Phrase, ...] = (
    (("no", "wrong", "oops", ""),
     ("put {the} back", "select {the} again", "bring back {the}", "reselect {the}", "{the} was right, select it again",
      "pick {the} again", "add {the} again", "you should not have removed {the}", "i still need {the}")),
)  # fmt: skip
CLEAR: tuple[Phrase, ...] = (
    (("", "please", "ok", "no", "let's"),
     ("clear everything", "deselect all", "deselect everything", "start over", "reset", "remove all of them",
      "undo everything", "clear all", "unselect all images", "start again", "remove everything", "deselect them all",
      "start from scratch", "take all of them away")),
)  # fmt: skip
LEAD = (
    "now", "next", "then", "and", "also", "next is", "next one is", "the next one is", "now it's", "after that",
    "another one is", "now we need", "next up is", "one more", "last", "last one is", "the last one is", "finally",
    "first", "the first one is", "first is", "let's start with", "now for", "next one", "the next one looks like",
    "then there is", "next up", "lastly",
)  # fmt: skip
VERB = (
    "select", "pick", "choose", "click", "click on", "find", "get", "grab", "take", "look for", "go for", "mark",
    "tap", "please select", "please pick", "please choose", "can you find", "could you select", "i need", "i want",
    "there is", "i see", "try", "add",
)  # fmt: skip
LIKE = (
    "looks like", "it looks like", "kind of like", "sort of like", "maybe", "something like", "could be",
    "one that looks like", "the one that looks like", "it's like", "this one is like", "it is", "it's", "like",
    "the image that looks like", "the shape of", "this looks like", "it resembles", "i would say", "a figure like",
    "the figure looks like", "i think it is", "an image of",
)  # fmt: skip
ASK: tuple[Phrase, ...] = (
    (("{d}",),),
    (("{d}",),),
    (("{the}",),),
    (LEAD, ("{d}", "{the}")),
    (VERB, ("{the}", "{the}", "{d}")),
    (LIKE, ("{d}",)),
    (LEAD, VERB, ("{the}", "{the}", "{d}")),
    (VERB, ("the one", "the image", "the figure", "one"), ("that looks like", "like", "which looks like", "with"),
     ("{d}",)),
)  # fmt: skip
INSTEAD: tuple[Phrase, ...] = (
    (("{d}", "{d}", "{the}", "{d} instead", "{the} instead", "try {the} instead"),),
    (("i meant", "i mean", "it's", "it is", "it looks like", "it looks more like", "more like", "the one i mean is",
      "it should be", "i want", "i was thinking of", "i said", "it's more like", "look for", "find", "pick", "choose",
      "select", "the one that looks like", "the other one,", "another", "the other", "try", "should be", "click"),
     ("{d}", "{d}", "{the}")),
    (("and select", "and pick", "and choose", "then pick", "then select", "now pick", "and find", "and try"),
     ("{the}", "{the}", "{d}")),
)  # fmt: skip
AND = (
    "{a} and {b}",
    "{a}, {b}",
    "{a} and also {b}",
    "both {a} and {b}",
    "{a} as well as {b}",
    "{a} then {b}",
)
BREAK = (", ", ". ", "! ", " ", " - ", "... ", "; ", ", but ")


def say(phrases: tuple[Phrase, ...], rng: random.Random) -> str:
    """A random phrase, with its placeholders not yet filled."""
    return " ".join(part for part in map(rng.choice, rng.choice(phrases)) if part)


def with_article(description: str) -> str:
    """The description with "the" instead of its own article, if it has one."""
    first, _, rest = description.partition(" ")
    return f"the {rest}" if first in ("a", "an", "the") and rest else f"the {description}"


def every_word() -> list[str]:
    """All parts of all phrases, for the tokenizer."""
    kinds = (YES, NO, AGAIN, UNDO, REMOVE, PUT_BACK, CLEAR, ASK, INSTEAD)
    parts = [part for phrases in kinds for phrase in phrases for options in phrase for part in options]
    return [part.format(d="", the="", a="", b="") for part in (*parts, *AND, *BREAK)]
