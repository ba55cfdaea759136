"""Grounding, the embedded model's warm start: trains its matcher on which figures an utterance describes.

A label that selects a figure is noisy evidence that the turn's utterance describes this figure: players rarely
complain about a pick that does not fit the utterance but is a target too, and a correction may be about another
figure. So each utterance has a set of candidate figures with a prior, in which the label's figure is the most
probable and rejected picks are excluded. The loss is the partial-label negative log-likelihood: minus the log of
the matcher's probability summed over the candidates, weighted by the prior, with a softmax over all figures of the
image set that were played with. Over many games right labels agree and wrong ones do not (cross-situational
learning). The training of whole actions then has little to learn about the meaning of words.

Descriptions of figures that the base model was pretrained on are rehearsed (`learner.policy.tiny.known`). Otherwise it
would forget what it knows of other figures.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedTokenizerFast, get_cosine_schedule_with_warmup

from games import GAMES
from games.core import change_of
from learner.examples.labels import TrainingGame, TurnLabel
from learner.feedback.rules.decoder import names_what_to_take_back
from learner.policy.backend import Trainee, WarmStartSettings
from learner.policy.batch import to_example
from learner.policy.tiny.known import KnownDescriptions
from learner.policy.tiny.matcher import Matching
from learner.policy.tiny.rewording import Rewording
from learner.policy.tiny.tokenizer import token_bags

BATCH_REFERENCES = 64
TEMPERATURE = 2.0
"""Temperature of the matcher's softmax in training, in units of the one that it plays with. The matcher is too sure of
people's descriptions: as sharp as in play it would mostly learn to be less sure, instead of what words mean."""
FULL_RATE_REFERENCES = 8
"""References per figure from which on the full learning rate is used. With fewer, most words do not occur, and the
full rate would make the matcher overfit to those that do."""
LABEL_ODDS = 2.5
"""Prior odds of the label's figure against each other candidate."""
EXCHANGED = 0.1
"""Share of words that are exchanged for similar ones. It falls to 0 with `FULL_RATE_REFERENCES` references per figure:
then people's own words suffice. Rehearsed descriptions have the same share."""
REHEARSAL_RATIO = 1.0
"""Known descriptions that are rehearsed in each epoch, for each reference; at most all of them."""


