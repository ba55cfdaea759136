"""Reads finished games for a report from a database, a file of interactions or an exported folder.

It reads the targets, because reports are evaluation. Utterances are used for counts only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from games import GAMES
from games.core import Outcome
from learner.feedback import Decoder, Label, open_decoder
from learner.feedback.evaluate import RecordedInteraction, labelled_exchanges, read_lines
from learner.feedback.interaction_files import BadLine
from store.database import Database
from store.export.export import newest_decoders
from store.export.rows import reference
from store.migrations import refuse_newer
from store.models import Feedback, Game, Turn
from store.settings import StoreSettings, database_url


class ReportError(RuntimeError):
    """A report cannot be made; the message says why and how to fix it."""


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """One turn: its utterance, and how many of its clicks were right."""

    utterance: str
    right: int
    """Number of clicks that select a target or deselect a non-target."""
    clicks: int
    reference: int | None
    """+1 all clicks right, 0 some, -1 none; None without clicks."""
    decoded: int | None
    """The feedback decoder's label; None if there is no next utterance or it was not decoded."""


@dataclass(frozen=True, slots=True)
class PlayedGame:
    """One finished game."""

    round: int
    player: str
    won: bool
    turns: tuple[PlayedTurn, ...]


class PublishedInteraction(RecordedInteraction):
    """A line of a file of interactions, with additional fields for a report."""

    round: int = 0
    speaker: str = ""
    end: str | None = None
    """"successful" or "unsuccessful"; if missing, the last selection is compared with the targets."""


def open_source(source: str) -> list[PlayedGame]:
    """Games of a database URL, a file of interactions, an exported folder or a data folder.

    Raises `ReportError`.
    """
    if "://" in source:
        return from_database(source)
    path = Path(source)
    if path.is_file() or (path / "MANIFEST.json").is_file():
        return from_file(path)
    if (path / "respect.db").is_file():
        return from_database(f"sqlite:///{path / 'respect.db'}")
    raise ReportError(
        f"{source} is no source of games: give a database URL, a file of interactions, an exported folder or a data "
        "folder with respect.db"
    )


def from_database(url: str) -> list[PlayedGame]:
    """Every finished game of a database, with the verdicts of the binary decoder that was used last.

    Imported games (round -1) are left out, because no policy of this deployment played them.
    """
    try:
        config = replace(StoreSettings().store, database_url=database_url(url))
    except ValueError as error:
        raise ReportError(f"{url.partition('://')[0]}://…: {error}") from error
    database = Database.of(config, read_only=True)
    if database.missing:
        raise ReportError(f"{database.url.render_as_string()} could not be read: it is not there yet")
    try:
        refuse_newer(database)
        with database.session() as session:
            games = session.exec(
                select(Game)
                .where(Game.outcome != Outcome.OPEN, Game.round >= 0)
                .order_by(col(Game.started_at), col(Game.id))
            ).all()
            decoded: dict[int, int] = {}
            if found := newest_decoders(session.connection()).get("binary"):
                query = select(Feedback.turn_id, Feedback.label).where(
                    Feedback.scheme == "binary", Feedback.decoder == found[0], Feedback.version == found[1]
                )
                decoded = dict(session.exec(query).all())
            turns: dict[str, list[PlayedTurn]] = {game.id: [] for game in games}
            by_id = {game.id: game for game in games}
            for turn in session.exec(
                select(Turn).order_by(col(Turn.game_id), col(Turn.number)).execution_options(yield_per=2000)
            ):
                if game := by_id.get(turn.game_id):
                    rules = GAMES[game.game]
                    before, after = (
                        rules.selected(game.listener, state)
                        for state in (turn.state_before, turn.state_after)
                    )
                    verdict = decoded.get(turn.id) if turn.id is not None else None
                    turns[game.id].append(_turn(turn.utterance, before, after, game.targets, verdict))
    except (SQLAlchemyError, OSError) as error:
        raise ReportError(database.not_read(error)) from error
    finally:
        database.close()
    return _some(
        [
            PlayedGame(game.round, str(game.player_id), game.outcome == Outcome.WON, tuple(turns[game.id]))
            for game in games
        ],
        database.url.render_as_string(),
    )


def from_file(path: Path) -> list[PlayedGame]:
    """Every interaction of a file or an exported folder, decoded by the rules decoder."""
    try:
        return list(_recorded(line for _, line in read_lines(path, PublishedInteraction)))
    except BadLine as error:
        raise ReportError(f"{path}: {error}") from error
    except OSError as error:
        raise ReportError(f"{path} cannot be read ({error.strerror})") from error


def _recorded(interactions: Iterable[PublishedInteraction]) -> Iterator[PlayedGame]:
    decoder = open_decoder("rules", "binary")
    for interaction in interactions:
        yield _recorded_game(interaction, decoder)


def _recorded_game(interaction: PublishedInteraction, decoder: Decoder) -> PlayedGame:
    labelled: list[Label] = [
        verdict.label
        for verdict in decoder.decode([exchange for _, exchange in labelled_exchanges(interaction)])
    ]
    turns: list[PlayedTurn] = []
    before: list[str] = []
    for number, after in enumerate(interaction.clicks):
        has_verdict = set(before) != set(after) and number + 1 < len(interaction.chat)
        verdict = labelled.pop(0) if has_verdict else None
        turns.append(_turn(interaction.chat[number], before, after, interaction.targets, verdict))
        before = after
    won = interaction.end == "successful" if interaction.end else set(before) == set(interaction.targets)
    return PlayedGame(interaction.round, interaction.speaker, won, tuple(turns))


def _turn(
    utterance: str, before: Iterable[str], after: Iterable[str], targets: Iterable[str], verdict: int | None
) -> PlayedTurn:
    was, is_, wanted = set(before), set(after), set(targets)
    right = len((is_ - was) & wanted) + len((was - is_) - wanted)
    return PlayedTurn(utterance, right, len(was ^ is_), reference(was, is_, wanted), verdict)


def _some(games: list[PlayedGame], source: str) -> list[PlayedGame]:
    if not games:
        raise ReportError(f"{source} has no finished game yet (those that were imported do not count)")
    return games
