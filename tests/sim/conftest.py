"""The embedded policy, loaded once."""

import pytest

from learner.policy import Policy
from learner.settings import PolicyConfig


@pytest.fixture(scope="session")
def loaded_policy() -> Policy:
    return Policy.load("tiny", device="cpu", temperature=PolicyConfig().temperature)


@pytest.fixture
def policy(loaded_policy: Policy) -> Policy:
    """The policy without memory of other games."""
    loaded_policy.cache.forget()
    return loaded_policy
