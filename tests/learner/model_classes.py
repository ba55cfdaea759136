"""Large models' classes in small: random weights, their own processors and chat templates, saved to a folder."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    GotOcr2ImageProcessorPil,
    Idefics2Config,
    Idefics2ForConditionalGeneration,
    Idefics2ImageProcessorPil,
    Idefics2Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    LlavaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipImageProcessorPil,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

IDEFICS_TEMPLATE = (
    "{% for message in messages %}{{message['role'].capitalize()}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
QWEN_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<image>\n' }}"
    "{% endif %}{% endfor %}"
    "{% for content in message['content'] %}{% if content['type'] == 'text' %}{{ content['text'] + ' ' }}"
    "{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""LLaVA's own form: all images before all text, and no token after an answer."""

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}


def tokenizer(special: list[str], **named: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer like theirs, with few merges; `named` are special tokens with a name of their own."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>", *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(["none is selected. select A B deselect C D currently selected"] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=[token for token in special if token not in named.values()],
        extra_special_tokens=named,
    )


def save_idefics2(folder: Path, window: int | None = None) -> None:
    """Perceiver connector, Mistral language part."""
    words = tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>"])
    config = Idefics2Config(
        text_config={"model_type": "mistral", **_text(words), "sliding_window": window},
        vision_config=VISION,
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 16,
            "num_key_value_heads": 1,
        },
        image_token_id=_id(words, "<image>"),
    )
    Idefics2ForConditionalGeneration(config).save_pretrained(folder)
    images = Idefics2ImageProcessorPil(
        size={"shortest_edge": 56, "longest_edge": 56}, do_image_splitting=True
    )
    Idefics2Processor(images, words, image_seq_len=4, chat_template=IDEFICS_TEMPLATE).save_pretrained(folder)


def save_idefics3(folder: Path) -> None:
    """Idefics3 and SmolVLM: pixel shuffle, image splitting on as theirs comes."""
    words = tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"])
    config = Idefics3Config(
        text_config={"model_type": "llama", **_text(words)},
        vision_config=VISION,
        image_token_id=_id(words, "<image>"),
        scale_factor=2,
    )
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 112}, max_image_size={"longest_edge": 56})
    Idefics3Processor(images, words, image_seq_len=4, chat_template=IDEFICS_TEMPLATE).save_pretrained(folder)


def save_smolvlm(folder: Path) -> None:
    """Idefics3 with a video part, whose processor needs torchvision."""
    words = tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"])
    words.chat_template = IDEFICS_TEMPLATE
    config = SmolVLMConfig(
        text_config={"model_type": "llama", **_text(words)},
        vision_config=VISION,
        image_token_id=_id(words, "<image>"),
        scale_factor=2,
    )
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    SmolVLMImageProcessorPil(size={"longest_edge": 112}, max_image_size={"longest_edge": 56}).save_pretrained(
        folder
    )
    _save_processor(folder, "SmolVLMProcessor", image_seq_len=4)


QWEN_SPECIAL = [
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]


def save_qwen(folder: Path) -> None:
    """Three-dimensional positions, and a generation configuration that would bend probabilities."""
    words = tokenizer(QWEN_SPECIAL)
    words.chat_template = QWEN_TEMPLATE
    config = Qwen2_5_VLConfig(
        text_config={
            **_text(words),
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [1],
        },
        **_qwen_tokens(words),
    )
    model: Any = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.repetition_penalty = 1.5
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 56 * 56}).save_pretrained(folder)


def save_qwen3(folder: Path) -> None:
    """Image features that go into deeper layers too."""
    words = tokenizer(QWEN_SPECIAL)
    words.chat_template = QWEN_TEMPLATE
    config = Qwen3VLConfig(
        text_config={
            **_text(words),
            "head_dim": 8,
            "num_hidden_layers": 3,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [1, 1, 2],
                "mrope_interleaved": True,
                "rope_theta": 10000.0,
            },
        },
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 1],
        },
        **_qwen_tokens(words),
    )
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        size={"shortest_edge": 64 * 64, "longest_edge": 64 * 64}, patch_size=16
    ).save_pretrained(folder)


def _qwen_tokens(words: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "image_token_id": _id(words, "<|image_pad|>"),
        "video_token_id": _id(words, "<|video_pad|>"),
        "vision_start_token_id": _id(words, "<|vision_start|>"),
        "vision_end_token_id": _id(words, "<|vision_end|>"),
    }


def save_llava(folder: Path) -> None:
    """Images of fixed size; its template loses the order of images and text."""
    words = tokenizer(["<image>"])
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION),  # pyright: ignore[reportArgumentType]
        text_config=LlamaConfig(**_text(words)),  # pyright: ignore[reportArgumentType]
        image_token_index=_id(words, "<image>"),
        image_seq_length=16,
        vision_feature_layer=-1,
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    side = {"height": 56, "width": 56}
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    ).save_pretrained(folder)


