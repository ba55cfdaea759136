"""The policy through a vLLM server's OpenAI-compatible API. Does not import torch.

The parts of the API that it relies on are listed in tests/learner/serving/vllm_contract.json.
"""

from learner.serving.vllm.policy import VllmPolicy

__all__ = ["VllmPolicy"]
