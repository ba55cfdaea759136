"""A whole deployment without Discord: play, decode, train, publish, play again.

Games, policy, feedback decoding, store and rounds use the same code as the bot; only the players are simulated.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from games import DEFAULT_GAME, GAMES
from games.core import Difficulty, Game
from games.figures import held_out, open_images
from learner.conversation import game_of
from learner.examples.hindsight import Hindsight
from learner.examples.labels import parse_system
from learner.feedback import open_decoder
from learner.feedback.decode import decode_interactions
from learner.policy import Policy
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterRegistry
from learner.rounds.pipeline import run_round
from learner.rounds.work import RoundProgress
from learner.settings import NOVICE, LearnerSettings, Start, System, TrainingConfig
from sim.attack_measures import attack_measures
from sim.players import Attack, FreshPlayers, open_players
from sim.playing import Playground, Tally
from sim.resume import FILE, claim, finished_round
from store.database import Database
from store.migrations import upgrade
from store.rounds import active_round, request_round
from store.settings import OWN_STORE
from store.statistics import has_finished_games, round_statistics
from store.training import usable_interactions
from store.version import code_version


class DeploymentError(RuntimeError):
    """A deployment cannot start or continue; the message says why."""


@dataclass(frozen=True)
class DeploymentConfig:
    """Parameters of a simulated deployment."""

    images: str = "classic"
    figures: int | None = None
    """Number of figures of the set to play with (`games.figures.held_out`); None uses all."""
    difficulty: Difficulty | None = None
    system: System = "b-sup"
    rounds: int = 6
    games_per_round: int = 330
    seed: int = 0
    players: str = "people"
    attack: Attack = Attack()  # noqa: RUF009 - frozen
    """What some of the players do. An attack in the last round alone measures the loss by their play itself, without
    that by training on it."""
    policy: str = NOVICE
    decoder: str = "rules"
    games: tuple[str, ...] = (DEFAULT_GAME,)
    """Names of games, which the games of a round alternate between."""
    at_once: int = 48
    """Number of players. Each has one game at a time, so this is also the batch size."""
    hindsight: Hindsight | None = None
    """None uses the setting's value."""
    start: Start | None = None
    """None uses the setting's value."""
    temperature: float | None = None
    """None uses the setting's value."""
    training: TrainingConfig | None = None
    """None uses the setting's value, with the deployment's seed."""
    threads: int | None = None
    """Number of torch threads; None uses the setting's value."""
    retention: str | None = None
    """An image set that the first and the last policy play at the end, to measure forgetting."""


@dataclass(frozen=True)
class DeploymentRow:
    """Measures of the policy after `round` rounds of learning: one point of the paper's curves."""

    round: int
    interactions: int
    success: float
    success_ci95: tuple[float, float]
    turns: float
    click_accuracy: float
    exact_match: float
    """Share of turns whose action is the one that the speaker intended."""
    positive_rate: float
    decoder_precision: float | None
    """Share of turns decoded as positive whose clicks were all right; None if none was decoded as positive."""
    decoder_recall: float | None
    train_turns: int
    """Number of turns that the adapter of the round before these games was trained on; 0 if none was made."""
    train_seconds: float
    play_seconds: float
    promoted: bool | None
    """Whether the adapter of the round of learning before these games was put to use; None before the first round."""
    reason: str
    """Why, or why not; empty before the first round."""


@dataclass(frozen=True)
class DeploymentProgress:
    """The progress of a deployment."""

    round: int
    stage: str
    """"play" or a stage of the round (`learner.rounds.pipeline.STAGES`)."""
    done: int
    total: int
    success: float | None = None
    """Of the games of this round so far."""


OnProgress = Callable[[DeploymentProgress], None]


