"""Phrases of scripted dialogues: plain data. A phrase is one choice from each of its parts.

`{x}`, `{y}` and `{z}` stand for descriptions of figures as they were written, `{the x}` for one with an article,
`{x2}` for a second description of the same figure. They were written for this module; none is copied from games of
people, and simulated players use other phrases.
"""

import random
import re
from dataclasses import dataclass

Phrase = tuple[tuple[str, ...], ...]
"""Parts in order; one option of each is taken, and empty options are skipped."""


def about(place: str, options: tuple[str, ...]) -> tuple[str, ...]:
    """The options with `{the place}` for `{}`."""
    return tuple(option.replace("{}", f"{{the {place}}}") for option in options)


NOUN = (
    "one", "image", "shape", "figure", "piece", "picture", "thing", "object", "symbol", "drawing", "silhouette",
    "tangram", "item",
)  # fmt: skip
"""What people call a figure whatever it looks like."""
ORDINAL = ("first", "second", "third", "fourth", "next", "last", "final", "other")
"""Which one of several, whatever it looks like."""


YES: tuple[Phrase, ...] = (
    (("yes", "yeah", "yep", "yup", "ok", "okay", "right", "correct", "good", "great", "nice", "perfect", "exactly",
      "excellent", "awesome", "cool", "super", "fine", "true", "thanks", "sweet", "alright", "wonderful", "bingo",
      "amazing", "lovely", "brilliant", "👍", "✅", "fantastic", "very good", "very nice", "all right", "lol yes"),),
    (("good", "great", "nice", "excellent"), ("job", "work", "one", "pick", "choice", "guess")),
    (("", "yes", "ok", "great", "yeah", "yep"),
     ("that's it", "that is it", "that's right", "that is right", "that's correct", "that is correct", "well done",
      "you got it", "got it", "that's the one", "that one is right", "spot on", "this is right", "it is correct",
      "that was right", "just like that", "that works", "you did it", "good", "keep that", "keep it",
      "that one stays", "leave that one")),
    (("yes", "good", "", ""),
     ("you have two right", "you have three right", "that's two", "one more to go", "two more to go", "two left",
      "only one left", "almost there", "we are nearly done", "all of these are right", "those are both right")),
)  # fmt: skip
NO: tuple[Phrase, ...] = (
    (("no", "nope", "nah", "wrong", "incorrect", "not that", "no no", "not it", "false", "oops", "nooo", "bad", "❌",
      "👎", "not quite", "not really", "uh no", "no sorry", "sorry no", "hmm no", "not correct", "not right", "noo",
      "ugh no", "no way", "argh", "hmm not really", "n", "negative", "nuh uh", "close but no", "almost"),),
    (("", "no", "nope", "sorry", "oops", "hmm"),
     ("not that one", "wrong one", "that's wrong", "that is wrong", "that's not it", "that is not it",
      "that isn't it",
      "that's not right", "that is not right", "that's not the one", "that's incorrect", "that was wrong",
      "this is wrong", "that one is wrong", "it is wrong", "not this one", "you picked the wrong one",
      "that was the wrong one", "not what i meant", "that's not what i meant", "that is not correct", "that isnt it",
      "wrong choice", "wrong pick", "bad choice", "not the one", "that doesn't look right", "thats wrong",
      "that wasn't it", "it isn't that one", "that's the wrong figure", "you got the wrong one", "i don't mean that",
      "that's a different one", "wrong image", "you misunderstood me")),
)  # fmt: skip
AGAIN: tuple[Phrase, ...] = (
    (("", "please", "and"),
     ("try again", "try another", "try another one", "try the other one", "pick another one", "pick a different one",
      "the other one", "another one", "look again", "choose again", "a different one", "guess again", "look closer",
      "have another look", "think again", "the one that looks almost the same")),
)  # fmt: skip
TAKE_BACK = (
    "undo", "deselect", "unselect", "remove", "take back", "take away", "drop", "delete", "unclick", "get rid of",
    "de-select", "take out", "uncheck", "lose", "cancel", "unpick", "clear", "discard", "un-select", "untick",
    "revert",
    "kick out", "throw out", "toss", "erase", "eliminate", "dump", "leave out", "take off", "exclude",
)  # fmt: skip
THAT = (
    "that", "it", "that one", "this one", "the last one", "the last selection", "the last image", "the last pick",
    "your last choice", "the one you just picked", "the last image you selected", "the last thing you picked",
    "the previous one", "your last pick", "the last figure", "the one you selected", "the latest one",
    "the most recent one", "what you just picked", "the one you added",
)  # fmt: skip
UNDO: tuple[Phrase, ...] = (
    (("undo", "please undo", "undo it", "deselect", "take it back", "put it back", "go back", "undo please",
      "take that back", "undo that", "go back one", "back", "not that one, undo", "unselect", "deselect please"),),
    (("", "", "please", "now", "can you", "could you", "just"), TAKE_BACK, THAT),
    (("", "", "please"), TAKE_BACK, ("that", "this", "the last", "your last"), NOUN),
)  # fmt: skip
UNDO_FIRST: tuple[Phrase, ...] = (
    (("", "please", "no,", "can you"), TAKE_BACK,
     ("the first one", "the first", "the one you picked first", "the first one you picked", "your first pick",
      "the first image", "the first figure you picked", "your first choice")),
)  # fmt: skip
TAIL = (
    "please", "i think", "lol", "i guess", "maybe", "if you can", "thanks", "haha", "pls", "or something", "next",
    "too", "as well", "now", "first", "there", "or so", "sort of", "you know", "again", "this time", "!", "?", "...",
    "thx", "ty", "thank you", "for now", "or whatever", "if possible", "ok", "okay", "right", ", buddy", ", bot",
    "mate",
    "plz", "lmao", "xd", "tho", "though", "if u can", "hm",
)  # fmt: skip
POLITE = (
    "please",
    "pls",
    "plz",
    "thanks",
    "thx",
    "if you can",
    "if possible",
    "now",
    "for now",
    "ok",
    "tho",
    "!",
    "lol",
)
CLICK_IT = ("? click it", "? select it", "? take it", "? that's it", "? do you see it")
BEFORE_REMOVE = (
    "", "", "", "please", "now", "but", "also", "next", "you need to", "can you", "let's", "now let's", "we need to",
    "now we just have to", "you have to", "go ahead and", "could you please", "i need you to", "so", "pls", "just",
    "i'd like you to", "the next step is to", "now you should", "one more thing:", "before we go on,", "you can",
)  # fmt: skip
NOT_MEANT = (
    "not {}", "i don't want {}", "i didn't mean {}", "i never meant {}", "i did not ask for {}", "forget {}",
    "never mind {}", "we don't need {}",
)  # fmt: skip
"""A figure is not wanted, whether it is selected or not; for `about`."""
GOES = (
    *NOT_MEANT, "{} is wrong", "{} was wrong", "{} is not right", "{} isn't it", "{} is incorrect", "{} is a mistake",
    "{} has to go", "{} must go", "{} goes", "{} shouldn't be selected", "{} doesn't fit", "{} is not one of them",
    "{} is out",
)  # fmt: skip
"""A figure that is selected is not wanted; for `about`."""
TAKES_BACK = ("remove {}", "deselect {}", "undo {}", "drop {}", "unselect {}", "take back {}")
PAUSE = (",", ".", "but", ", but", "and", ";", "-")
REMOVE: tuple[Phrase, ...] = (
    (("", "", "", "sorry,", "oops,", "actually", "hmm,", "wait,", "ok but"), about("x", GOES), ("", "", "", *POLITE)),
    (BEFORE_REMOVE, (*TAKE_BACK, "undo the selection of", "cancel the selection of"),
     ("{the x}", "{the x}", "{x}", "that {x}"), ("", "", "", *POLITE)),
    (BEFORE_REMOVE, TAKE_BACK,
     ("{the x}, it has {x2}", "{the x}. it has {x2}", "{the x}. it looks like {x2}", "{the x}, {x2}", "{x}. {x2}",
      "{the x}. it's {x2}", "{the x} or {x2}", "{the x}, with {x2}", "that {x}. it is {x2}", "{the x}. there is {x2}",
      "{the x}... {x2}", "{the x}, also like {x2}")),
    (BEFORE_REMOVE, TAKE_BACK,
     ("the one that looks like {x}", "the one, {the x}", "the image with {x}", "the shape that looks like {x}",
      "the figure of {x}", "looks like {x}", "the shape like {x}", "the first one, {the x}", "the one like {x}",
      "{the x} you picked before", "{the x} you selected earlier", "{the x} that you chose first", "the other {x}",
      "the one you picked for {the x}", "the one that you picked when i said {x}", "your choice for {the x}",
      "the piece that looks like {x}", "the object that looks like {x}",
      "what you took for {the x}", "the earlier one, {the x}", "the one from before, {the x}", "the selected {x}",
      "{the x} that is selected", "{the x} from the selection", "the one with {x}", "the picture of {x}", "{x} one")),
    (("not {the x}", "{the x} is wrong", "{the x} was wrong", "{the x} should not be selected", "{the x} isn't right",
      "{the x} is not one of them", "we don't need {the x}", "{the x} has to go", "i never wanted {the x}",
      "{the x} is not part of it", "{the x} should go", "you should not have {the x}", "put {the x} back",
      "{the x} doesn't belong", "without {the x}", "all but {the x} are right", "the problem is {the x}",
      "there is no {x} among them", "{the x} is still wrong", "{the x} still has to go", "{the x} has to go too",
      "you still have {the x} selected", "{the x} is still selected", "{the x} is still there", "{x} no"),),
)  # fmt: skip
KEEP_ONLY: tuple[Phrase, ...] = (
    (("", "no,", "please", "wrong,", "ok,"),
     ("only keep {the y}", "only {the y} for now", "back to only {the y}",
      "everything but {the y} is wrong", "keep {the y} and take the rest away", "leave {the y} and drop the rest",
      "{the y} stays, nothing else", "nothing but {the y}",
      "{the y} and nothing else", "only {the y} please", "all except {the y} can go",
      "keep only {the y}", "just keep {the y}", "only {the y} is right", "deselect everything except {the y}",
      "remove all but {the y}", "all are wrong except {the y}", "leave only {the y}", "only {the y} should stay",
      "undo everything but {the y}", "all of them are wrong but {the y}", "remove the others, keep {the y}")),
)  # fmt: skip
KEEP_ONE_OF_TWO: tuple[Phrase, ...] = (
    (("", "no,", "please", "wrong,", "ok,"),
     ("keep {the y}, undo the other one", "{the y} is right, the other one isn't", "not the other one, only {the y}",
      "drop the other one but keep {the y}", "keep {the y} and take the other one away",
      "{the y} stays, not the other",
      "the other one is wrong, {the y} is right")),
)  # fmt: skip
REMOVE_SEVERAL: tuple[Phrase, ...] = (
    (BEFORE_REMOVE, TAKE_BACK, ("{the x}", "{the x}", "{x}"), ("and", "and", "and also", "&", "+", ",", "as well as"),
     ("{the y}", "{the y}", "{y}"), ("", "", "", *POLITE)),
    (about("x", GOES), (".", ",", "and", ";"), about("y", GOES[len(NOT_MEANT):])),
    (("{the x} and {the y}", "{the x} and also {the y}", "both {the x} and {the y}", "{x} and {y}"),
     ("are wrong", "are both wrong", "are mistakes", "should go", "must go", "are not right", "don't fit", "are out",
      "are not among them", "were wrong")),
    (("", "please", "no,"), TAKE_BACK, ("both {the x} and {the y}", "both {x} and {y}")),
    (("{x}, {y}", "{the x}, {the y}", "{the x} and {the y}", "{x} and {y}"), (":", ",", "-", ".", ";"),
     ("take both away", "please remove these two", "both wrong", "undo both", "get rid of them", "deselect these",
      "neither of these two", "please unselect both", "drop them")),
    (("i don't want {the x} or {the y}", "we don't need {the x} or {the y}", "no {x} and no {y}",
      "not {the x}, not {the y}", "i want neither {the x} nor {the y}", "remove {the x}. remove {the y} too",
      "remove {the x}, then {the y}", "take away {the x} and then {the y}", "forget {the x} and {the y}",
      "neither {the x} nor {the y}", "{the x} and {the y} have to go", "not {the x} and not {the y}"),
     ("", "", "", *POLITE)),
)  # fmt: skip
STAYS = (
    "keep {}", "{} stays", "{} is right", "{} is good", "{} is fine", "leave {}", "{} was right", "{} can stay",
    "{} is correct",
)  # fmt: skip
KEEP: tuple[Phrase, ...] = (
    (about("y", STAYS), PAUSE, about("x", (*GOES, *TAKES_BACK))),
    (about("x", (*GOES, *TAKES_BACK)), PAUSE, about("y", STAYS)),
    (("keep {the y}, remove {the x}", "remove {the x} but keep {the y}", "{the y} is right, {the x} is not",
      "{the y} stays, {the x} goes", "{the y} is fine, deselect {the x}", "only {the y} is right, not {the x}",
      "{the y} yes, {the x} no", "leave {the y}, take away {the x}", "{the y} is good but undo {the x}",
      "{the x} is wrong, {the y} is right", "don't remove {the y}, remove {the x}", "i want {the y} but not {the x}",
      "keep {the y}. drop {the x}", "take back {the x}, not {the y}"),),
)  # fmt: skip
ARE_WRONG = (
    "{the x} and {the z} are wrong", "{the x} and {the z} are both wrong", "{the x} and {the z} have to go",
    "{the x} and {the z} must go", "not {the x} and {the z}", "not {the x} or {the z}", "remove {the x} and {the z}",
    "deselect {the x} and {the z}", "take {the x} and {the z} away", "undo {the x} and {the z}",
    "{the x} is wrong, {the z} too", "get rid of {the x} and {the z}", "please take off {the x} and {the z}",
)  # fmt: skip
KEEP_NOT_TWO: tuple[Phrase, ...] = (
    (("", "", "yes", "ok"), about("y", STAYS), PAUSE, ARE_WRONG),
    (ARE_WRONG, PAUSE, about("y", STAYS)),
)  # fmt: skip
"""Two go and another one stays."""
KEEP_ONE_OF_THREE: tuple[Phrase, ...] = (
    (("", "yes", "good", "ok"), ("the other two are wrong", "the other two are not mine", "the other two have to go",
      "take the other two away", "remove the other two", "not the other two"), (",", ".", "but", ", but"),
     ("just keep {the y}", "keep {the y}", "only {the y}", "{the y} is right", "{the y} stays")),
)  # fmt: skip
BACK = (
    "put {the x} back", "select {the x} again", "bring back {the x}", "reselect {the x}", "bring {the x} back",
    "{the x} back please", "i want {the x} back", "{the x} was right, i want it back",
    "{the x} was right, put it back", "{the x} was fine, it has to come back", "{the x} has to come back",
    "{the x} was right, select it again", "pick {the x} again", "add {the x} again",
    "you should not have removed {the x}", "i still need {the x}", "{the x} should be selected",
)  # fmt: skip
PUT_BACK: tuple[Phrase, ...] = ((("no", "wrong", "oops", ""), BACK),)
"""What the last turn took back."""
PUT_BACK_LATER: tuple[Phrase, ...] = ((("", "", "now", "also"), BACK),)
"""What an earlier turn took back, so that nothing is said of the last one."""
PUT_BACK_TWO: tuple[Phrase, ...] = (
    (("", "", "now", "also"),
     ("put {the x} and {the y} back", "bring back {the x} and {the y}", "bring {the x} and {the y} back",
      "{the x} and {the y} back please", "i want {the x} and {the y} back", "select {the x} and {the y} again",
      "{the x} and {the y} were right", "{the x} and {the y} were both right, put them back",
      "i still need {the x} and {the y}", "{the x} and {the y} have to come back")),
)  # fmt: skip
CLEAR: tuple[Phrase, ...] = (
    (("", "please", "ok", "no", "let's"),
     ("clear everything", "deselect all", "deselect everything", "start over", "reset", "remove all of them",
      "undo everything", "clear all", "unselect all images", "start again", "remove everything", "deselect them all",
      "start from scratch", "take all of them away", "clear the board", "all of them are wrong", "undo all",
      "none of them", "remove all", "wipe them all")),
)  # fmt: skip
CLEAR_TWO: tuple[Phrase, ...] = (
    (BEFORE_REMOVE, TAKE_BACK, ("both", "both of them", "the two", "these two", "them both", "both of those")),
    (("", "please", "ok", "no", "sorry"),
     ("remove both", "deselect both", "deselect both of them", "both are wrong", "undo both", "take both back",
      "neither of them", "both of these are wrong", "neither is right", "unselect the two", "remove the two of them",
      "those two are wrong", "not these two", "not those two", "neither of those", "neither of these two", "both no",
      "no to both", "neither")),
)  # fmt: skip
UNDO_TWO: tuple[Phrase, ...] = (
    (BEFORE_REMOVE, TAKE_BACK, ("the last two", "your last two", "the two last ones", "the last two you picked")),
    (("", "no", "sorry"), ("the last two are wrong", "not the last two", "take the last two back", "undo the last two",
      "the last two were wrong")),
)  # fmt: skip
"""What was selected last and before."""
LEAD = (
    "now", "next", "then", "and", "also", "next is", "next one is", "the next one is", "now it's", "after that",
    "another one is", "now we need", "next up is", "one more", "last", "last one is", "the last one is", "finally",
    "first", "the first one is", "first is", "let's start with", "now for", "next one", "the next one looks like",
    "then there is", "next up", "lastly", "hey", "hi,", "hello,", "so", "ok so", "umm", "well", "first one:", "next:",
    "second one:", "1.", "2.", "another:", "start with", "we also need", "last one:", "uh", "alright,", "and then",
    "oh", "oh and", "ah", "hmm", "ok cool,", "right,", "1)", "2)", "a)", "#1", "number one:", "btw", "actually",
    "then also",
    "yeah", "for starters", "um", "er", "ok,", "cool,", "lol", "alright then", "plus", "oh,", "so,", "well,",
    "to begin,",
)  # fmt: skip
COUNT = (
    "total 3.", "total: 3,", "3 in total.", "there are three.", "there are three of them.", "three to find.",
    "we need three images.", "3 pieces in all.",
)  # fmt: skip
IS = ("is", "is", "looks like", "is like", "has", "looks a bit like", "could be", "would be")
VERB = (
    "select", "pick", "choose", "click", "click on", "find", "get", "grab", "take", "look for", "go for", "mark",
    "tap", "please select", "please pick", "please choose", "can you find", "could you select", "i need", "i want",
    "there is", "i see", "try", "add", "could you find", "can you pick", "would you select", "i'm looking for",
    "i am looking for", "we need", "give me", "do you see", "is there", "there should be", "show me",
    "it's", "i'd like", "do u see", "can u find", "can you click", "would you mind clicking",
    "find me",
    "get me", "where is", "what about", "how about", "you need", "there's", "here is", "look at", "plz get",
    "point at", "can i have", "let's have", "i'd go for", "let's take", "let us do",
)  # fmt: skip
LIKE = (
    "looks like", "it looks like", "kind of like", "sort of like", "maybe", "something like", "could be",
    "one that looks like", "the one that looks like", "it's like", "this one is like", "it is", "it's", "like",
    "the image that looks like", "the shape of", "this looks like", "it resembles", "i would say", "a figure like",
    "the figure looks like", "i think it is", "an image of", "i guess", "the one that looks kinda like",
    "the one that looks a bit like", "reminds me of", "this one looks like", "this is", "the one with",
    "the one like",
    "this one could be", "imagine", "think of", "looks kind of like", "to me it's", "picture of", "shape like",
    "it has", "something that looks like", "the figure that resembles", "some kind of", "basically",
    "you can see", "similar to",
)  # fmt: skip
ASK: tuple[Phrase, ...] = (
    (("{x}",),),
    (("{x}",),),
    (("{the x}",),),
    (("", "", *LEAD), ("{x}", "{the x}"), ("", *TAIL, *CLICK_IT)),
    (("", "", *LEAD), VERB, ("{the x}", "{the x}", "{x}"), ("", "", *TAIL, *CLICK_IT)),
    (("", "", *LEAD), LIKE, ("{x}",), ("", "", *TAIL)),
    (LEAD, VERB, ("{the x}", "{the x}", "{x}")),
    (VERB, ("the", "the", "that"), NOUN,
     ("that looks like", "like", "which looks like", "with", "that looks kind of like", "that could be", "of",
      "that has", "that is"),
     ("{x}",), ("", "", *TAIL)),
    (("{x}, {x2}", "{x}. {x2}", "{x} or {x2}", "{x}, or maybe {x2}", "{x}, looks like {x2}", "{the x}, it has {x2}",
      "{x}, more like {x2}", "{x}. it's {x2}", "{x} ... {x2}", "{x}, could also be {x2}", "either {x} or {x2}"),),
)  # fmt: skip
ASK_NEXT: tuple[Phrase, ...] = (
    *ASK,
    (("", *COUNT), ("", "the", "the"), ("first", "second", "third", "next", "next", "last", "last"), ("", *NOUN),
     (*IS, ":"), ("{x}", "{x}", "{the x}"), ("", *TAIL)),
    (("", *COUNT), ("the", "this", "this"), NOUN[1:], IS, ("{x}",), ("", *TAIL)),
    (COUNT, ("", *LEAD), ("{x}", "{the x}")),
    (VERB, ("{x}", "{the x}"), (". don't touch anything else", ", but don't touch anything else")),
)  # fmt: skip
"""A figure is described that is wanted beside what is selected."""
CHANGE = (",", ",", ".", ".", ";", "-", "!", "...", "")
"""Between what is not wanted and what is."""
AND_THEN = (",", ".", ";", "-", "and", "and", "then", "and then")
MEANT = (
    "i want {}", "i said {}", "i meant {}", "i mean {}", "i asked for {}", "i need {}", "i was thinking of {}",
    "i was talking about {}", "i'm looking for {}", "it's {}", "it should be {}", "it has to be {}",
    "what i want is {}",
    "the right one is {}",
)  # fmt: skip
TAKE = (
    "give me {}", "pick {}", "select {}", "take {}", "choose {}", "click {}", "find {}", "get {}", "go for {}",
    "try {}",
    "add {}", "look for {}",
)  # fmt: skip
WANTED = (
    "{}",
    "{}",
    "{}",
    "{} please",
    "{} instead",
    "{} is what i meant",
    "{} is the one",
    "{} is right",
    *MEANT,
    *TAKE,
)
"""A figure is wanted; these and the two before are for `about`."""
NOT_BUT = ("don't take {}", "it's not {}", "it isn't {}")
AND_NOT = ("not {}", "and not {}", "rather than {}", "instead of {}")
ASK_NOT: tuple[Phrase, ...] = (
    (about("y", (*NOT_MEANT, *NOT_BUT)), CHANGE, about("x", WANTED)),
    (about("x", WANTED), CHANGE, about("y", NOT_MEANT)),
    (about("x", (*MEANT, *TAKE, "{}")), ("", ","), about("y", AND_NOT)),
    (("", "", "no,", "please", "next"),
     ("not {the y}, {the x}", "not {the y} but {the x}", "{the x}, not {the y}", "{the x} not {the y}",
      "don't pick {the y}, pick {the x}", "pick {the x}, not {the y}", "{the x} instead of {the y}",
      "{the y}... no wait, {the x}", "{the y}, i mean {the x}", "{the y}, sorry, {the x}", "{the y} no sorry {the x}",
      "i don't want {the y}, i want {the x}", "looks like {y} but it's {x}", "{the x} rather than {the y}",
      "{the x} and not {the y}", "similar to {the y} but {the x}", "select {the x}, do not select {the y}",
      "it's not {the y}, it's {the x}", "{the y} - no, {the x}", "never mind {the y}, {the x}",
      "{the y} scratch that {the x}", "ignore {the y}, find {the x}", "isn't {the y}, is {the x}")),
)  # fmt: skip
INSTEAD_ALONE: tuple[Phrase, ...] = (
    (("i meant", "i mean", "it's", "it is", "it looks like", "it looks more like", "more like", "the one i mean is",
      "it should be", "i want", "i was thinking of", "i said", "it's more like", "look for", "find", "pick", "choose",
      "select", "the one that looks like", "the other one,", "another", "the other", "try", "should be", "click",
      "i wanted", "i asked for", "it was", "should have been", "swap it for", "swap that for", "replace it with",
      "change it to", "change that to", "switch it to", "make it", "rather", "instead", "exchange it for",
      "i was looking for", "what i want is", "what i meant was", "you should pick", "go for", "use", "trade it for"),
     ("{x}", "{the x}", "{the x}"), ("", "", "", "instead", "please", "this time")),
    (("the correct", "the right"), NOUN, (*IS, "is more like", "could be described as"), ("{x}",)),
)  # fmt: skip
INSTEAD: tuple[Phrase, ...] = (
    (("{x}", "{x}", "{the x}", "{x} instead", "{the x} instead", "try {the x} instead"),),
    *INSTEAD_ALONE,
    (("and select", "and pick", "and choose", "then pick", "then select", "now pick", "and find", "and try",
      "and get",
      "then find", "then click", "now find", "and then click on", "and look for"),
     ("{the x}", "{the x}", "{x}")),
)  # fmt: skip
YOU_PICKED = (
    "you picked {}", "you chose {}", "you took {}", "you selected {}", "you clicked {}", "you went for {}",
    "what you have is {}", "u picked {}", "looks like you took {}",
)  # fmt: skip
PICKED = (
    *YOU_PICKED, "that's {}", "that is {}", "this is {}", "that one is {}", "that looks like {}", "that was {}",
    "that would be {}",
)  # fmt: skip
"""A figure is the last pick; for `about`."""
WHY = ("why did you pick {}?", "why {}?", "how did you get {}?", "what did you take {} for?")
BEFORE_SWAP = ("", "", "", "", "no,", "no", "sorry,", "wrong,", "nope,", "oops,", "hmm,", "wait,", "umm,")
NOT_THE_LAST: tuple[Phrase, ...] = (
    (BEFORE_SWAP, about("y", PICKED), CHANGE, about("x", MEANT)),
    (BEFORE_SWAP, about("y", WHY), about("x", (*MEANT, *TAKE, "{}"))),
    (BEFORE_SWAP, about("x", MEANT), (",", ".", "!", ";", "but"), about("y", YOU_PICKED)),
)
"""The last pick is named as wrong, and another figure as the one that was meant."""
SWAP: tuple[Phrase, ...] = (
    (BEFORE_SWAP, about("y", (*GOES, *NOT_BUT)), CHANGE, about("x", WANTED)),
    (BEFORE_SWAP, about("x", WANTED), CHANGE, about("y", GOES)),
    (BEFORE_SWAP, about("x", (*MEANT, *TAKE, "{}")), ("", ","), about("y", AND_NOT)),
    (BEFORE_SWAP, TAKE_BACK, ("{the y}", "{the y}", "{y}"), AND_THEN, about("x", (*MEANT, *TAKE))),
    (BEFORE_SWAP, about("x", (*MEANT, *TAKE)), AND_THEN, TAKE_BACK, ("{the y}", "{the y}", "{y}")),
    (("", "", "no,", "no", "sorry,", "wrong,", "please"),
     ("not {the y}, {the x}", "{the x}, not {the y}", "{the x}, not {the y}", "not {the y} but {the x}",
      "not {the y} {the x}", "{the x} not {the y}", "replace {the y} with {the x}", "swap {the y} for {the x}",
      "that's {the y}, i said {the x}", "that was {the y}, i want {the x}", "that is {y}, i need {x}",
      "you picked {the y}, i meant {the x}", "instead of {the y} take {the x}", "{the x} instead of {the y}",
      "change {the y} to {the x}", "remove {the y} and select {the x}", "deselect {the y}, select {the x}",
      "unselect {the y} and pick {the x}", "deselect {the y}. pick {the x}",
      "remove {the y}, pick {the x}", "take back {the y}, choose {the x}", "{the y} is wrong, {the x}",
      "{the y} is wrong. it's {the x}",
      "switch {the y} with {the x}", "i wanted {the x}, not {the y}", "{the x} and not {the y}",
      "take {the x} rather than {the y}", "{the y} should be {the x}", "drop {the y}, add {the x}",
      "you chose {y}, but i want {x}", "select {the x} and remove {the y}", "pick {the x} and drop {the y}",
      "exchange {the y} for {the x}", "not {y} but {x}", "it isn't {the y}, it's {the x}")),
)  # fmt: skip
TWO: tuple[Phrase, ...] = (
    (("", "", "", *LEAD), ("", "", *VERB),
     ("{the x} and {the y}", "{x} and {y}", "{the x}, {the y}", "{x}, {y}", "{the x} and also {the y}",
      "both {the x} and {the y}", "{the x} as well as {the y}", "{the x}, then {the y}", "{the x} & {the y}",
      "{the x} and then {the y}", "{x} + {y}", "{x}; {y}", "{x}; {y}", "{the x} plus {the y}", "{x}. {y}",
      "{x}, and {y}",
      "both: {x} and {y}", "there are two: {x}, {y}", "both {x} and {y}",
      "1) {x} 2) {y}", "a) {x} b) {y}", "#1 {x} #2 {y}", "one: {x}, two: {y}", "first one {x}, second one {y}",
      "{the x}, oh and {the y}", "{the x} oh and {the y} too", "{x} with {y}", "{x} , {y}", "{x}, {y}",
      "{the x}, the other is {the y}",
      "one of them is {the x}, the other one {the y}", "{x} (and {y})", "{the x} - and {the y}", "- {x}, - {y}",
      "one is {x} and the other is {y}", "first {the x}, then {the y}", "two: {x} and {y}", "{x} / {y}",
      "{the x} together with {the y}", "{the x}, also {the y}", "{x} and one that looks like {y}",
      "{the x} and the one that looks like {y}", "1. {x}, 2. {y}", "{the x}. also {the y}", "{the x}. then {the y}"),
     ("", "", "", *TAIL)),
)  # fmt: skip
THREE: tuple[Phrase, ...] = (
    (("", "", "", *LEAD), ("", "", *VERB),
     ("{the x}, {the y} and {the z}", "{x}, {y}, {z}", "{x}, {y} and {z}", "{the x}, {the y}, and {the z}",
      "{the x} and {the y} and {the z}", "1. {x}, 2. {y}, 3. {z}", "{x}; {y}; {z}", "{x}; {y}; {z}", "{x}. {y}. {z}",
      "three of them: {x}, {y}, {z}", "1) {x} 2) {y} 3) {z}", "a) {x} b) {y} c) {z}", "{x}, {y}, {z}",
      "{x}, {y}, {z}",
      "{the x}, {the y}, oh and {the z}", "{x} & {y} & {z}", "{x} + {y} + {z}", "- {x}, - {y}, - {z}",
      "the first is {x}, the second {y}, the third {z}", "{the x}, {the y} plus {the z}",
      "one is {the x}, another {the y}, and there is {the z}", "{x}; then {y}; then {z}",
      "{the x}, then {the y}, then {the z}", "first {x}, second {y}, third {z}",
      "all three: {the x}, {the y}, {the z}", "{the x}, {the y}, {the z}", "{x} / {y} / {z}"),
     ("", "", "", *TAIL)),
)  # fmt: skip
BREAK = (", ", ", ", ". ", ". ", "! ", " ", " ", " ", " - ", "... ", "; ", ", but ", ": ", " lol ", ", ok ")

