"""Decodes whole interactions and stores the verdicts."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice

from sqlmodel import Session

from games import GAMES
from learner.feedback import Decoder, Exchange, exchange_of
from store.database import Database
from store.models import Feedback
from store.training import Interaction, StoredVerdict, kept_turns, stored_verdict, verdicts

TURNS_AT_A_TIME = 500


def _decodable(interaction: Interaction) -> Sequence[int]:
    """Ids of the turns but the last, which no utterance follows. None if the game's rules are not known here."""
    return interaction.turn_ids[:-1] if interaction.game in GAMES else ()


def exchanges(
    interactions: Iterable[Interaction], known: Container[int] = ()
) -> Iterator[tuple[int, Exchange]]:
    """(turn id, exchange) of every turn that an utterance follows, without the turns in `known`."""
    for one in interactions:
        for number, turn_id in enumerate(_decodable(one), 1):
            if turn_id not in known:
                # What was said anew answers a question of the bot, and what was taken back what was done.
                said = one.retracted.get(number, one.steps[number].utterance)
                yield turn_id, exchange_of(GAMES[one.game], one.context, one.steps[:number], said)


def decode_interactions(
    database: Database,
    interactions: Sequence[Interaction],
    decoder: Decoder,
    progress: Callable[[int, int], None] | None = None,
    writing: Callable[[], AbstractContextManager[Session]] | None = None,
) -> dict[int, StoredVerdict]:
    """Decode the turns that this decoder has not decoded yet. Returns all its verdicts by turn id, old and new.

    Verdicts are written in transactions of a few hundred turns, so that a killed process loses little. `writing` gives
    each of them; None: those of the database.
    """
    with database.session() as session:
        known = verdicts(session, decoder.name, decoder.version, decoder.scheme)
    total = sum(turn_id not in known for one in interactions for turn_id in _decodable(one))
    done, todo = 0, exchanges(interactions, known)
    while part := list(islice(todo, TURNS_AT_A_TIME)):
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
        with (writing or database.session)() as session:
            kept = kept_turns(session, [row.turn_id for row in rows])
            session.add_all([row for row in rows if row.turn_id in kept])
        known |= {row.turn_id: stored_verdict(row.label, row.confidence) for row in rows}
        done += len(part)
        if progress is not None:
            progress(done, total)
    return known
