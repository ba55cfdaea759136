"""What people add to a description: the parts of a figure, where they are and what they look like, in further clauses
and sentences. The tagger must take all of it for one description.

Plain data, written for this module; none is copied from games of people.
"""

import random
import re
from collections.abc import Sequence

_RULES: dict[str, tuple[str, ...]] = {
    "addition": (
        " {clause}", " {clause}", " {clause}", ", {clause}", ", {clause}",
        ". {sentence}", ". {sentence}", ", {sentence}", " {sentence}", " - {sentence}", "; {sentence}", ": {parts}",
    ),
    "clause": (
        "{that is} {state}", "{that is} {state}", "{that is} {state}", "{that has} {part}", "{with} {part}",
        "with {part} and {thing}", "{with its} {thing} {where}", "{with its} {thing} {state}", "{state}",
        "{relation} {the} {object}", "{relation} {part}", "{whose} {thing} is {state}",
    ),
    "sentence": (
        "{it has} {part}", "it has {part} and {part}", "{there is} {part}", "{its} {thing} is {state}",
        "{its} {thing} {is like} {part}", "{it is} {state}", "{where} {there is} {part}", "{only} {its} {thing}",
        "it looks a bit like {other}",
    ),
    "parts": ("{placed part}", "{placed part}, {placed part}", "{placed part} and {placed part}"),
    "that is": ("that is", "that is", "that's", "which is", "who is", "thats", "that looks", "that seems to be",
                "that are"),
    "that has": ("that has", "which has", "having", "that have", "that only has", "thats got"),
    "with": ("with", "with", "with", "without", "but with"),
    "with its": ("with its", "with the", "with his", "and its"),
    "whose": ("whose", "and its", "and the", "where the"),
    "it has": ("it has", "it has", "it has got", "it's got", "its got", "he has", "it also has", "has"),
    "it is": ("it is", "it's", "its", "he is", "she's", "they are"),
    "there is": ("there is", "there's", "there are", "there is also", "you can see", "you see", "it has", "is"),
    "its": ("its", "the", "his"),
    "is like": ("looks like", "is", "is like"),
    "only": ("you can't see", "you cant see", "we don't see", "you only see", "it is only", "only", "just",
             "it does not have", "it has no", "there is no"),
    "the": ("a", "a", "the", "its", "something like a"),
    "part": (
        "{a} {noun}", "{a} {noun} {where}", "{a} {noun} {where}", "{a} {noun} {state}", "{many} {nouns}",
        "{many} {nouns} {where}", "{noun} {where}", "{nouns} {state}", "{a} {noun} {relation} {the} {noun}",
    ),
    "placed part": ("{a} {noun} {where}", "{many} {nouns} {where}", "{noun} {where}", "{a} {noun} {state}"),
    "a": ("a", "a", "a", "the", "its", "only one"),
    "many": ("two", "three", "four", "2", "3", "both", "some", "lots of", "a pair of", "no", "several"),
    "thing": ("{noun}", "{noun}", "{nouns}"),
    "object": ("{noun}", "{whole}", "{whole}", "{size} {whole}"),
    "noun": ("{bare}", "{size} {bare}", "{size} {bare}"),
    "nouns": ("{bare several}", "{size} {bare several}"),
    "size": ("big", "small", "tiny", "large", "long", "short", "wide", "thin", "thick", "flat", "pointy", "sharp",
             "bent", "curved", "crooked", "straight", "white", "black", "little", "tall", "upside down", "single",
             "raised", "slanted"),
    "bare": ("triangle", "square", "diamond", "rectangle", "trapezoid", "parallelogram", "hexagon", "point", "line",
             "corner", "head", "neck", "body", "tail", "leg", "foot", "arm", "hand", "wing", "beak", "ear", "nose",
             "back", "roof", "door", "chimney", "base", "handle", "stand", "tip", "edge", "hat", "hole", "gap", "blade",
             "stem", "piece", "end", "top", "bottom"),
    "bare several": ("triangles", "squares", "points", "legs", "feet", "arms", "wings", "ears", "corners", "pieces",
                     "lines", "spikes", "sides", "peaks", "horns", "parallelograms"),
    "whole": ("table", "chair", "box", "wall", "hill", "boat", "horse", "ball", "stick", "platform", "pole", "bench",
              "rock", "block", "bed", "cup", "book", "bag", "tray", "stool", "ramp", "step", "ground", "water", "fence",
              "tree", "house"),
    "where": ("on top", "at the top", "on the top", "at the bottom", "on the bottom", "on the left", "on the right",
              "on the left side", "on the right side", "to the left", "to the right", "in the middle", "in the center",
              "underneath", "below", "above", "at one end", "on each side", "on both sides", "at the back", "in front",
              "on its head", "on one side", "near the top", "of it", "under it", "sticking out", "going up",
              "pointing down"),
    "relation": ("on top of", "on", "next to", "under", "in front of", "inside", "behind", "above", "beside",
                 "leaning on", "holding", "sitting on", "standing on", "wearing", "carrying", "between", "over",
                 "attached to", "in", "against", "made of", "surrounded by", "growing out of", "looking at", "riding",
                 "coming out of", "connected to", "around", "balancing on"),
    "state": ("facing left", "facing right", "facing to the left", "looking to the right", "pointing up",
              "pointing down", "pointing to the left", "going to the right", "leaning left", "leaning back", "standing",
              "standing on one leg", "sitting", "sitting down", "kneeling", "lying down", "lying on its side",
              "running", "walking", "flying", "falling", "swimming", "swimming to the left", "bending over", "tilted",
              "turned to the right", "upside down", "on its side", "straight", "straight up and down",
              "completely flat", "vertical", "horizontal", "diagonal", "open", "closed", "closed at the top", "cut off",
              "split in two", "going diagonally down", "very thin", "wider at the bottom", "bigger than the rest",
              "smaller than its head", "thicker than its neck", "in the air", "stretched out", "raised"),
}  # fmt: skip
"""A context-free grammar: name -> its expansions, of which one is taken. {other}: another description of the figure."""
WORDS_BETWEEN = (
    "that is that's which who thats looks seems to be are has have with its the a an it it's got there there's you can "
    "see also of one like on at in not can't cant does only just no and"
)
"""Words that join the parts of one description. They tell the tagger that it goes on."""
_NAME = re.compile(r"\{([a-z ]+)\}")


def elaborated(description: str, others: Sequence[str], rng: random.Random) -> str:
    """The description with one to three additions. `others`: descriptions of the same figure, at least one."""

    def expand(name: str) -> str:
        if name == "other":
            return rng.choice(others)
        return _NAME.sub(lambda found: expand(found[1]), rng.choice(_RULES[name]))

    return description + "".join(expand("addition") for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
