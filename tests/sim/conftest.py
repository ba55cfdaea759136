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


@pytest.fixture
def quickly_loaded(loaded_policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in this process does not load the policy again; it must be the default one."""

    def of(settings: LearnerSettings, threads: int | None = None) -> Policy:
        assert (settings.policy.model, settings.policy.temperature) == ("tiny", loaded_policy.temperature)
        loaded_policy.cache.forget()
        return loaded_policy

    monkeypatch.setattr(Policy, "of", of)
