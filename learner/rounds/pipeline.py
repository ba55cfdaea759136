"""A round of learning: collect → decode → examples → train → evaluate → gate → publish.

torch is imported only in the stages that need it, because a round with nothing to train does not.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from games.language import N_, Sentence
from learner.examples.build import build_examples
from learner.examples.hindsight import Hindsight
from learner.examples.labels import (
    TrainingGame,
    digest,
    is_held_out,
    lineage,
    parse_system,
    split_held_out,
)
from learner.examples.readable import Reader, set_aside, too_long
from learner.examples.seed import stored_seed_games
from learner.examples.trust import filter_by_trust
from learner.examples.usage import uses_of_seeds
from learner.feedback import chosen_decoder
from learner.feedback.decode import decode_interactions
from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterError, Card
from learner.registry.recorded import without_erased
from learner.rounds.ending import known_failure, leave_affected
from learner.rounds.lock import alone
from learner.rounds.parents import load, made_before, start, usable_parent
from learner.rounds.rollback import worse_in_play
from learner.rounds.work import OnProgress, RoundError, RoundWork
from learner.settings import LearnerSettings, TrainingConfig
from store import rounds as store_rounds
from store.database import Database
from store.logs import message_of
from store.models import Round, now
from store.training import (
    Interaction,
    StoredVerdict,
    games_trained_on,
    kept_games,
    record_lineage,
    usable_interactions,
)

if TYPE_CHECKING:
    from learner.policy import Policy
    from learner.training.distributed import ProcessGroup
    from learner.training.evaluation import Comparison, Decision

log = structlog.get_logger(__name__)

STAGES = ("collect", "decode", "examples", "train", "evaluate", "gate", "publish")


def run_round(
    database: Database,
    settings: LearnerSettings,
    round_id: int,
    policy: "Policy | None" = None,
    *,
    config: TrainingConfig | None = None,
    hindsight: Hindsight | None = None,
    on_progress: OnProgress | None = None,
    group: "ProcessGroup | None" = None,
    worker: str | None = None,
) -> Round:
    """Run a round to its end and return its row. Work that a killed process has finished is not repeated.

    `policy` is a loaded policy; None loads that of the settings when it is needed. The row has the round's outcome
    (status, error, results); a failed round does not raise. Raises `RoundError` for an unknown id and while another
    process runs a round, SQLAlchemyError if the row cannot be written. A round that has ended is not changed, and
    one that somebody cancels meanwhile stops at its next report. `worker` is the name of the worker that holds the
    round: `RoundTaken` is raised when it does not, or no longer.
    """
    with database.session() as session:
        row = session.get(Round, round_id)
    if row is None:
        raise RoundError(f"There is no round with id {round_id}: `respect round history` lists them")
    if row.active is None:
        return row
    if row.worker != worker:
        raise store_rounds.RoundTaken(row)
    work = RoundWork(
        database,
        settings,
        round_id,
        row.number,
        row.system,
        loaded=policy,
        config=config,
        asked_hindsight=hindsight,
        on_progress=on_progress,
        group=group,
        worker=worker,
    )
    bound = log.bind(round=row.number, system=row.system)
    # The process of a worker that lost the round has the lock until it next reports.
    with alone(settings.adapters_dir, 0 if worker is None else settings.rounds.lease):
        try:
            adapter_id, results = pipeline(work)
        except store_rounds.RoundTaken:
            raise
        except store_rounds.RoundEnded as error:
            bound.info("round stopped", stage=work.stage, reason=str(error))
            leave_affected(work, database.session)
            with database.session() as session:
                return session.get_one(Round, round_id)
        except Exception as error:
            sentence = known_failure(work.stage, error)
            if sentence is None:
                bound.exception("round failed", stage=work.stage)
                sentence = f"The stage '{work.stage}' failed: {message_of(error)}"
            else:
                bound.info("round failed", stage=work.stage, reason=sentence)  # the caller reports it
            left = leave_affected(work)
            with database.session() as session:
                return store_rounds.finish(session, round_id, worker=worker, error=sentence, **left)
        results |= leave_affected(work)
        bound.info("round done", adapter=results.get("adapter"), promoted=results["promoted"])
        with database.session() as session:
            return store_rounds.finish(session, round_id, worker=worker, adapter_id=adapter_id, **results)


def pipeline(work: RoundWork) -> tuple[int | None, dict[str, Any]]:
    """Run the stages in order. Returns the id of the new adapter's row (None if none was made) and the results.

    Results: interactions, turns, decoded_turns, positive_turns, promoted, reason (English) and why (the same, as
    `Sentence.stored` gives it); where an adapter was trained, adapter, train_games, train_turns, training
    (`TrainingResult`), held_out and held_out_seed_games (`Comparison`) and judged (whether held_out was enough to judge
    by); trust (`learner.examples.trust.TrustFilter`) if that is on; rolled_back if the adapter in use was rolled back;
    set_aside, the number of games that were left out by reason (`learner.examples.readable`).
    `run_round` adds out_of_service (`leave_affected`).
    """
    with work.database.session() as session:
        work.registry.forget_erased(session)
    work.registry.pull(cards=True)
    found = set_aside(collect(work), Reader())
    interactions = found.kept
    if not interactions:
        raise RoundError(f"None of the finished games can be read: {'; '.join(found.reasons)}")
    verdicts = decode(work, interactions)
    with work.database.session() as session:  # what was erased while it was decoded is not learnt from
        there = kept_games(session, [interaction.game_id for interaction in interactions])
    interactions = [interaction for interaction in interactions if interaction.game_id in there]
    results: dict[str, Any] = _counts(interactions, verdicts)
    if found.reasons:
        results["set_aside"] = found.counts()
    if work.system == "control":
        return None, {**results, "promoted": False, **_reason(Sentence(N_("control never trains")))}
    trust = None
    if work.settings.rounds.trust:
        trust = filter_by_trust(interactions, verdicts, uses_of_seeds(stored_seed_games(work.settings)))
        interactions, results["trust"] = trust.interactions, trust.metrics()
        with work.held() as session:
            store_rounds.record_trust(session, work.round_id, trust.of_players(work.round_id))
    interactions = [interaction for interaction in interactions if not interaction.in_quarantine]
    results |= go_back_if_worse(work, interactions, verdicts)
    within = set_aside(interactions, too_long(work.policy.utterance_tokens, work.policy.max_utterance_tokens))
    if within.reasons:
        results["set_aside"] = {**results.get("set_aside", {}), **within.counts()}
    games, held_out = examples(work, within.kept, verdicts)
    if trust is not None:
        games, held_out = trust.weighted(games), trust.believed(held_out)
        results["trust"]["influence"] = trust.influence(games)
    if not any(game.labels for game in games):  # seed games alone add nothing new
        unseen = N_("no turn shows a right action yet")
        unsaid = N_("no turn has feedback to learn from yet")
        return None, {**results, "promoted": False, **_reason(Sentence(unseen if games else unsaid))}
    card = train(work, games, held_out, start(work, interactions))
    comparison, known = evaluate(work, card, held_out)
    adapter_id, decision = judge(work, card, comparison, known, results.get("trust"))
    if decision.passed:
        publish(work, card)
    return adapter_id, {
        **results,
        "promoted": decision.passed,
        "judged": decision.judged,
        **_reason(decision.reason),
        "adapter": card.name,
        "train_games": len(card.games),
        "train_turns": card.turns,
        "training": card.metrics["training"],
        "held_out": comparison.metrics(),
        "held_out_seed_games": known.metrics(),
    }


def collect(work: RoundWork) -> list[Interaction]:
    """Finished games that may be trained on and had ended when the round began, so that a restart finds the
    same."""
    work.report("collect")
    with work.database.session() as session:
        row = session.get_one(Round, work.round_id)
        asked = work.settings.rounds
        found = usable_interactions(
            session, asked.discord_permission, until=row.started_at, local_games=asked.local_games
        )
        row.interactions = sum(interaction.round == work.number - 1 for interaction in found)
        session.add(row)
    if not found:
        raise RoundError("There are no finished games to learn from yet")
    return found


def decode(work: RoundWork, interactions: Sequence[Interaction]) -> dict[int, StoredVerdict]:
    """Decode every turn that has a next utterance and no verdict yet. Returns all verdicts by turn id."""
    work.report("decode")
    scheme, _ = parse_system(work.system)
    asked = work.settings.feedback
    decoder = chosen_decoder(asked.decoder, scheme, asked.model, lambda: work.policy)
    return decode_interactions(
        work.database,
        interactions,
        decoder,
        lambda done, total: work.report("decode", done, total),
        work.held,
    )


def go_back_if_worse(
    work: RoundWork, interactions: Sequence[Interaction], verdicts: dict[int, StoredVerdict]
) -> dict[str, Any]:
    """Roll back if the adapter in use does worse than the previous one. Returns what to add to the round's
    results."""
    registry = work.registry
    current, before = registry.current(), registry.previous()
    with work.database.session() as session:
        row = session.get_one(Round, work.round_id)
        if "rolled_back" in row.results:  # by a process of this round that was then killed
            return row.results
    reason = worse_in_play(interactions, verdicts, current, before) if before else None
    if reason is None:
        return {}
    with work.held() as session:
        row = session.get_one(Round, work.round_id)
        try:
            registry.rollback(session)
        except AdapterError as error:
            log.warning("the adapter in use is worse, but cannot be left", reason=reason, error=str(error))
            return {}
        registry.reject(session, current)
        row.results = {"rolled_back": {"from": current, "to": before, "reason": reason}}
        session.add(row)
        return row.results


def examples(
    work: RoundWork, interactions: Sequence[Interaction], verdicts: dict[int, StoredVerdict]
) -> tuple[list[TrainingGame], list[TrainingGame]]:
    """Returns (training examples of all rounds so far, held-out examples for the gate).

    The latter are of the newest held-out games, of as many rounds as it takes to have enough.
    """
    from learner.training.evaluation import newest_held_out

    work.report("examples")
    _, objective = parse_system(work.system)
    base_model = work.policy.fingerprint
    with work.database.session() as session:
        chosen = [one.game_id for one in interactions if is_held_out(one.game_id)]
        training, held_out = split_held_out(interactions, games_trained_on(session, chosen))
    return (
        build_examples(training, verdicts, objective, base_model, work.usable_hindsight),
        newest_held_out(held_out, verdicts, base_model),
    )


def train(
    work: RoundWork,
    games: Sequence[TrainingGame],
    held_out: Sequence[TrainingGame] = (),
    like: str = BASE_ADAPTER,
) -> Card:
    """Train a new adapter, initialised from the adapter `like`, and add it to the registry as a candidate.

    Training stops early when held-out quality no longer improves. If this round has already made the adapter from
    the same examples, it is loaded instead.
    """
    from learner.training.evaluation import MIN_HELD_OUT_TURNS, chance_of_right, right_turns
    from learner.training.seeds import seed_games_of
    from learner.training.train import TrainingDiverged
    from learner.training.train import train as train_adapter

    work.report("train")
    _, objective = parse_system(work.system)
    fingerprint = work.policy.fingerprint
    seeds = seed_games_of(work.settings, work.policy, objective)
    made_from = digest([*games, *seeds]) + work.policy.backend.rehearsed()

    def quality() -> float:
        return chance_of_right(work.policy, held_out, work.name)

    if card := made_before(work, made_from):
        load(work, card.name)
    else:
        work.policy.unload_adapter(work.name)  # left in this process by a failed round
        watched = right_turns(held_out) >= MIN_HELD_OUT_TURNS
        if work.group is not None:
            from learner.rounds.ranks import TrainingJob

            work.group.broadcast(
                TrainingJob(work.name, games, objective, work.training, like, seeds, watched)
            )
        try:
            result = train_adapter(
                work.policy,
                work.name,
                games,
                objective,
                work.training,
                lambda at: work.report("train", at.step, at.total, at.loss, at.seconds_left),
                quality if watched else None,
                like,
                seeds,
            )
        except TrainingDiverged as error:
            raise RoundError(str(error)) from error
        card = Card(
            name=work.name,
            base_model=fingerprint,
            policy=work.settings.policy.model,
            prompt_hash=work.policy.prompt_hash,
            system=work.system,
            round=work.number,
            round_id=work.round_id,
            parent=None if like == BASE_ADAPTER else like,
            decoder=work.settings.feedback.decoder,
            created=now(),
            games={game.game_id: len(game.labels) for game in games},
            turns=sum(len(game.labels) for game in games),
            training={**asdict(work.training), "hindsight": asdict(work.usable_hindsight)},
            metrics={"digest": made_from, "training": result.metrics()},
        )
        card = work.registry.publish(card, lambda folder: work.policy.save_adapter(work.name, folder))
    with work.held() as session:
        kept = kept_games(session, list(card.games))
        if len(kept) < len(card.games):  # some were erased during the training
            card = card.model_copy(
                update={"games": {game: card.games[game] for game in card.games if game in kept}}
            )
            work.registry.update_card(card)
        record_lineage(session, work.registry.record(session, card), lineage(games))
    return card


def evaluate(
    work: RoundWork, card: Card, held_out: Sequence[TrainingGame]
) -> "tuple[Comparison, Comparison]":
    """Compare the candidate with the adapter in use on the held-out games, and on the held-out seed games."""
    from learner.training.evaluation import compare
    from learner.training.seeds import held_out_seed_games

    work.report("evaluate", 0, len(held_out))
    parent = usable_parent(work)
    played = compare(work.policy, held_out, card.name, parent)
    return played, compare(work.policy, held_out_seed_games(work.settings), card.name, parent)


def judge(
    work: RoundWork,
    card: Card,
    comparison: "Comparison",
    known: "Comparison",
    trust: dict[str, Any] | None = None,
) -> tuple[int, "Decision"]:
    """The gate: decide whether the adapter is used, and write evaluation and trust to its card and row.

    `comparison` is on played games, `known` on seed games.
    """
    from learner.training.evaluation import gate

    work.report("gate")
    decision = gate(comparison, card.metrics["training"]["losses"], known)
    metrics = {
        **card.metrics,
        "held_out": comparison.metrics(),
        "held_out_seed_games": known.metrics(),
        "gate": decision.metrics(),
        "trust": trust,
    }
    card = card.model_copy(update={"metrics": metrics})
    work.registry.upload(card.name)
    with work.held() as session:
        card = without_erased(session, card) or card
        work.registry.update_card(card)
        adapter = work.registry.record(session, card)
        if not decision.passed:
            work.registry.reject(session, card.name)
        assert adapter.id is not None
        return adapter.id, decision


def publish(work: RoundWork, card: Card) -> None:
    """Make the adapter current, so that new games are pinned to it."""
    work.report("publish")
    with work.held() as session:
        work.registry.promote(session, card.name)


def _reason(why: Sentence) -> dict[str, Any]:
    """What the results say of it."""
    return {"reason": str(why), "why": why.stored()}


def _counts(interactions: Sequence[Interaction], verdicts: dict[int, StoredVerdict]) -> dict[str, Any]:
    turns = [turn_id for interaction in interactions for turn_id in interaction.turn_ids]
    found = [verdicts[turn_id].label for turn_id in turns if turn_id in verdicts]
    return {
        "interactions": len(interactions),
        "turns": len(turns),
        "decoded_turns": len(found),
        "positive_turns": sum(label > 0 for label in found),
    }
