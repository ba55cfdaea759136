"""Opens a base model and its processor: the embedded one, a folder, or a model id. One path for all of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from learner.conversation import RASTER
from learner.policy.attention import use_float32_attention
from learner.policy.tiny import TINY_WEIGHTS
from learner.policy.tiny.modeling import TinyVlmConfig, register
from learner.policy.tiny.tokenizer import letter_ids


class PolicyLoadError(Exception):
    """A base model or an adapter that cannot be used, with what to do about it."""


@dataclass(frozen=True)
class BaseModel:
    """A loaded base model, frozen and in evaluation mode."""

    model: Any
    """A transformers `...ForConditionalGeneration`."""
    processor: Any
    fingerprint: str
    raster: int
    """Pixels of the square pictures given to the processor."""


def choose_device(device: str) -> torch.device:
    """'auto' is CUDA where there is one, then MPS, then the CPU."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_base(spec: str, device: torch.device, dtype: torch.dtype | None = None) -> BaseModel:
    """Load `spec`: 'tiny', a folder or a model id. Raises `PolicyLoadError`.

    `dtype` None means float32 on a CPU (exact propensities) and bfloat16 elsewhere for models that are not
    embedded.
    """
    register()
    folder = TINY_WEIGHTS if spec == "tiny" else Path(spec)
    source = str(folder) if folder.exists() else spec
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(source)
        embedded = isinstance(config, TinyVlmConfig)
        if dtype is None:
            dtype = torch.float32 if device.type == "cpu" or embedded else torch.bfloat16
        model = AutoModelForImageTextToText.from_pretrained(source, dtype=dtype, use_safetensors=True)
        processor = _load_processor(source, config)
        if embedded:
            model.config.label_token_ids = letter_ids(processor.tokenizer)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise PolicyLoadError(
            f"Cannot load the policy {spec!r}: {error}. Give 'tiny', a folder saved with save_pretrained, or the id"
            " of an image-text-to-text model with safetensors weights."
        ) from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
    model.requires_grad_(False)
    model.eval().to(device)  # pyright: ignore[reportArgumentType]
    if device.type == "cpu":
        use_float32_attention(model)
    return BaseModel(model, processor, fingerprint(model), config.image_size if embedded else RASTER)


def fingerprint(model: torch.nn.Module) -> str:
    """12 hex digits of the SHA-256 over names, shapes and values of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _load_processor(source: str, config: Any) -> Any:
    if config.model_type in ("qwen2_vl", "qwen2_5_vl"):
        processor = _qwen_processor(source)
    else:
        processor = AutoProcessor.from_pretrained(source, backend="pil")
    images = processor.image_processor
    if hasattr(images, "do_image_splitting"):
        images.do_image_splitting = False
        side = getattr(getattr(config, "vision_config", None), "image_size", None)
        if side and "longest_edge" in dict(images.size):
            keys = dict(images.size)
            images.size = dict.fromkeys(keys, side)
    if not getattr(processor, "chat_template", None):
        template = getattr(processor.tokenizer, "chat_template", None)
        if not template:
            raise ValueError("it has no chat template")
        processor.chat_template = template
    return processor


def _qwen_processor(source: str) -> Any:
    """Qwen-VL's processor without its video part, which needs torchvision."""
    from transformers import Qwen2_5_VLProcessor

    class ImageOnlyProcessor(Qwen2_5_VLProcessor):
        """Text and images."""

        attributes = ["image_processor", "tokenizer"]  # noqa: RUF012 - transformers' own form

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            return (
                type(argument)
                if argument is None
                else super().check_argument_for_proper_class(argument_name, argument)
            )

    tokenizer = AutoTokenizer.from_pretrained(source)
    images = AutoImageProcessor.from_pretrained(source, backend="pil")
    return ImageOnlyProcessor(
        image_processor=images, tokenizer=tokenizer, chat_template=tokenizer.chat_template
    )
