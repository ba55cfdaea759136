"""Games played by the policy, for tests of training."""

import shutil
from pathlib import Path

from games import GAMES
from games.figures import open_images
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.settings import LearnerSettings
from sim.players import open_players
from sim.playing import Playground
from store.database import Database
from store.migrations import upgrade
from tests.postgres import copy_database, database_url

GAMES_PLAYED = 6


def play_games(folder: Path, policy: Policy, games: int = GAMES_PLAYED, players: int = 10) -> Path:
    """Play games with the base model into a new database in `folder`."""
    database = Database(database_url(folder))
    upgrade(database)
    images = open_images("classic")
    playground = Playground(
        database, policy, [GAMES["multiref"]], images, images.ids, open_players("patient"), players, seed=1
    )
    playground.play(0, games, BASE_ADAPTER, lambda tally: None)
    database.close()
    return folder


def settings_for(folder: Path, **sections: dict[str, object]) -> LearnerSettings:
    """Settings with `folder` as the data folder, independent of the environment."""
    return (
        LearnerSettings()
        .changed(
            store={"data_dir": folder, "database_url": database_url(folder)},
            rounds={"seed_games": "none"},
            training={"epochs": 1, "least_steps": 0, "grounding_epochs": 4, "batch_turns": 16},
        )
        .changed(**sections)
    )


def copy_of(played: Path, folder: Path) -> Path:
    """A copy of the folder with the same games."""
    shutil.copytree(played, folder, dirs_exist_ok=True)
    copy_database(played, folder)
    return folder
