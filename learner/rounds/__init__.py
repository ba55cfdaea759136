"""Rounds of learning. Each runs in its own process, so that a crash or lack of memory does not affect the bot.

The bot imports this package only for `command`, so it does not import torch.
"""

import sys

LOCK_FILE = ".round.lock"
"""Lock file in the adapters' folder, held by the process that runs a round until the process ends."""


def command(round_id: int, processes: int = 1) -> list[str]:
    """The command line that runs a round in a subprocess; settings are read from the environment.

    With `processes` above 1, torch's launcher starts as many, and they train together. It does the same as
    `accelerate launch` on several GPUs, and works on a CPU too.

    The exit code is 0 if the round is done and 1 if it failed; the round's row has the same information. After a
    kill the command can be run again with the same id and redoes only what is missing.
    """
    together = ("torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m")
    return [
        *(sys.executable, "-m", *(together if processes > 1 else ())),
        *("learner.rounds", "--round-id", str(round_id)),
    ]
