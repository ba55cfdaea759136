"""The real embedded policy, loaded once, and games that it played."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from sqlmodel import select

from learner.policy import Policy
from learner.settings import PolicyConfig
from sim.bench.private_words import SAID
from store.database import Database
from store.models import Player
from tests.learner.model_classes import EXACT, REFUSED
from tests.learner.played import copy_of, play_games
from tests.postgres import database_url

os.environ.setdefault("RESPECT_ROUNDS__SEED_GAMES", "none")
"""Rounds without seed games, because they are quicker; `test_seed.py` tests rounds with them."""


@pytest.fixture(scope="session")
def shared_policy() -> Policy:
    return Policy.load("tiny", device="cpu", temperature=PolicyConfig().temperature)


@pytest.fixture
def policy(shared_policy: Policy):
    """The policy without adapters; those of the test are removed afterwards."""
    yield shared_policy
    shared_policy.eval()
    for name in shared_policy.adapters.names:
        shared_policy.unload_adapter(name)


@pytest.fixture(scope="session")
def played(
    shared_policy: Policy, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """A folder with a database of games played by the base model. Copy it before changing anything.

    The processes of pytest-xdist share it.
    """
    temporary = tmp_path_factory.getbasetemp()
    shared = temporary.parent if hasattr(request.config, "workerinput") else temporary
    folder = shared / "played"
    with FileLock(shared / "played.lock"):
        if not folder.exists():
            copy_of(play_games(tmp_path_factory.mktemp("played"), shared_policy), folder)
    own = copy_of(folder, tmp_path_factory.mktemp("played"))  # among what is looked at for private words
    database = Database(database_url(own))
    with database.session() as session:
        for player in session.exec(select(Player)):
            SAID.add_name(player.name)
    database.close()
    return own


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small random model of a class of `tests.learner.model_classes`, saved when first asked for."""

    @cache
    def saved(name: str) -> Path:
        folder = tmp_path_factory.mktemp("model") / name
        torch.manual_seed(0)
        {**EXACT, **REFUSED}[name](folder)
        return folder

    return saved