def simulate(
    config: DeploymentConfig,
    data_dir: Path,
    policy: Policy | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Run a deployment in `data_dir` and return its JSON object. It goes on where one that was killed stopped.

    With `fresh` players, each round and the total also have "words_repeated": the share of descriptions that had
    been used for the same figure before in this deployment.

    Deterministic for a seed, except for times in seconds, which leave out what was played before it was killed.
    Raises ValueError for an invalid config, `OtherDeployment` for a folder with a deployment of other parameters,
    `DeploymentError` for one with other games or a failed round.
    """
    began = time.monotonic()
    scheme, _ = parse_system(config.system)
    settings = LearnerSettings().changed(
        store={**OWN_STORE, "data_dir": data_dir},
        policy=_given(model=config.policy, threads=config.threads, temperature=config.temperature),
        feedback={"decoder": config.decoder},
        rounds=_given(system=config.system, start=config.start),
        training={"seed": config.seed},
    )
    database = Database.of(settings.store)
    try:
        upgrade(database)
        with database.session() as session:
            if has_finished_games(session) and not (data_dir / FILE).exists():
                raise DeploymentError(f"{data_dir} holds other games already: choose an empty folder")
        policy = policy or Policy.of(settings, settings.policy.threads)
        claim(data_dir, _identity(config, settings, policy))
        with database.session() as session:
            played = max((row.round for row in round_statistics(session, scheme)), default=0)
        if played > config.rounds:
            raise DeploymentError(
                f"{data_dir} has been played up to round {played}: ask for --rounds {played} or more"
            )
        world = _World(config, database, settings, policy, on_progress or (lambda _: None))
        world.deploy()
        with database.session() as session:
            statistics = round_statistics(session, scheme)
        kept = world.retention(data_dir) if config.retention else None
        quarantines = world.quarantines()
    finally:
        database.close()
    rows = [
        DeploymentRow(
            round=row.round,
            interactions=row.interactions,
            success=row.success,
            success_ci95=row.success_ci95,
            turns=row.turns,
            click_accuracy=row.click_accuracy,
            exact_match=world.tallies[row.round].exact_match,
            positive_rate=row.positive_rate or 0.0,
            decoder_precision=row.decoder_precision,
            decoder_recall=row.decoder_recall,
            train_turns=world.results[row.round].get("train_turns", 0),
            train_seconds=round(world.results[row.round].get("training", {}).get("seconds", 0.0), 2),
            play_seconds=round(world.tallies[row.round].seconds, 2),
            promoted=world.results[row.round].get("promoted"),
            reason=world.results[row.round].get("reason", ""),
        )
        for row in statistics
    ]
    return {
        "system": config.system,
        "images": config.images,
        **({} if config.games == (DEFAULT_GAME,) else {"games": list(config.games)}),
        "seed": config.seed,
        **({"attack": config.attack.name} if config.attack.share else {}),
        "config": {
            "games_per_round": config.games_per_round,
            "players": config.players,
            "attack": config.attack.name,
            "share": config.attack.share,
            "attack_from": config.attack.first_round,
            "policy": config.policy,
            "base_model": policy.fingerprint,
            "code_version": code_version(),
            "decoder": config.decoder,
            "temperature": settings.policy.temperature,
            "start": settings.rounds.start,
            "trust": settings.rounds.trust,
            "hindsight": asdict(config.hindsight or Hindsight.parse(settings.rounds.hindsight)),
            "training": asdict(config.training or settings.training),
        },
        "seconds": round(time.monotonic() - began, 2),
        "rounds": [asdict(row) | world.repeated([row.round]) for row in rows],
        **world.repeated(world.said),
        **({} if kept is None else {"retention": kept}),
        **({"trust": quarantines} if quarantines else {}),
    }


def _identity(config: DeploymentConfig, settings: LearnerSettings, policy: Policy) -> dict[str, Any]:
    """All that the course of a deployment depends on."""
    given = {name: value for name, value in asdict(config).items() if name not in ("rounds", "threads")}
    used = {
        "base_model": policy.fingerprint,
        "rehearsed": policy.backend.rehearsed(),
        "code_version": code_version(),
        "temperature": settings.policy.temperature,
        "start": settings.rounds.start,
        "trust": settings.rounds.trust,
        "seed_games": settings.rounds.seed_games,
        "hindsight": asdict(config.hindsight or Hindsight.parse(settings.rounds.hindsight)),
        "training": asdict(config.training or settings.training),
    }
    return given | used


def _games(names: Sequence[str]) -> list[Game]:
    """The rules of some games by name. Raises ValueError for an unknown game."""
    return [game_of(GAMES, name) for name in names]


def _given(**values: Any) -> dict[str, Any]:
    """The arguments that are not None."""
    return {name: value for name, value in values.items() if value is not None}


class _World:
    """The state of one deployment: players, policy and store."""

    def __init__(
        self,
        config: DeploymentConfig,
        database: Database,
        settings: LearnerSettings,
        policy: Policy,
        on_progress: OnProgress,
    ) -> None:
        self.config = config
        self.database = database
        self.settings = settings
        self.policy = policy
        self.on_progress = on_progress
        self.registry = AdapterRegistry(settings.adapters_dir)
        images = open_images(config.images)
        self.players = open_players(config.players)
        self.playground = Playground(
            database,
            policy,
            _games(config.games),
            images,
            images.ids if config.figures is None else held_out(images.ids, config.figures),
            self.players,
            min(config.at_once, config.games_per_round),
            config.seed,
            config.attack,
            config.difficulty,
        )
        self.tallies: dict[int, Tally] = {}
        self.results: dict[int, dict[str, Any]] = {0: {}}
        """Results of the training that made each round's policy."""
        self.said: dict[int, tuple[int, int]] = {}
        """For each round with fresh players: (number of descriptions, number of repeated ones)."""

    def deploy(self) -> None:
        """Play round 0 with the base model, then alternate training and playing."""
        self.play(0)
        for number in range(1, self.config.rounds + 1):
            self.learn(number)
            self.play(number)

    def learn(self, number: int) -> None:
        """Run the round of learning that makes the policy of round `number`, as the bot's subprocess does."""
        with self.database.session() as session:
            done = finished_round(session, number) or active_round(session)
            done = done or request_round(session, self.config.system, requested_by="simulation")
        assert done.id is not None
        if done.active:
            done = run_round(
                self.database,
                self.settings,
                done.id,
                self.policy,
                config=self.config.training,
                hindsight=self.config.hindsight,
                on_progress=lambda at: self._tell(number, at),
            )
        if done.error:
            raise DeploymentError(f"Round {number} failed: {done.error}")
        self._keep_current()
        self.results[number] = done.results

    def play(self, number: int) -> None:
        """Play a round's games with the current adapter, and decode them.

        The next round uses the verdicts; those of the last round are for its statistics.
        """
        games = self.config.games_per_round

        def tell(tally: Tally) -> None:
            success = tally.won / tally.games if tally.games else None
            self.on_progress(DeploymentProgress(number, "play", tally.games, games, success))

        before = self._counts()
        self.tallies[number] = self.playground.play(number, games, self.registry.current(), tell)
        said, repeated = self._counts()
        self.said[number] = (said - before[0], repeated - before[1])
        scheme, _ = parse_system(self.config.system)
        scorer = self.policy if self.config.decoder == "prompted" else None
        with self.database.session() as session:
            interactions = usable_interactions(session, None)
        decode_interactions(self.database, interactions, open_decoder(self.config.decoder, scheme, scorer))

    def _counts(self) -> tuple[int, int]:
        return self.players.counts if isinstance(self.players, FreshPlayers) else (0, 0)

    def repeated(self, rounds: Collection[int]) -> dict[str, float]:
        """ "words_repeated" of these rounds for fresh players; empty for other players."""
        said, repeated = (sum(self.said[number][i] for number in rounds) for i in (0, 1))
        return {"words_repeated": repeated / said} if said else {}

    def retention(self, data_dir: Path) -> dict[str, Any]:
        """Success of the base model and of the last policy in the same games of another image set."""
        images, games = open_images(self.config.retention or ""), self.config.games_per_round
        success = []
        for adapter in (BASE_ADAPTER, self.registry.current()):
            database = Database(f"sqlite:///{data_dir / f'retention-{adapter}.db'}")
            try:
                upgrade(database)
                tally = Playground(
                    database,
                    self.policy,
                    _games(self.config.games),
                    images,
                    images.ids,
                    open_players(self.config.players),
                    min(self.config.at_once, games),
                    self.config.seed,
                ).play(0, games, adapter, lambda _: None)
            finally:
                database.close()
            success.append(tally.won / tally.games)
        return {"images": images.spec, "games": games, "first": success[0], "last": success[-1]}

    def quarantines(self) -> list[dict[str, Any]]:
        """`attack_measures` of each training."""
        with self.database.session() as session:
            return [
                attack_measures(session, number, results, self.playground.attackers)
                for number, results in self.results.items()
                if "trust" in results
            ]

    def _keep_current(self) -> None:
        """Unload all adapters but the current one."""
        current = self.registry.current()
        for name in self.policy.adapters.names:
            if name != current:
                self.policy.unload_adapter(name)
        if current not in (BASE_ADAPTER, *self.policy.adapters.names):
            self.policy.load_adapter(current, self.registry.path(current))

    def _tell(self, number: int, at: RoundProgress) -> None:
        self.on_progress(DeploymentProgress(number, at.stage, at.done, at.total))
