"""The worker of one running game, and its requests to the policy."""

import asyncio
from dataclasses import dataclass, field

from bot.services import Policy
from learner.protocol import TurnAnswer, TurnRequest


@dataclass
class Worker:
    """One game's worker."""

    task: asyncio.Task[None] | None = None
    pending: bool = True
    """Whether there may be new work since the worker last looked."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    thinking: "asyncio.Future[TurnAnswer] | None" = None
    """The request to the policy, which is cancelled if the game is given up."""
    notices: set[str] = field(default_factory=set)
    """Notices sent since the last successful step."""
    unplayed: int = 0

    async def ask(self, policy: Policy, request: TurnRequest) -> TurnAnswer | None:
        """The policy's answer, or None if the game was given up meanwhile. Raises PolicyError."""
        self.thinking = asyncio.ensure_future(policy.act(request))
        try:
            return await self.thinking
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self.thinking.cancelled() and not (current and current.cancelling()):
                return None
            raise
        finally:
            self.thinking = None
