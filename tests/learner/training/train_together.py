"""Trains on pickled games with the other ranks of a launch; rank 0 writes the metrics. Arguments: GAMES OUT."""

import json
import pickle
import sys
from pathlib import Path

import torch

from learner.policy import Policy
from learner.training.distributed import ProcessGroup
from learner.training.train import train

if __name__ == "__main__":
    torch.set_num_threads(1)
    games, objective, config = pickle.loads(Path(sys.argv[1]).read_bytes())
    group = ProcessGroup(cpu=True)
    result = train(Policy.load("tiny", device="cpu"), "new", games, objective, config)
    if group.rank == 0:
        Path(sys.argv[2]).write_text(json.dumps(result.metrics()))
    group.destroy()