KINDS = (
    YES, NO, AGAIN, UNDO, UNDO_FIRST, REMOVE, REMOVE_SEVERAL, KEEP, KEEP_ONLY, KEEP_ONE_OF_TWO, KEEP_NOT_TWO,
    KEEP_ONE_OF_THREE, PUT_BACK, PUT_BACK_LATER, PUT_BACK_TWO, CLEAR, CLEAR_TWO, UNDO_TWO, ASK_NEXT, ASK_NOT,
    INSTEAD_ALONE, INSTEAD, NOT_THE_LAST, SWAP, TWO, THREE,
)  # fmt: skip
_BEFORE_PUNCTUATION = re.compile(r"\s+([,.;:!?])")
"""Spaces that nobody types."""
_PLACE = re.compile(r"\{(the )?([xyz])(2?)\}")


@dataclass(frozen=True)
class Place:
    """A placeholder in a phrase: where a description of a figure comes."""

    name: str
    """"x", "y" or "z"."""
    definite: bool = False
    """Whether it has the article "the"."""


def say(phrases: tuple[Phrase, ...], rng: random.Random) -> list[str | Place]:
    """A random phrase: texts, and the places of descriptions."""
    text = " ".join(part for part in map(rng.choice, rng.choice(phrases)) if part)
    text = _BEFORE_PUNCTUATION.sub(r"\1", text)
    parts: list[str | Place] = []
    at = 0
    for found in _PLACE.finditer(text):
        parts += [text[at : found.start()], Place(found[2], bool(found[1]))]
        at = found.end()
    return [part for part in (*parts, text[at:]) if part]


def with_article(description: str) -> str:
    """The description with "the" instead of its own article, if it has one."""
    first, _, rest = description.partition(" ")
    return f"the {rest}" if first in ("a", "an", "the") and rest else f"the {description}"


def every_word() -> list[str]:
    """All parts of all phrases."""
    parts = [part for phrases in KINDS for phrase in phrases for options in phrase for part in options]
    return [_PLACE.sub(" ", part) for part in (*parts, *BREAK)]
