"""Large models' classes in small: random weights, their own processors and chat templates, saved to a folder."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    Idefics2Config,
    Idefics2ForConditionalGeneration,
    Idefics2ImageProcessorPil,
    Idefics2Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
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


def tokenizer(special: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer like theirs, with few merges."""
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
        additional_special_tokens=special,
    )


def save_idefics2(folder: Path) -> None:
    """Perceiver connector, Mistral language part."""
    words = tokenizer(["<fake_token_around_image>", "<image>", "<end_of_utterance>"])
    config = Idefics2Config(
        text_config={"model_type": "mistral", **_text(words), "sliding_window": None},
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


def save_qwen(folder: Path) -> None:
    """Three-dimensional positions, and a generation configuration that would bend probabilities."""
    special = [
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    words = tokenizer(special)
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
        image_token_id=_id(words, "<|image_pad|>"),
        video_token_id=_id(words, "<|video_pad|>"),
        vision_start_token_id=_id(words, "<|vision_start|>"),
        vision_end_token_id=_id(words, "<|vision_end|>"),
    )
    model: Any = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.repetition_penalty = 1.5
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 56 * 56}).save_pretrained(folder)


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


CLASSES = {"idefics2": save_idefics2, "idefics3": save_idefics3, "llava": save_llava, "qwen2.5-vl": save_qwen}
