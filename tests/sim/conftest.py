"""The embedded policy, loaded once."""

import pytest

from learner.policy import Policy
from learner.settings import LearnerSettings, PolicyConfig


@pytest.fixture(scope="session")
def loaded_policy() -> Policy:
    return Policy.load("tiny", device="cpu", temperature=PolicyConfig().temperature)


@pytest.fixture
def policy(loaded_policy: Policy) -> Policy:
    """The policy without memory of other games."""
    loaded_policy.cache.forget()
    return loaded_policy


@pytest.fixture(scope="session")
def loaded_policies() -> dict[tuple[str, float], Policy]:
    """By model and temperature."""
    return {}


@pytest.fixture
def quickly_loaded(loaded_policies: dict[tuple[str, float], Policy], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process load each policy once."""
    load = Policy.of

    def of(settings: LearnerSettings, threads: int | None = None) -> Policy:
        key = settings.policy.model, settings.policy.temperature
        if key not in loaded_policies:
            loaded_policies[key] = load(settings, threads)
        loaded_policies[key].cache.forget()
        return loaded_policies[key]

    monkeypatch.setattr(Policy, "of", of)
