"""A game of the tests with what the games that ship have not: a limited selection, and one click a turn."""

import random
from collections.abc import Sequence

from games.core import Deal, IllegalAction
from games.multiref import LETTERS, MultiRef, parse_action, parse_state

LIMIT = 3


class Handful(MultiRef):
    """MultiRef with three targets, at most three figures selected at a time and one click a turn."""

    name = "handful"
    max_targets = LIMIT

    def deal(self, figures: Sequence[str], rng: random.Random) -> Deal:
        deal = super().deal(figures, rng)
        return Deal(deal.speaker, deal.listener, frozenset(sorted(deal.targets)[:LIMIT]))

    def legal_actions(self, state: str) -> Sequence[str]:
        selected = parse_state(state)
        others = [] if len(selected) >= LIMIT else [letter for letter in LETTERS if letter not in selected]
        return [*(f"deselect {letter}" for letter in sorted(selected)), *(f"select {one}" for one in others)]

    def apply(self, state: str, action: str) -> str:
        after = super().apply(state, action)
        deselect, select = parse_action(action)
        if len(deselect | select) > 1 or len(parse_state(after)) > LIMIT:
            raise IllegalAction(f"{action!r} is more than one click, or selects more than {LIMIT} figures")
        return after

    def action_to(self, context: Sequence[str], state: str, selection: frozenset[str]) -> str | None:
        action = super().action_to(context, state, selection)
        return action if action in self.legal_actions(state) else None


HANDFUL = Handful()
