"""Plays many games at once between simulated players and a policy, in batches, and stores them."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from games.core import Deal, Difficulty, Game, Outcome, Step
from games.difficulty import deal_board
from games.figures import ImageSet
from learner.policy import Policy
from learner.protocol import TurnAnswer, TurnRequest, turn_request
from sim.players import Attack, PlayerFactory, SimulatedPlayer, View
from sim.resume import Stored
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
        attack: Attack = Attack(),  # noqa: B008 - frozen
        difficulty: Difficulty | None = None,
    ) -> None:
        """Adds `count` players to the database. Games are dealt from the figures `ids` and alternate between
        `games`. What is in the database already is not played again (`sim.resume`).

        `players` creates them. A share of them, drawn by the seed, attacks. The other players, and the boards of
        their games, are the same for every attack.
        """
        self.database = database
        self.policy = policy
        self.rules = tuple(games)
        self.images = images
        self.ids = tuple(ids)
        self.seed = seed
        self.difficulty = difficulty
        descriptions = images.descriptions(self.ids)
        chosen = set(random.Random(f"{seed}/attack").sample(range(count), round(attack.share * count)))

        def rng(number: int) -> random.Random:
            return random.Random(f"{seed}/player/{number}")

        self.attack = attack
        self.people = [players(rng(number), descriptions) for number in range(count)]
        self._attacking: dict[int, SimulatedPlayer] = {
            number: attack.attacker(players, rng(number), descriptions) for number in sorted(chosen)
        }
        with database.session() as session:
            self._stored = Stored(session)
        self.player_ids = self._accounts_of(range(1, count + 1))
        self.attackers = set() if attack.renews_accounts else {self.player_ids[each] for each in chosen}
        """Ids of all accounts of attacking players."""
        self._accounts = count
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
        opened = {True: 0, False: 0}  # whether by attacking players
        of_attackers = round(len(self._attacking) / len(self.people) * games)
        wanted = {True: 0 if self.attack.name == "none" else of_attackers, False: games - of_attackers}
        while live or opened != wanted:
            fresh = []
            for person in tuple(free):
                attacks = person in self._attacking
                if opened[attacks] < wanted[attacks]:
                    free.remove(person)
                    fresh.append(self._open(number, opened[attacks], person, adapter))
                    opened[attacks] += 1
            with self.database.session() as session:
                session.add_all([game.row for game in fresh if self._stored.started_at(game.row.id) is None])
            live += fresh
            turns = self._turns([game for game in live if self._speaks(game)], tally)
            ended = [game for game in live if game.row.outcome != Outcome.OPEN]
            with self.database.session() as session:
                session.add_all(turns)
                for game in ended:
                    if not self._stored.is_over(game.row.id):
                        session.merge(game.row)
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
        kind = "attack-" if person in self._attacking else ""
        rng = random.Random(f"{self.seed}/{kind}deal/{number}/{index}")
        deal = deal_board(rules, self.images, rng, self.difficulty, self.ids)
        if kind and self.attack.renews_accounts:
            self._renew_account(person)
        row = models.Game(
            id=f"{self.seed}-{number}-{kind}{index:05d}",
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
            difficulty=self.difficulty,
            round=number,
        )
        row.started_at = self._stored.started_at(row.id) or row.started_at
        return LiveGame(row, rules, deal, person, rules.initial_state(deal.listener))

    def _renew_account(self, person: int) -> None:
        self._accounts += 1
        (account,) = self._accounts_of([self._accounts])
        self.player_ids[person] = account
        self.attackers.add(account)

    def _accounts_of(self, numbers: Iterable[int]) -> list[int]:
        """The ids of the players with these numbers, which are added if they are missing."""
        names = [str(number) for number in numbers]
        missing = [
            models.Player(platform=models.Origin.SIMULATED, external_id=name, name=f"player {name}")
            for name in names
            if self._stored.player_id(name) is None
        ]
        with self.database.session() as session:
            session.add_all(missing)
        added = {row.external_id: row.id for row in missing}
        found = (self._stored.player_id(name) or added.get(name) for name in names)
        return [account for account in found if account is not None]

    def _speaks(self, game: LiveGame) -> bool:
        """Ask the player for the next utterance; False ends the game."""
        attacks = game.person in self._attacking and game.row.round >= self.attack.first_round
        player = (self._attacking if attacks else self.people)[game.person]
        utterance = player.speak(View.of(game.rules, game.deal, game.state, game.previous))
        if utterance is None:
            self._end(game, Outcome.GIVEN_UP)
            return False
        hoped_for = getattr(player, "intended", None)
        game.utterance = utterance
        game.hoped_for = game.deal.targets if hoped_for is None else frozenset(hoped_for)
        return True

    def _turns(self, games: Sequence[LiveGame], tally: Tally) -> list[models.Turn]:
        """Play one turn of each game as a batch, apply the actions, and return the rows of the new turns."""
        if not games:
            return []
        asked_at, started = models.now(), time.monotonic()
        answers = self._answers(games)
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
            if self._stored.answer(game.row.id, number) is None:
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

    def _answers(self, games: Sequence[LiveGame]) -> list[tuple[str, float]]:
        """(action, log-propensity) of each game's turn, as it is stored or by the policy."""
        stored = [self._stored.answer(game.row.id, len(game.steps) + 1) for game in games]
        asked = [self._request(game) for game, answer in zip(games, stored, strict=True) if answer is None]
        new = iter(self.policy.act(asked, self.seed) if asked else ())
        return [answer or next(new) for answer in stored]

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
