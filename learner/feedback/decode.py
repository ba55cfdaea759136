"""Decodes whole interactions and stores the verdicts."""

from collections.abc import Callable, Iterator, Sequence

from games import GAMES
from learner.feedback import Decoder, Exchange, exchange_of
from store.database import Database
from store.models import Feedback
from store.training import Interaction, verdicts

TURNS_AT_A_TIME = 500


def exchanges(interaction: Interaction) -> list[Exchange]:
    """One exchange for each turn but the last, which no utterance follows.

    Empty if the game's rules are not known here.
    """
    game, steps = GAMES.get(interaction.game), interaction.steps
    if game is None:
        return []
    return [
        exchange_of(game, interaction.context, steps[:number], steps[number].utterance)
        for number in range(1, len(steps))
    ]


def decode_interactions(
    database: Database,
    interactions: Sequence[Interaction],
    decoder: Decoder,
    progress: Callable[[int, int], None] | None = None,
) -> dict[int, Feedback]:
    """Decode the turns that this decoder has not decoded yet. Returns all its verdicts by turn id, old and new.

    Verdicts are written in transactions of a few hundred turns, so that a killed process loses little.
    """
    with database.session() as session:
        known = verdicts(session, decoder.name, decoder.version, decoder.scheme)
    todo = [
        (turn_id, exchange)
        for interaction in interactions
        for turn_id, exchange in zip(interaction.turn_ids, exchanges(interaction), strict=False)
        if turn_id not in known
    ]
    for done, part in _parts(todo):
        found = decoder.decode([exchange for _, exchange in part])
        rows = [
            Feedback(
                turn_id=turn_id,
                decoder=verdict.decoder,
                version=verdict.version,
                scheme=verdict.scheme,
                label=verdict.label,
                confidence=verdict.confidence,
                p_positive=verdict.p_positive,
                cue=verdict.cue,
            )
            for (turn_id, _), verdict in zip(part, found, strict=True)
        ]
        with database.session() as session:
            session.add_all(rows)
        known |= {row.turn_id: row for row in rows}
        if progress is not None:
            progress(done, len(todo))
    return known


def _parts(todo: list[tuple[int, Exchange]]) -> Iterator[tuple[int, list[tuple[int, Exchange]]]]:
    for start in range(0, len(todo), TURNS_AT_A_TIME):
        yield min(start + TURNS_AT_A_TIME, len(todo)), todo[start : start + TURNS_AT_A_TIME]
