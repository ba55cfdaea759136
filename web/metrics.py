"""The metrics for Prometheus. Each bot has its own registry; there is no global one."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)


class Metrics:
    """The bot's counters, gauges and histograms. The code that handles an event counts it."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.games_opened = Counter("respect_games_opened", "Games begun.", registry=registry)
        self.games_finished = Counter(
            "respect_games_finished", "Games ended, by outcome.", ["outcome"], registry=registry
        )
        self.games_open = Gauge("respect_games_open", "Running games.", registry=registry)
        self.turns = Counter("respect_turns", "Turns committed.", registry=registry)
        self.policy_seconds = Histogram(
            "respect_policy_seconds", "Time the policy took for a turn.", buckets=SECONDS, registry=registry
        )
        self.answer_seconds = Histogram(
            "respect_answer_seconds",
            "Time from an utterance to its board being shown.",
            buckets=SECONDS,
            registry=registry,
        )
        self.policy_failures = Counter(
            "respect_policy_failures", "Turns the policy could not answer at once.", registry=registry
        )
        self.rounds = Counter("respect_rounds", "Rounds ended, by status.", ["status"], registry=registry)
        self.stall_seconds = Gauge(
            "respect_loop_stall_seconds",
            "Longest time since the bot was first connected for which the event loop did not run.",
            registry=registry,
        )
        self.busy_seconds = Gauge(
            "respect_loop_busy_seconds",
            "Longest time since then for which its thread computed without a pause: the part of a stall that is not "
            "the machine's.",
            registry=registry,
        )
        self.gateway_seconds = Gauge(
            "respect_gateway_latency_seconds", "Heartbeat latency of the gateway.", registry=registry
        )

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
