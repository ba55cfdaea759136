"""Puts a language model, a new vision tower and a new connector together as a `LlavaForConditionalGeneration`."""

from dataclasses import dataclass
from typing import Any

from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

IMAGE = "<image>"
TEMPLATE = (
    "{% for message in messages %}{% set parts = message['content'] %}{% for part in parts %}"
    "{% if part['type'] == 'image' %}<image>"
    "{% if loop.index0 %}{{ ' ' + parts[loop.index0 - 1].get('text', '') }}{% endif %}"
    "{% elif message['role'] == 'assistant' %}{{ part['text'] }}{% else %}{{ ' ' + part['text'] }}{% endif %}"
    "{% endfor %}{% if message['role'] == 'assistant' %}END{% else %}START{% endif %}{% endfor %}"
)
"""A chat template with two tokens around an action and no others, because each token costs time. `START` and `END`
stand for tokens of the language model. A figure's letter is written before and after it, as in an action after a space:
language models find again what followed a word that they have read before."""


@dataclass(frozen=True)
class TowerSettings:
    """The vision tower, a CLIP transformer. A figure has (size / patch)² tokens in the prompt."""

    size: int = 64
    """Pixels of a picture's side."""
    patch: int = 32
    """Pixels of a patch's side."""
    width: int = 256
    layers: int = 4
    heads: int = 4

    @property
    def tokens(self) -> int:
        """Tokens of one figure."""
        return (self.size // self.patch) ** 2


def assemble(language: Any, tokenizer: Any, settings: TowerSettings) -> tuple[Any, Any]:
    """(model, processor): `language`, a causal language model of transformers, with a random tower and connector.

    Adds a token for images to the tokenizer. Raises ValueError for a tokenizer without an end token.
    """
    end = "<|im_end|>" if "<|im_end|>" in tokenizer.get_vocab() else tokenizer.eos_token
    start = "<|im_start|>" if "<|im_start|>" in tokenizer.get_vocab() else tokenizer.bos_token
    if not end or not start or start == end:
        raise ValueError("its tokenizer has no tokens that begin and end an answer")
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE]}, replace_extra_special_tokens=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = end
    side = {"height": settings.size, "width": settings.size}
    pictures = CLIPImageProcessorPil(
        size=side, crop_size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True
    )
    processor = LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=settings.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("START", start).replace("END", end),
    )
    text = language.config.to_dict()
    text.pop("quantization_config", None)
    text["vocab_size"] = max(text["vocab_size"], len(tokenizer))
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=settings.width,
            intermediate_size=4 * settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            image_size=settings.size,
            patch_size=settings.patch,
        ),
        text_config=type(language.config)(**text),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=settings.tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=language.config.tie_word_embeddings,
    )
    language.resize_token_embeddings(text["vocab_size"], mean_resizing=False)
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(language.model.state_dict())
    model.lm_head.load_state_dict(language.lm_head.state_dict())
    return model.float(), processor