@dataclass(frozen=True)
class Reference:
    """One description in an utterance, with the figures that it may describe."""

    turn: tuple[str, int]
    """The game's id and the number of the turn in it, from 0; of a known description a number."""
    images: str
    words: tuple[int, ...]
    """Token ids of the description, at least one."""
    figures: tuple[str, ...]
    """The label's figures; empty if the label only tells which figures the utterance does not describe."""
    others: tuple[str, ...]
    """Other figures that it may describe."""
    weight: float


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures of one image set."""

    columns: dict[str, int]
    """Figure id -> column."""
    features: torch.Tensor
    """[figures, D] their image features, by column."""


class Grounding:
    """Trains the matcher of a policy's active adapter, and reweights labels by its posterior."""

    def __init__(
        self,
        matching: Matching,
        trainee: Trainee,
        tokenizer: PreTrainedTokenizerFast,
        known: Sequence[Reference] = (),
    ) -> None:
        """`known`: what the base model was pretrained on, all of one image set."""
        self._matching = matching
        self._tokenizer = tokenizer
        self._trainee = trainee
        self._known = known

    def references(self, games: Sequence[TrainingGame]) -> list[Reference]:
        """The references of games: of each description in turns with a positive label that selects a figure or
        deselects a named one, and in rejected turns."""
        found = []
        for game in games:
            labels = sorted((*game.labels, *game.rejected), key=lambda label: label.step)
            said = self._matching.descriptions(self._trainee.prompt_of(to_example(game, labels)).ids)
            for label in labels:
                about, instead = _referents(game, label, several=len(said[label.step]) > 1)
                if about or instead:
                    found += [
                        Reference(
                            turn=(game.game_id, label.step),
                            images=game.images,
                            words=words,
                            figures=tuple(sorted(about)),
                            others=tuple(sorted(instead)),
                            weight=label.weight / len(said[label.step]),
                        )
                        for words in said[label.step]
                    ]
        return found

    def train(
        self,
        games: Sequence[TrainingGame],
        settings: WarmStartSettings,
        rng: random.Random,
    ) -> list[float]:
        """Train the matcher. Returns the mean loss of each epoch, in nats.

        The softmax is over the figures of `games` for their references, and over all known figures for known
        descriptions. With fewer than `FULL_RATE_REFERENCES` references per figure the learning rate is reduced in
        proportion. A share of the words is left out (`settings.dropout`), and others are exchanged for similar ones
        (`learner.policy.tiny.rewording`), so that the matcher does not rely on single words. Returns an empty list and
        changes nothing if `games` have no references.
        """
        played = self.references(games)
        if not played:
            return []
        figures = self._figures(games)
        known = self._known_figures()
        rehearsed = min(round(REHEARSAL_RATIO * len(played)), len(self._known)) if known else 0
        sets = [*figures.values(), *([known] if known else [])]
        parameters = self._matching.parameters(self._trainee.trainable())
        count = sum(len(among.columns) for among in figures.values())
        enough = min(1.0, len(played) / (FULL_RATE_REFERENCES * count))
        optimizer = torch.optim.AdamW(parameters, lr=enough * settings.learning_rate, fused=True)
        batches = max(1, (len(played) + rehearsed) // BATCH_REFERENCES)
        schedule = get_cosine_schedule_with_warmup(optimizer, min(10, batches), settings.epochs * batches)
        said = (each.words for each in (*played, *(self._known if known else ())))
        reword = Rewording.of(self._tokenizer, self._matching.vectors, said, (1 - enough) * EXCHANGED)
        losses = []
        for _ in range(settings.epochs):
            references = [(each, figures[each.images]) for each in played]
            if known:
                references += [(each, known) for each in rng.sample(self._known, rehearsed)]
            rng.shuffle(references)
            total = 0.0
            for number in range(batches):
                batch = [
                    (replace(each, words=reword(each.words, settings.dropout, rng)), among)
                    for each, among in references[number::batches]
                ]
                parts = [([each for each, its in batch if its is among], among) for among in sets]
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
        """Posterior reweighting: the games with each label's weight multiplied by the posterior probability of its
        figure, by the matcher as it plays.

        Otherwise the rest of the model would learn from wrong labels to ignore the matcher.
        """
        references = [each for each in self.references(games) if len(each.figures) == 1]
        figures = self._figures(games)
        sure: dict[tuple[str, int], float] = {}
        with torch.no_grad():
            for number in range(0, len(references), BATCH_REFERENCES):
                batch = references[number : number + BATCH_REFERENCES]
                for images in sorted({each.images for each in batch}):
                    some = [each for each in batch if each.images == images]
                    posterior = self._joint(some, figures[images]).softmax(-1)
                    for row, each in enumerate(some):
                        belief = float(posterior[row, figures[images].columns[each.figures[0]]])
                        sure[each.turn] = max(belief, sure.get(each.turn, 0.0))
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

    def _figures(self, games: Sequence[TrainingGame]) -> dict[str, Figures]:
        """The figures that were played with, by image set."""
        seen: dict[str, set[str]] = {}
        for game in games:
            seen.setdefault(game.images, set()).update(game.context)
        return {images: self._features(images, ids) for images, ids in seen.items()}

    def _known_figures(self) -> Figures | None:
        """The known figures, None if there are none."""
        if not self._known:
            return None
        return self._features(
            self._known[0].images, {figure for each in self._known for figure in each.figures}
        )

    def _features(self, images: str, ids: Iterable[str]) -> Figures:
        columns = {figure: i for i, figure in enumerate(sorted(ids))}
        return Figures(columns, self._trainee.figures.encode(images, list(columns)).rows())

    def _loss(self, batch: Sequence[Reference], among: Figures) -> torch.Tensor:
        """Partial-label negative log-likelihood, summed over the batch, all of one image set."""
        joint = self._joint(batch, among, TEMPERATURE)
        weights = joint.new_tensor([each.weight for each in batch])
        return -(weights * joint.logsumexp(-1)).sum()

    def _joint(self, batch: Sequence[Reference], among: Figures, temperature: float = 1.0) -> torch.Tensor:
        """[batch, figures] log-probability that a description is of a figure, plus log prior, with the prior at least
        1e-9. `temperature`: see `Matching.logps`."""
        logps = self._matching.logps([each.words for each in batch], among.features, temperature)
        return logps + _prior(batch, among.columns).to(logps).clamp(min=1e-9).log()


def known_references(known: KnownDescriptions, tokenizer: PreTrainedTokenizerFast) -> list[Reference]:
    """Known descriptions as references, for `Grounding`."""
    words = [(ids, figure) for figure, said in known.figures.items() for ids in token_bags(tokenizer, said)]
    return [
        Reference(("", number), known.images, tuple(ids), figures=(figure,), others=(), weight=1.0)
        for number, (ids, figure) in enumerate(words)
    ]


def _referents(game: TrainingGame, label: TurnLabel, several: bool) -> tuple[set[str], set[str]]:
    """(figures of a label, other figures that a description may be of); both empty if nothing is known.

    Where there are `several` descriptions, one may be of a figure that was deselected.
    """
    step = game.steps[label.step]
    change = change_of(GAMES[game.game], game.context, step.state, label.action)
    open_to_pick = set(game.possible or game.context) - change.before - change.after
    if label in game.rejected:
        return set(), open_to_pick
    if label.reward > 0 and change.picked:
        dropped = change.dropped if several else frozenset[str]()
        return {*change.picked, *dropped}, open_to_pick
    if label.reward > 0 and change.dropped and names_what_to_take_back(step.utterance):
        return set(change.dropped), set(change.before & change.after)
    return set(), set()


def _prior(batch: Sequence[Reference], columns: dict[str, int]) -> torch.Tensor:
    """[batch, figures] prior probability of what each description is of: rows sum to 1."""
    prior = torch.zeros(len(batch), len(columns))
    for row, each in enumerate(batch):
        share = 1 / (LABEL_ODDS * len(each.figures) + len(each.others))
        prior[row, [columns[figure] for figure in each.others]] = share
        prior[row, [columns[figure] for figure in each.figures]] = LABEL_ODDS * share
    return prior
