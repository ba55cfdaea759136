"""The policy through a vLLM server: the same turns, asked for over its OpenAI-compatible API. Loads no torch.

What it relies on is written down in tests/learner/vllm_contract.json.
"""

from learner.serving.vllm.policy import VllmPolicy

__all__ = ["VllmPolicy"]
