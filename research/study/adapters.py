"""Whether the adapters of a study's arms can be played with."""

from sqlmodel import Session

from learner.protocol import BASE_ADAPTER
from learner.registry import AdapterError, AdapterRegistry
from research.study.file import CURRENT, Study


def arm_problems(
    study: Study, registry: AdapterRegistry, session: Session | None, base_model: str | None = None
) -> dict[str, str]:
    """Arm -> why its adapter cannot be used, of the arms of which that holds.

    `session` None: there is no database yet, so it is not known what was erased. With `base_model`, an adapter that
    was trained on another base model than the one with this fingerprint cannot be used.
    """
    found = {}
    for arm in study.arms:
        if arm.adapter in (BASE_ADAPTER, CURRENT):
            continue
        try:
            registry.refuse_unusable(session, arm.adapter, base_model)
        except AdapterError as error:
            found[arm.name] = str(error)
    return found
