"""Phrases of the simulated players: plain data. `{d}` is a description, `{the}` one with an article."""

CONFIRM = (
    "yes",
    "yep",
    "yeah",
    "yes!",
    "good",
    "great",
    "perfect",
    "correct",
    "right",
    "nice",
    "exactly",
    "excellent",
    "awesome",
    "ok",
    "okay",
    "cool",
    "that's it",
    "that's right",
    "that's the one",
    "that is correct",
    "you got it",
    "good job",
    "great job",
    "well done",
    "very good",
    "nice one",
    "spot on",
    "yes that's it",
    "yes, good",
    "ok good",
    "ok great",
    "good pick",
    "bingo",
    "sweet",
    "yes thanks",
    "alright",
    "wonderful",
    "yup",
    "👍",
    "✅",
)

REJECT = (
    "no",
    "nope",
    "nah",
    "no no",
    "no sorry",
    "wrong",
    "wrong one",
    "incorrect",
    "that's wrong",
    "this is wrong",
    "that one is wrong",
    "that's incorrect",
    "not that one",
    "no, not that one",
    "that's not it",
    "no, that's not it",
    "that isn't it",
    "that's not right",
    "no that's not right",
    "that's not the one",
    "not quite",
    "not what i meant",
    "that is not what i meant",
    "you picked the wrong one",
    "that was the wrong one",
    "oops, no",
    "hmm no",
    "sorry, that's wrong",
    "that doesn't look right",
    "👎",
    "❌",
)

TRY_AGAIN = ("try again", "try another one", "try the other one", "pick a different one", "look again")

PARTLY = (
    "almost",
    "close",
    "half right",
    "not quite",
    "only partly right",
    "one of those is right",
    "only one of those is right",
    "partly correct",
)

SELECT_FRAMES = (
    "select {the}",
    "pick {the}",
    "choose {the}",
    "click {the}",
    "find {the}",
    "get {the}",
    "click on {the}",
    "please select {the}",
    "can you find {the}",
    "i need {the}",
    "look for {the}",
)
"""Each player uses one of these, or the bare description."""

FIRST_FRAMES = ("first {d}", "the first one is {d}", "first is {d}", "let's start with {the}")

NEXT_FRAMES = (
    "now {d}",
    "next {d}",
    "next is {d}",
    "then {d}",
    "the next one is {d}",
    "next one is {d}",
    "now {the}",
    "now find {the}",
    "now select {the}",
    "next up is {d}",
    "also {the}",
    "and {the}",
    "another one is {d}",
)

LAST_FRAMES = (
    "last one is {d}",
    "the last one is {d}",
    "last, {d}",
    "finally {the}",
    "one more, {d}",
    "just one more: {d}",
)

HEDGES = (
    "looks like {d}",
    "it looks like {d}",
    "kind of like {d}",
    "sort of like {d}",
    "maybe {d}",
    "something like {d}",
    "could be {d}",
    "one that looks like {d}",
)

CORRECT_FRAMES = (
    "{d}",
    "the other one, {d}",
    "i meant {the}",
    "i mean {d}",
    "it's {d}",
    "it looks like {d}",
    "it looks more like {d}",
    "look for {the}",
    "{d} instead",
    "find {the} instead",
    "it should be {the}",
    "the one i mean is {d}",
    "try {the}",
    "pick {the}",
    "i want {the}",
    "the one that looks like {d}",
)

UNDO_LAST = (
    "undo",
    "undo that",
    "undo the last one",
    "undo the last selection",
    "please undo that",
    "deselect that",
    "deselect it",
    "deselect that one",
    "deselect the last one",
    "please deselect the last one",
    "unselect that",
    "unselect the last one",
    "unselect your last choice",
    "remove that",
    "remove that one",
    "remove the last one",
    "remove the last selection",
    "take that one back",
    "take away the last one",
    "drop the last one",
    "delete that one",
    "get rid of that one",
    "deselect the one you just picked",
)

UNDO_NAMED = (
    "deselect {the}",
    "please deselect {the}",
    "unselect {the}",
    "remove {the}",
    "please remove {the}",
    "undo {the}",
    "take away {the}",
    "drop {the}",
    "get rid of {the}",
    "take out {the}",
    "delete {the}",
    "unclick {the}",
)

UNDO_EARLIER = ("now {undo}", "{undo}", "but {undo}", "also {undo}", "next, {undo}")

PUT_BACK = (
    "no, put {the} back",
    "no, select {the} again",
    "you should not have removed {the}, select it again",
    "wrong, reselect {the}",
    "that was right before, select {the} again",
    "no! bring back {the}",
)

RESET = (
    "deselect everything",
    "start over",
    "clear all",
    "unselect all of them",
    "let's start over, deselect all",
    "remove everything",
    "deselect all of them please",
    "clear everything and start again",
)

RUN_ON = ("now", "next", "then", "and", "also", "last", "finally", "deselect", "unselect", "remove", "undo")
"""Phrases that follow a yes or a no without a comma."""
