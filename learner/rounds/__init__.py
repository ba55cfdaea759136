"""Rounds of learning, each in a process of its own, so that no crash and no lack of memory reaches the bot.

The bot imports this package for `command` alone; it loads no torch.
"""

import sys

LOCK_FILE = ".round.lock"
"""In the adapters' folder: locked by the process that runs a round, for as long as it lives."""


def command(round_id: int, processes: int = 1) -> list[str]:
    """The command line that runs a round in a process of its own; settings come from the environment.

    With several `processes`, as many are started, and they train together. torch's launcher does what
    `accelerate launch` does where there are several GPUs, and works on a CPU too.

    It exits with 0 if the round is done and with 1 if it failed; either way the round's row says so. A killed
    process may be started again with the same id and redoes only what is missing.
    """
    together = ("torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m")
    return [
        *(sys.executable, "-m", *(together if processes > 1 else ())),
        *("learner.rounds", "--round-id", str(round_id)),
    ]
