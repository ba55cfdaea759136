"""Reads files of finished interactions for `respect evaluate` and `respect import`."""

from pathlib import Path

from cli.console import fail
from games.figures import ImageSet, open_images
from learner.feedback.interaction_files import BadLine, table_file
from research.recorded.judgements import TABLE, RecordedJudgements, read_judgements
from research.recorded.reading import RecordedGame, read_games

FILE_HELP = (
    "Finished interactions: JSON lines, Parquet or CSV with the columns context, targets, clicks and chat, or a folder "
    "that `respect export` wrote, or laid out as the published data set."
)


def read(file: Path, images: str) -> tuple[ImageSet, list[RecordedGame]]:
    """(image set, games) of a file; ends the program with a sentence for what cannot be used."""
    try:
        image_set = open_images(images)
    except (ValueError, OSError) as error:
        fail(str(error))
    try:
        return image_set, read_games(file, image_set)
    except BadLine as error:
        fail(f"{file}: {error}.")
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): give a file of interactions or an exported folder.")


def judgements(file: Path, images: ImageSet, games: list[RecordedGame]) -> RecordedJudgements:
    """People's judgements of the games of a folder; ends the program with a sentence for what cannot be used."""
    try:
        return read_judgements(file, games, images)
    except BadLine as error:
        fail(f"{table_file(file, TABLE)}: {error}.")
    except OSError as error:
        fail(f"{table_file(file, TABLE)} cannot be read ({error.strerror}): make it readable.")
