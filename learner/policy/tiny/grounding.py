"""Grounding, the embedded model's warm start: its matcher learns which figures the words of a turn were about.

A label that selects a figure says that the turn's utterance is about it, most of the time: of a pick that is wrong
for what was said, but on the list all the same, nobody complains, and a correction may speak of another figure by
then. So the utterance is about one of several figures, of which the label's is the likeliest, and the matcher is
trained to tell them, as one, from all figures of the image set that were played with: minus the log of the
probability summed over them, each by how likely it was beforehand. A pick that was rejected is none of them. Over many
games the right ones agree and the wrong ones do not (cross-situational learning). It takes seconds and leaves little
about the meaning of words for the training of whole actions to learn.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from transformers import get_cosine_schedule_with_warmup

from games import GAMES
from games.core import change_of
from learner.examples.labels import TrainingGame, TurnLabel
from learner.feedback.rules.decoder import names_what_to_take_back
from learner.policy.backend import Trainee, WarmStartSettings
from learner.policy.batch import to_example
from learner.policy.tiny.matcher import Matching

Places = dict[str, int]
"""Figures of an image set, numbered."""

BATCH_REFERENCES = 64
FULL_RATE_REFERENCES = 8
"""References to each figure from which on the learning rate is as given. Fewer say nothing about most words, and a
full rate makes the matcher forget what the base model knows of those."""
LABEL_ODDS = 2.5
"""How many times likelier than each other figure the label's is to be what the utterance was about."""
SEED_WEIGHT = 0.3
"""Of what seed games refer to: enough not to be forgotten."""


@dataclass(frozen=True)
class Reference:
    """What one utterance was about."""

    turn: tuple[str, int]
    """The game's id and the number of the turn in it, from 0."""
    images: str
    words: tuple[int, ...]
    """Tokens, at least one."""
    figures: tuple[str, ...]
    """Those of the label; none where it only says what the utterance was not about."""
    others: tuple[str, ...]
    """What it may have been about instead."""
    weight: float


