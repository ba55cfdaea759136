"""What `respect bench chaos` counts."""

from dataclasses import dataclass, field


@dataclass
class ChaosReport:
    """What happened."""

    games: int = 0
    guilds: int = 0
    messages: int = 0
    """Messages that players sent in running games."""
    forms: int = 0
    """Forms that players sent and that were acknowledged or kept."""
    turns: int = 0
    lost: int = 0
    """Messages that are in no turn, and that the bot did not ask for again."""
    forms_lost: int = 0
    """The same of forms."""
    doubled: int = 0
    """What is in more than one turn, or in one though the bot asked for it again."""
    refused: int = 0
    """What the bot asked for again, because it could not keep it."""
    put_off: int = 0
    """Times that the bot said that it cannot save a turn now, and goes on later."""
    forms_failed: int = 0
    """Forms that Discord told their senders of that there was no answer in time."""
    after_end: int = 0
    """What was said again after such a form, though the form was kept and ended the game."""
    unanswered: int = 0
    """What has no board within the time that a player waits."""
    left_waiting: int = 0
    """What is still queued in the end."""
    boards_missing: int = 0
    """Games whose newest board, or end, was not shown."""
    bot_kills: int = 0
    service_kills: int = 0
    round_kills: int = 0
    worker_kills: int = 0
    gateway_drops: int = 0
    disk_fills: int = 0
    clock_set_back: bool = False
    not_possible: list[str] = field(default_factory=list)
    """Faults that this machine does not allow."""
    rounds: list[str] = field(default_factory=list)
    """How each round ended: those whose process was killed failed, the last one must be done."""
    requests: int = 0
    """Requests of the bot to Discord."""
    failed_requests: int = 0
    bad_requests: dict[str, int] = field(default_factory=dict)
    """Requests that do not match Discord's description, or that Discord refuses -> how many."""
    longest_stall: float = 0.0
    """Longest time in seconds for which the bot's event loop did not run."""
    longest_busy: float = 0.0
    """Longest time in seconds for which its thread computed: the part of a stall that is not the machine's."""
    tracebacks: int = 0
    """Tracebacks in the bot's log."""
    words_in_logs: int = 0
    """Lines of logs and cards with a player's words or name, or with the token."""
    log_bytes: int = 0
    exit_code: int | None = None
    """The bot's when it was asked to stop in the end; None if it did not stop."""
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled, left, told or done wrong."""
        missing = self.lost + self.forms_lost + self.doubled + self.unanswered
        missing += self.left_waiting + self.boards_missing
        wrong = self.tracebacks + self.words_in_logs + len(self.bad_requests)
        wrong += self.exit_code != 0
        return not missing + wrong and (not self.rounds or self.rounds[-1] == "done")