def save_llava_onevision(folder: Path) -> None:
    """A single image would be cut into parts, those of a board are not."""
    words = tokenizer(["<image>", "<video>", "<|im_start|>", "<|im_end|>"])
    words.chat_template = QWEN_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    config = LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", **VISION},
        text_config={"model_type": "qwen2", **_text(words)},
        image_token_index=_id(words, "<image>"),
        video_token_index=_id(words, "<video>"),
        image_grid_pinpoints=[[56, 112], [112, 56], [112, 112]],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    LlavaOnevisionForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    LlavaOnevisionImageProcessorPil(
        size={"height": 56, "width": 56}, image_grid_pinpoints=[[56, 112], [112, 56], [112, 112]]
    ).save_pretrained(folder)
    _save_processor(
        folder, "LlavaOnevisionProcessor", num_image_tokens=16, vision_feature_select_strategy="full"
    )


def save_internvl(folder: Path) -> None:
    """Pixel shuffle, and tokens around an image."""
    words = tokenizer(
        ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>"],
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    words.chat_template = QWEN_TEMPLATE.replace(
        "<|vision_start|><|image_pad|><|vision_end|>", "<IMG_CONTEXT>"
    )
    config = InternVLConfig(
        vision_config={**VISION, "image_size": [56, 56], "patch_size": [14, 14]},
        text_config={"model_type": "qwen2", **_text(words)},
        image_token_id=_id(words, "<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    InternVLForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    GotOcr2ImageProcessorPil(size={"height": 56, "width": 56}).save_pretrained(folder)
    _save_processor(folder, "InternVLProcessor", image_seq_length=4)


def save_gemma3(folder: Path, window: int = 24) -> None:
    """Tokens of an image attend to each other in both directions; a sliding window in every other layer."""
    words = _gemma_tokenizer()
    words.chat_template = QWEN_TEMPLATE.replace(
        "<|vision_start|><|image_pad|><|vision_end|>", "<start_of_image>"
    )
    config = Gemma3Config(
        text_config={
            **_text(words),
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": window,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        vision_config=VISION,
        mm_tokens_per_image=4,
        image_token_index=_id(words, "<image_soft_token>"),
        boi_token_index=_id(words, "<start_of_image>"),
        eoi_token_index=_id(words, "<end_of_image>"),
    )
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    images = Gemma3ImageProcessorPil(size={"height": 56, "width": 56}, image_seq_length=4)
    Gemma3Processor(images, words, image_seq_length=4, chat_template=words.chat_template).save_pretrained(
        folder
    )


def save_paligemma(folder: Path) -> None:
    """A prompt attends to itself in both directions."""
    words = _gemma_tokenizer()
    words.chat_template = QWEN_TEMPLATE.replace(
        "<|vision_start|><|image_pad|><|vision_end|>", "<image_soft_token>"
    )
    images: Any = SiglipImageProcessorPil(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(images, words, chat_template=words.chat_template)
    config = PaliGemmaConfig(
        text_config={"model_type": "gemma", **_text(words), "head_dim": 8},
        vision_config={"model_type": "siglip_vision_model", **VISION, "projection_dim": 32},
        projection_dim=32,
        image_token_index=_id(words, "<image_soft_token>"),
    )
    PaliGemmaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)


def _gemma_tokenizer() -> PreTrainedTokenizerFast:
    return tokenizer(
        ["<|im_start|>", "<|im_end|>", "<start_of_image>", "<end_of_image>", "<image_soft_token>"],
        boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
        image_token="<image_soft_token>",
    )


def _save_processor(folder: Path, kind: str, **options: Any) -> None:
    """What the processor's own `save_pretrained` would write, but that it cannot be made without torchvision."""
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": kind, **options}))


def _text(words: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        **TEXT,
        "vocab_size": len(words),
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }


def _id(words: PreTrainedTokenizerFast, token: str) -> Any:
    return words.convert_tokens_to_ids(token)


EXACT = {
    "gemma3": save_gemma3,
    "idefics2": save_idefics2,
    "idefics3": save_idefics3,
    "internvl": save_internvl,
    "llava": save_llava,
    "llava-onevision": save_llava_onevision,
    "qwen2.5-vl": save_qwen,
    "qwen3-vl": save_qwen3,
    "smolvlm": save_smolvlm,
}
"""Classes that are played and trained exactly."""
REFUSED = {"paligemma": save_paligemma}
"""Classes that are refused when they are loaded, with the reason."""