class Grounding:
    """Trains the matcher of a policy's active adapter by itself, and says how sure it is afterwards."""

    def __init__(self, matching: Matching, trainee: Trainee) -> None:
        self._matching = matching
        self._trainee = trainee

    def references(self, games: Sequence[TrainingGame]) -> list[Reference]:
        """Of each positive label that selects something, or takes back what was named, and of each rejected turn."""
        found = []
        for game in games:
            labels = sorted((*game.labels, *game.rejected), key=lambda label: label.step)
            words = self._matching.words(self._trainee.prompt_of(to_example(game, labels)).ids)
            for label in labels:
                about, instead = _referents(game, label)
                if words[label.step] and (about or instead):
                    found.append(
                        Reference(
                            turn=(game.game_id, label.step),
                            images=game.images,
                            words=words[label.step],
                            figures=tuple(sorted(about)),
                            others=tuple(sorted(instead)),
                            weight=label.weight,
                        )
                    )
        return found

    def train(
        self,
        games: Sequence[TrainingGame],
        seeds: Sequence[TrainingGame],
        settings: WarmStartSettings,
        rng: random.Random,
    ) -> list[float]:
        """Train the matcher; gives the mean loss of each epoch, in nats.

        Figures of games are told from others of games, those of seed games from others of seed games. With few
        references for each figure the rate is lower in proportion. A share of the words is left out
        (`settings.dropout`), so that no figure is known by one of them alone. Nothing happens, and there are no
        losses, where the games refer to nothing.
        """
        played = self.references(games)
        if not played:
            return []
        known = [replace(each, weight=SEED_WEIGHT * each.weight) for each in self.references(seeds)]
        pools = ((played, _places(games)), (known, _places(seeds)))
        references = [(each, places[each.images]) for some, places in pools for each in some]
        boards = [among for _, places in pools for among in places.values()]
        parameters = self._matching.parameters(self._trainee.trainable())
        figures = sum(map(len, _places(games).values()))
        rate = settings.learning_rate * min(1.0, len(played) / (FULL_RATE_REFERENCES * figures))
        optimizer = torch.optim.AdamW(parameters, lr=rate)
        batches = max(1, len(references) // BATCH_REFERENCES)
        schedule = get_cosine_schedule_with_warmup(optimizer, min(10, batches), settings.epochs * batches)
        losses = []
        for _ in range(settings.epochs):
            rng.shuffle(references)
            total = 0.0
            for number in range(batches):
                batch = [
                    (_with_fewer_words(each, settings.dropout, rng), among)
                    for each, among in references[number::batches]
                ]
                parts = [([each for each, its in batch if its is among], among) for among in boards]
                losses_of = [self._loss(part, among) for part, among in parts if part]
                loss = torch.stack(losses_of).sum() / len(batch)
                if not torch.isfinite(loss):
                    continue
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                schedule.step()
                total += loss.item()
            losses.append(total / batches)
        return losses

    def reweighted(self, games: Sequence[TrainingGame]) -> list[TrainingGame]:
        """The games, each label weighing as much as its figure is likely to be what was spoken of (posterior weights).

        Else the rest of the model would learn from wrong labels not to trust the matcher.
        """
        references = [each for each in self.references(games) if len(each.figures) == 1]
        places = _places(games)
        sure: dict[tuple[str, int], float] = {}
        with torch.no_grad():
            for number in range(0, len(references), BATCH_REFERENCES):
                batch = references[number : number + BATCH_REFERENCES]
                for images in sorted({each.images for each in batch}):
                    some = [each for each in batch if each.images == images]
                    prior, _ = _beliefs(some, places[images])
                    posterior = _joint(self._logps(some, places[images]), prior).softmax(-1)
                    for row, each in enumerate(some):
                        sure[each.turn] = float(posterior[row, places[images][each.figures[0]]])
        return [
            replace(
                game,
                labels=tuple(
                    replace(label, weight=label.weight * sure.get((game.game_id, label.step), 1.0))
                    for label in game.labels
                ),
            )
            for game in games
        ]

    def _loss(self, batch: Sequence[Reference], places: Places) -> torch.Tensor:
        """Partial-label negative log-likelihood, summed over the batch, all of one image set."""
        logps = self._logps(batch, places)
        one_of, all_of = (beliefs.to(logps) for beliefs in _beliefs(batch, places))
        weights = logps.new_tensor([each.weight for each in batch])
        one = _joint(logps, one_of).logsumexp(-1)
        return -(weights * torch.where(one_of.any(-1), one, (all_of * logps).sum(-1))).sum()

    def _logps(self, batch: Sequence[Reference], places: Places) -> torch.Tensor:
        """[batch, figures] log-probability that an utterance means a figure."""
        features = self._trainee.figures.encode(batch[0].images, list(places)).rows()
        return self._matching.logps([each.words for each in batch], features)


def _referents(game: TrainingGame, label: TurnLabel) -> tuple[set[str], set[str]]:
    """The figures of a label, and those which the utterance may be about instead; both empty where nobody knows."""
    step = game.steps[label.step]
    change = change_of(GAMES[game.game], game.context, step.state, label.action)
    open_to_pick = set(game.possible or game.context) - change.before - change.after
    if label in game.rejected:
        return set(), open_to_pick
    if label.reward > 0 and change.picked:
        return set(change.picked), open_to_pick
    if label.reward > 0 and change.dropped and names_what_to_take_back(step.utterance):
        return set(change.dropped), set(change.before & change.after)
    return set(), set()


def _with_fewer_words(reference: Reference, dropout: float, rng: random.Random) -> Reference:
    """The reference without a share of its words; with all of them if none would be left."""
    words = tuple(word for word in reference.words if rng.random() >= dropout)
    return replace(reference, words=words or reference.words)


def _joint(logps: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """[batch, figures] log of the probability of a figure and the words, all but impossible where the prior is 0."""
    return logps + prior.to(logps).clamp(min=1e-9).log()


def _beliefs(batch: Sequence[Reference], places: Places) -> tuple[torch.Tensor, torch.Tensor]:
    """What each utterance is about, by its label: one of several figures, or all of them. Two [batch, figures].

    Each row adds to 1 in one of the two, and is 0 in the other.
    """
    one_of, all_of = torch.zeros(2, len(batch), len(places))
    for row, each in enumerate(batch):
        of_label = [places[figure] for figure in each.figures]
        if len(of_label) > 1:
            all_of[row, of_label] = 1 / len(of_label)
        else:
            share = 1 / (LABEL_ODDS * len(of_label) + len(each.others))
            one_of[row, [places[figure] for figure in each.others]] = share
            one_of[row, of_label] = LABEL_ODDS * share
    return one_of, all_of


def _places(games: Sequence[TrainingGame]) -> dict[str, Places]:
    """Of each image set the figures that were played with, numbered."""
    seen: dict[str, set[str]] = {}
    for game in games:
        seen.setdefault(game.images, set()).update(game.context)
    return {images: {figure: i for i, figure in enumerate(sorted(ids))} for images, ids in seen.items()}
