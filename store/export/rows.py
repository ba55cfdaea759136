"""Converts finished games to rows of the exported tables. It reads the targets, for evaluation only."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from games import GAMES
from games.core import Outcome
from store.export import tables
from store.export.tables import Table

Played = tuple[Table, dict[str, Any]]


@dataclass(frozen=True)
class Decoded:
    """One verdict of a decoder."""

    label: int
    p_positive: float | None
    cue: str | None


@dataclass(frozen=True)
class Judged:
    """One person's judgement of a turn."""

    rater: str
    """Pseudonym."""
    correctness: str
    feedback: str | None
    right_clicks: list[str]
    at: datetime


@dataclass(frozen=True)
class Happened:
    """An event of a game that has a row of its own in the store."""

    kind: str
    turn: int | None
    """Number of the turn that it is about, from 1."""
    text: str | None
    at: datetime


def public_id(game_id: str) -> str:
    """A game's id as exported, which is reversible and has no underscore, the separator in `game_turn_id`."""
    return game_id.replace("%", "%25").replace("_", "%5F")


def game_turn_id(game_id: str, number: int) -> str:
    """The exported id of a turn; `number` is the store's, from 1."""
    return f"{public_id(game_id)}_{number - 1}"


def reference(before: Collection[str], after: Collection[str], targets: Collection[str]) -> int | None:
    """1 if all clicks between two selections were right, 0 if some, -1 if none; None for no click."""
    selected, deselected = set(after) - set(before), set(before) - set(after)
    right = len(selected & set(targets)) + len(deselected - set(targets))
    clicks = len(selected) + len(deselected)
    if not clicks:
        return None
    return 1 if right == clicks else 0 if right else -1


def rows_of(
    game: Any,
    turns: Sequence[Any],
    speaker: str,
    decoded: Mapping[str, Mapping[int, Decoded]],
    judged: Mapping[int, Sequence[Judged]],
    happened: Sequence[Happened],
) -> Iterator[Played]:
    """All rows of one game, each with its table.

    `game` and `turns` are rows of the store's tables, turns in order. `decoded` is scheme -> turn id -> verdict,
    `judged` is turn id -> people's judgements, `happened` the game's events.
    """
    rules = GAMES[game.game]
    context, targets = list(game.listener), list(game.targets)
    of_game = {
        "targets": targets,
        "game_id": public_id(game.id),
        "context": context,
        "dataset_alias": f"D{game.round + 1}",
        "policy_name": game.adapter,
        "date": game.started_at.date().isoformat(),
        "round": game.round,
    }
    boards = [list(rules.selected(context, turn.state_after)) for turn in turns]
    chat = [turn.utterance for turn in turns]
    yield (
        tables.INTERACTION,
        {
            **of_game,
            "turn": len(turns),
            "end": "successful" if game.outcome == Outcome.WON else "unsuccessful",
            "speaker": speaker,
            "len": _minutes(game.started_at, game.ended_at),
            "clicks": boards,
            "chat": chat,
        },
    )
    yield from _events(of_game, game, turns, happened)
    clicks: list[list[str]] = []
    for index, turn in enumerate(turns):
        before, after = list(rules.selected(context, turn.state_before)), boards[index]
        selected = [figure for figure in after if figure not in before]
        deselected = [figure for figure in before if figure not in after]
        clicks = [*clicks, deselected + selected]
        following = chat[index + 1] if index + 1 < len(turns) else None
        name = game_turn_id(game.id, turn.number)
        yield (
            tables.TURN,
            {
                **of_game,
                "chats": chat[: index + 1],
                "clicks": clicks,
                "end": int(following is None),
                "turn_id": turn.number - 1,
                "currently_selected": before,
                "deselected": deselected,
                "selected": selected,
                "chat_feedback": following,
                "game_turn_id": name,
                "prob_action": None if turn.logp is None else math.exp(turn.logp),
            },
        )
        verdicts = {scheme: found[turn.id] for scheme, found in decoded.items() if turn.id in found}
        binary = verdicts.get("binary")
        yield (
            tables.TURN_META,
            {
                "game_turn_id": name,
                "log_prob": turn.logp,
                "temperature": turn.temperature,
                "seed": turn.seed,
                "latency": turn.seconds,
                "asked_at": turn.asked_at,
                "answered_at": turn.answered_at,
                "source": turn.source,
                "retracted": turn.retracted,
                "chosen": turn.chosen,
                "action": turn.action,
                "game": game.game,
                "images": game.images,
                "images_hash": game.images_hash,
                "difficulty": game.difficulty,
                "code_version": game.code_version,
                "p_positive": binary.p_positive if binary else None,
                "cue": binary.cue if binary else None,
            },
        )
        if verdicts:
            right = reference(before, after, targets)
            previous = turns[index - 1].action if index else ""
            text = (
                f"previous action: {previous or 'none'}\nutterance: {turn.utterance}\n"
                f"action: {turn.action}\nnext utterance: {following or ''}"
            )
            for scheme, verdict in verdicts.items():
                label = -1 if scheme == "binary" and right == 0 else right
                yield (
                    tables.BINARY if scheme == "binary" else tables.TERNARY,
                    {"predictions": verdict.label, "labels": label, "game_turn_id": name, "text": text},
                )
        for judgement in judged.get(turn.id, ()):
            yield (
                tables.HUMAN_EVAL,
                {
                    **of_game,
                    "correctness": judgement.correctness,
                    "feedback": judgement.feedback,
                    "delta_clicks": judgement.right_clicks,
                    "turn_id": turn.number - 1,
                    "selected": selected,
                    "deselected": deselected,
                    "end": int(following is None),
                    "currently_selected": before,
                },
            )
            yield (
                tables.HUMAN_EVAL_META,
                {"game_turn_id": name, "rater": judgement.rater, "at": judgement.at},
            )


def _events(
    of_game: dict[str, Any], game: Any, turns: Sequence[Any], happened: Sequence[Happened]
) -> Iterator[Played]:
    """The events of a game in the order of their times."""
    found = [Happened("game_started", None, None, game.started_at)]
    for turn in turns:
        found.append(Happened("utterance", turn.number, None, turn.asked_at))
        found.append(Happened("action", turn.number, None, turn.answered_at))
    if game.ended_at is not None:
        found.append(Happened("game_ended", None, None, game.ended_at))
    for event in sorted([*found, *happened], key=lambda event: event.at.astimezone(UTC)):
        yield (
            tables.EVENT,
            {
                "game_id": of_game["game_id"],
                "turn_id": None if event.turn is None else event.turn - 1,
                "kind": event.kind,
                "text": event.text,
                "at": event.at,
            },
        )


def _minutes(began: datetime, ended: datetime | None) -> str | None:
    if ended is None:
        return None
    return f"{(ended.astimezone(UTC) - began.astimezone(UTC)).total_seconds() / 60:.3f} mins"
