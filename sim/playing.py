"""Plays many games at once between simulated players and a policy, in batches, and stores them."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from games.core import Deal, Game, Outcome, Step
from games.figures import ImageSet
from learner.policy import Policy
from learner.protocol import TurnAnswer, TurnRequest, turn_request
from sim.players import PLAYERS, FreshPlayers, PlayerFactory, SimulatedPlayer, View
from store import models
from store.database import Database
from store.games import finished_turn
from store.rounds import quarantined


@dataclass
class Tally:
    """Counts of the games played that the store does not keep."""

    games: int = 0
    won: int = 0
    turns: int = 0
    exact: int = 0
    seconds: float = 0.0

    @property
    def exact_match(self) -> float:
        return self.exact / self.turns if self.turns else 0.0


@dataclass
class LiveGame:
    """A game in progress."""

    row: models.Game
    rules: Game
    deal: Deal
    person: int
    state: str
    steps: list[Step] = field(default_factory=list)
    previous: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    utterance: str = ""
    hoped_for: frozenset[str] = frozenset()


class Playground:
    """A community of players, each with one game at a time, and the policy that they play with."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        games: Sequence[Game],
        images: ImageSet,
        ids: Sequence[str],
        players: PlayerFactory,
        count: int,
        seed: int,
        poison: float = 0.0,
        poison_from: int = 0,
    ) -> None:
        """Adds `count` players to the database. Games are dealt from the figures `ids` and alternate between
        `games`.

        `players` creates them. A share `poison` of them, drawn by the seed, poisons the feedback from round
        `poison_from` on.
        """
        self.database = database
        self.policy = policy
        self.rules = tuple(games)
        self.images = images
        self.ids = tuple(ids)
        self.seed = seed
        descriptions = images.descriptions(self.ids)
        chosen = set(random.Random(f"{seed}/poison").sample(range(count), round(poison * count)))

        def person(number: int, factory: PlayerFactory) -> SimulatedPlayer:
            return factory(random.Random(f"{seed}/player/{number}"), descriptions)

        self.people = [person(number, players) for number in range(count)]
        poison_player = players.poison if isinstance(players, FreshPlayers) else PLAYERS["poison"]
        self._poisoning = {number: person(number, poison_player) for number in chosen}
        self._poison_from = poison_from
        rows = [
            models.Player(platform=models.Origin.SIMULATED, external_id=str(number), name=f"player {number}")
            for number in range(1, count + 1)
        ]
        with database.session() as session:
            session.add_all(rows)
        self.player_ids = [row.id for row in rows if row.id is not None]
        self.poisoners = {self.player_ids[number] for number in chosen}
        self._quarantined = frozenset[int]()
        """Ids of the players in quarantine in the current round."""

    def play(self, number: int, games: int, adapter: str, progress: Callable[[Tally], None]) -> Tally:
        """Play `games` games of round `number` to their end, with all players at once.

        `progress` is called after each batch of turns.
        """
        tally, started = Tally(), time.monotonic()
        with self.database.session() as session:
            self._quarantined = quarantined(session, number)
        free = list(range(len(self.people)))
        live: list[LiveGame] = []
        opened = 0
        while live or opened < games:
            fresh = []
            while free and opened < games:
                fresh.append(self._open(number, opened, free.pop(0), adapter))
                opened += 1
            with self.database.session() as session:
                session.add_all([game.row for game in fresh])
            live += fresh
            turns = self._turns([game for game in live if self._speaks(game)], tally)
            ended = [game for game in live if game.row.outcome != Outcome.OPEN]
            with self.database.session() as session:
                session.add_all(turns)
                session.add_all([game.row for game in ended])
            live = [game for game in live if game.row.outcome == Outcome.OPEN]
            free += [game.person for game in ended]
            tally.games += len(ended)
            tally.won += sum(game.row.outcome == Outcome.WON for game in ended)
            progress(tally)
        tally.seconds = time.monotonic() - started
        return tally

    def _open(self, number: int, index: int, person: int, adapter: str) -> LiveGame:
        """Deal a game. The deals of a round are the same for every system and policy."""
        rules = self.rules[index % len(self.rules)]
        deal = rules.deal(self.ids, random.Random(f"{self.seed}/deal/{number}/{index}"))
        row = models.Game(
            id=f"{self.seed}-{number}-{index:05d}",
            game=rules.name,
            images=self.images.spec,
            speaker=list(deal.speaker),
            listener=list(deal.listener),
            targets=sorted(deal.targets),
            player_id=self.player_ids[person],
            origin=models.Origin.SIMULATED,
            adapter=adapter,
            base_model=self.policy.fingerprint,
            images_hash=self.images.fingerprint,
            round=number,
        )
        return LiveGame(row, rules, deal, person, rules.initial_state(deal.listener))

    def _speaks(self, game: LiveGame) -> bool:
        """Ask the player for the next utterance; False ends the game."""
        poisons = game.person in self._poisoning and game.row.round >= self._poison_from
        player = (self._poisoning if poisons else self.people)[game.person]
        utterance = player.speak(View.of(game.rules, game.deal, game.state, game.previous))
        if utterance is None:
            self._end(game, Outcome.GIVEN_UP)
            return False
        hoped_for = getattr(player, "intended", None)
        game.utterance = utterance
        game.hoped_for = game.deal.targets if hoped_for is None else frozenset(hoped_for)
        return True

    def _turns(self, games: Sequence[LiveGame], tally: Tally) -> list[models.Turn]:
        """Play one turn of each game as a batch, apply the actions, and return the rows of the turns."""
        if not games:
            return []
        asked_at, started = models.now(), time.monotonic()
        answers = self.policy.act([self._request(game) for game in games], self.seed)
        seconds = (time.monotonic() - started) / len(games)
        turns = []
        for game, (action, logp) in zip(games, answers, strict=True):
            answer = TurnAnswer(
                action=action,
                logp=min(logp, 0.0),
                adapter=game.row.adapter,
                base_model=game.row.base_model,
                seconds=seconds,
                temperature=self.policy.temperature,
                seed=self.seed,
            )
            number = len(game.steps) + 1
            turn = finished_turn(
                game.row, number, game.state, game.utterance, answer, source="simulation", asked_at=asked_at
            )
            turns.append(turn)
            after = turn.state_after
            selected = frozenset(game.rules.selected(game.deal.listener, after))
            tally.turns += 1
            tally.exact += selected == game.hoped_for
            game.steps.append(Step(game.state, game.utterance, action))
            game.previous.append((game.utterance, selected))
            game.state = after
            self._end(game, game.rules.outcome(game.deal, after, len(game.steps)))
        return turns

    def _request(self, game: LiveGame) -> TurnRequest:
        return turn_request(
            game_id=game.row.id,
            game=game.row.game,
            images=game.row.images,
            context=game.deal.listener,
            steps=game.steps,
            state=game.state,
            utterance=game.utterance,
            verdicts_heard=game.row.player_id not in self._quarantined,
            adapter=game.row.adapter,
        )

    @staticmethod
    def _end(game: LiveGame, outcome: Outcome) -> None:
        game.row.outcome = outcome
        game.row.ended_at = None if outcome == Outcome.OPEN else models.now()
