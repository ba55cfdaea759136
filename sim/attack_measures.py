"""What attacks do to a simulated deployment. It reads who attacks, which the bot never knows: for evaluation only."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlmodel import Session

from store.statistics import players_until, success_of_others
from store.training import weight_by_player


def attack_measures(
    session: Session, number: int, results: Mapping[str, Any], accounts: Collection[int]
) -> dict[str, Any]:
    """Of the training that made a round's policy: who was in quarantine or doubted, the share of the attackers'
    `accounts` in the weight of what was learnt, and the success of the other players afterwards.

    `results` are those of the training.
    """
    trust = results["trust"]
    caught, doubted = {int(player) for player in trust["quarantined"]}, set(trust["doubted"])
    attackers = set(accounts) & players_until(session, number - 1)
    learnt = weight_by_player(session, results.get("adapter"))
    total = sum(learnt.values())
    return {
        "round": number,
        "players": trust["players"],
        "attackers": len(attackers),
        "attackers_quarantined": len(caught & attackers),
        "honest_quarantined": len(caught - attackers),
        "attackers_doubted": len(doubted & attackers),
        "honest_doubted": len(doubted - attackers),
        "attackers_influence": sum(learnt.get(each, 0.0) for each in attackers) / total if total else None,
        "success_of_others": success_of_others(session, number, accounts),
    }
