"""Loads a base model with its processor and chooses its backend."""

import hashlib
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    GenerationConfig,
    Idefics3Processor,
    ProcessorMixin,
)
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils import logging as transformers_logging

from learner.conversation import RASTER
from learner.policy.attention import use_float32_attention
from learner.policy.backend import Backend, PolicyLoadError
from learner.policy.hf import HfBackend
from learner.policy.tiny.backend import TinyBackend
from learner.policy.tiny.configuration import TinyVlmConfig
from learner.policy.tiny.modeling import register
from learner.policy.tiny.tokenizer import letter_ids
from learner.settings import base_model_folder, missing_model

PROCESSORS: dict[str, type[ProcessorMixin]] = {"smolvlm": Idefics3Processor}
"""Model type -> processor class to use instead of the model's own. SmolVLM's formats images as Idefics3's does, but
requires num2words and a video part."""

__all__ = ["PolicyLoadError", "choose_device", "fingerprint", "load_base"]


def choose_device(device: str) -> torch.device:
    """'auto' is CUDA if it is available, else MPS, else the CPU."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def load_base(spec: str, device: torch.device, dtype: torch.dtype | None = None) -> Backend:
    """Load `spec`: 'tiny', 'novice', a folder or a model id. Raises `PolicyLoadError`.

    `dtype` None means float32 on a CPU (exact propensities) and bfloat16 elsewhere for models that are not
    embedded.
    """
    register()
    folder = base_model_folder(spec)
    if wrong := missing_model(spec):
        raise PolicyLoadError(wrong)
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
        model.generation_config = GenerationConfig()  # no sampling options that change probabilities
        model.requires_grad_(False)
        model.eval().to(device)  # pyright: ignore[reportArgumentType]
        if device.type == "cpu":
            use_float32_attention(model)
        name = fingerprint(model)
        if embedded:
            return TinyBackend(model, processor, name, folder)
        return HfBackend(model, processor, name, RASTER)
    except (OSError, ValueError, ImportError, KeyError, AttributeError) as error:
        raise PolicyLoadError(
            f"Cannot load the policy {spec!r}: {error}. Give 'tiny', 'novice', a folder saved with save_pretrained, or "
            "the id of an image-text-to-text model with safetensors weights."
        ) from error
    finally:
        if bars:
            transformers_logging.enable_progress_bar()


def fingerprint(model: torch.nn.Module) -> str:
    """First 12 hex digits of the SHA-256 over names, shapes and values of a model's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _load_processor(source: str, config: Any) -> Any:
    """The model's processor for text and images, with the PIL image processor. Raises ValueError without a chat
    template."""
    kind: Any = PROCESSORS.get(config.model_type) or PROCESSOR_MAPPING[type(config)]
    processor = _image_only(kind).from_pretrained(source, backend="pil")
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


def _image_only(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """Derive a processor class without its video part, which needs torchvision."""
    if "video_processor" not in kind.get_attributes():
        return kind

    class Parts(kind):
        """Defines which parts are loaded."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if name != "video_processor"]

    class ImageOnly(kind):
        """Has no video part (None)."""

        @classmethod
        def get_attributes(cls) -> list[str]:
            return kind.get_attributes()

        @classmethod
        def _get_arguments_from_pretrained(cls, *args: Any, **options: Any) -> list[Any]:
            loaded = Parts._get_arguments_from_pretrained(*args, **options)
            parts = dict(zip(Parts.get_attributes(), loaded, strict=True))
            return [parts.get(name) for name in cls.get_attributes()]

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None:
                return type(None)
            return super().check_argument_for_proper_class(argument_name, argument)

    return ImageOnly
