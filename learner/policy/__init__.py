"""The policy π(a|x): any image-text-to-text model of transformers with peft adapters.

    policy = Policy.load("tiny")                    # or a folder, or a model id; embedded and large alike
    answers = policy.act([request, ...])            # [(action, log-propensity), ...], batched, mixed adapters

Training (see `batch.Example`, `batch.Batch`, `batch.ActionLogps`):

    policy.new_adapter("new", rank=16, alpha=16, dropout=0.1, seed=0)   # trainable, active
    parameters = policy.trainable()
    policy.train()                                  # dropout on; policy.eval() turns it off
    batch = policy.batch(examples)                  # tokenised, padded; reuse or make anew each epoch
    logps = policy.forward_logps(batch)             # ActionLogps, one row per (example, step, target)
    loss = objective(logps, ...); loss.backward()
    policy.eval()
    policy.save_adapter("new", folder)              # adapter_config.json, adapter_model.safetensors
    policy.all_action_logps(request)                # every legal action's log-probability

It does not depend on where turns come from, on rewards, or on the targets of a game.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """Leaves what is made inside out of garbage collection.

    Passes over the many objects of torch and transformers take a third of the time of a process that only imports
    them: while they are imported, and again at the end of the process.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


with _kept_for_good():
    from learner.policy.batch import ActionLogps, Batch, Example, Row
    from learner.policy.loading import PolicyLoadError
    from learner.policy.policy import Policy

__all__ = ["ActionLogps", "Batch", "Example", "Policy", "PolicyLoadError", "Row"]
