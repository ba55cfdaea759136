"""Policies: adapters with their lineage, what they were trained with, and how their games went."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlmodel import Session

from store import browse
from store.browse import ListedAdapter
from store.standings import Tally
from web.pages.chart import chart_of
from web.pages.games import plain
from web.pages.overview import shares
from web.pages.site import SITE

BASE = "base"
"""The name of the model without an adapter."""


@dataclass(frozen=True)
class Policy:
    """An adapter, or the base model, with the tally of its games."""

    name: str
    adapter: ListedAdapter | None
    """None for the base model and for names that only games have."""
    tally: Tally | None


@dataclass(frozen=True)
class _Lineage:
    policies: dict[str, Policy]
    tallies: dict[tuple[int, str], Tally]
    card: dict[str, Any] | None

    def ancestors(self, name: str) -> list[str]:
        """The adapters that one was trained from, the nearest first; the base model is the last."""
        found: list[str] = []
        while (
            (policy := self.policies.get(name)) and policy.adapter and (name := policy.adapter.parent or BASE)
        ):
            if name in found:
                break
            found.append(name)
        return found

    def children(self, name: str) -> list[str]:
        """The adapters that were trained from one, the oldest first."""
        return [
            policy.name
            for policy in reversed(self.policies.values())
            if policy.adapter and (policy.adapter.parent or BASE) == name
        ]


def _lineage(session: Session, name: str | None = None) -> _Lineage:
    tallies = browse.tallies_by_policy(session)
    by_name: dict[str, Tally] = {}
    for (_, adapter), tally in tallies.items():
        by_name[adapter] = by_name[adapter] + tally if adapter in by_name else tally
    adapters = {each.name: each for each in browse.list_adapters(session)}
    names = [*adapters, *sorted(by_name.keys() - adapters.keys() - {BASE}), BASE]
    policies = {each: Policy(each, adapters.get(each), by_name.get(each)) for each in names}
    return _Lineage(policies, tallies, browse.card_of(session, name) if name else None)


def facts(card: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The plain values of a card, those inside others by names such as "training.epochs".

    Ids of games and players, which cards also hold, are in lists and under `trust` and are left out.
    """
    for name, value in card.items():
        if isinstance(value, Mapping) and name != "trust":
            yield from facts(value, f"{prefix}{name}.")
        elif isinstance(value, bool | str) or value is None:
            yield f"{prefix}{name}", str(value)
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", f"{value:.6g}"


async def show_list(request: web.Request) -> web.Response:
    """`/policies`."""
    site = request.app[SITE]
    lineage = await site.ask(_lineage)
    return site.render(request, "policies.html", lineage=lineage, policies=list(lineage.policies.values()))


async def show_one(request: web.Request) -> web.Response:
    """`/policies/NAME`."""
    site, name = request.app[SITE], plain("adapter", request.match_info["name"])
    lineage = await site.ask(lambda session: _lineage(session, name))
    policy = lineage.policies.get(name)
    if policy is None:
        raise web.HTTPNotFound
    own = {key: tally for key, tally in lineage.tallies.items() if key[1] == name}
    return site.render(
        request,
        "policy.html",
        policy=policy,
        ancestors=lineage.ancestors(name),
        children=lineage.children(name),
        facts=list(facts(lineage.card or {})),
        tallies=own,
        chart=chart_of(shares(own)),
    )
