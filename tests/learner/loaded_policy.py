"""The embedded policy, loaded before processes are forked (`forks.py`). Imported by them only."""

import torch

from learner.policy import Policy
from learner.settings import PolicyConfig

torch.set_num_threads(1)  # a process must not be forked from one whose OpenMP threads run
policy = Policy.load("tiny", device="cpu", threads=1, temperature=PolicyConfig().temperature)
