"""How many tokens the utterances of one game may have in all, so that no player can use up the memory."""

from collections.abc import Iterable

from games.words import plain, spoken
from learner.protocol import TurnTooLong

MOST_TOKENS = 2_048
"""Tokens of all of a game's utterances, if the model's context is long enough."""
MOST_CHARACTERS = 8 * MOST_TOKENS
"""Characters of all of a game's utterances as they are spelt for the model: one that is typed may become 18."""
SHARE_OF_CONTEXT = 0.75
"""Share of the model's context for utterances; the rest is for the board, the actions and the chat template."""
RESERVED_TOKENS = 32
"""Tokens reserved for each turn still to come, so that a game can be played to its end."""


def most_tokens(context_length: int) -> int:
    """Tokens that all utterances of a game may have, for a model with a context of so many tokens."""
    return min(MOST_TOKENS, int(SHARE_OF_CONTEXT * context_length))


def check_characters(utterances: Iterable[str]) -> None:
    """Raises `TurnTooLong` for utterances that together are longer than `MOST_CHARACTERS`, as they are spelt for the
    model, before time is spent to count their tokens."""
    characters = sum(len(spoken(plain(utterance))) for utterance in utterances)
    if characters > MOST_CHARACTERS:
        raise TurnTooLong(
            f"What was said in this game is {characters:,} characters as the model reads it, of at most "
            f"{MOST_CHARACTERS:,}: say it in fewer words"
        )


def check_length(tokens: int, most: int, turns_left: int) -> None:
    """Raises `TurnTooLong` if a game's `tokens` exceed `most` less the reserve of the `turns_left` after this one."""
    if tokens > most - RESERVED_TOKENS * turns_left:
        raise TurnTooLong(
            f"What was said in this game is {tokens:,} tokens, this model takes {most:,} in all, "
            f"{RESERVED_TOKENS} of them for each turn still to come: say it in fewer words"
        )
