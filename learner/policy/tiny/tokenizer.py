"""The embedded model's tokenizer (words, and pieces of unknown words) and its chat template.

Capital letters are tokens of their own: labels of figures. What people say is spelt in lower case and in Latin letters
(`games.words.spoken`), so a person's "A man" never holds the label A, and every word has pieces.
"""

import string
from collections.abc import Sequence

from tokenizers import Tokenizer, normalizers
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

from games.letters import LETTERS, WORDS
from games.words import spoken

PAD, IMAGE, SUMMARY, ACT, END, UNKNOWN = "<pad>", "<image>", "<summary>", "<act>", "<end>", "<unk>"
WORD = "<word>"
"""What the language part reads for each token of a description."""
SPECIAL = (PAD, IMAGE, SUMMARY, ACT, END, WORD, UNKNOWN)
OPENS, CLOSES = "«", "»"
"""They stand around descriptions. Nobody can type them: `games.words.plain` makes them quotation marks."""
AGAIN = "„"
"""It stands before an utterance that rejects the last pick, and nobody can type it either."""
ACTION_WORDS = (*LETTERS, *WORDS)

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}<image>"
    "{%- else -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if message['role'] == 'assistant' -%}<end>{%- elif not loop.last -%}<summary><act>{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<summary><act>{%- endif -%}"
)
"""It writes every text as it is: what people say is spelt in lower case before (`TinyBackend.spell`)."""


def build_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """A word-piece tokenizer with these words and pieces ("##s"), in order, after its special tokens, the labels of
    figures and all ASCII characters, and before `AGAIN`."""
    characters = list(string.ascii_letters + string.digits + string.punctuation)
    pieces = [f"##{character}" for character in characters]
    known = list(dict.fromkeys([*SPECIAL, OPENS, CLOSES, *ACTION_WORDS, *characters, *pieces, *words, AGAIN]))
    tokenizer = _word_pieces({word: number for number, word in enumerate(known)})
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, padding_side="left"
    )
    fast.add_special_tokens({"additional_special_tokens": [IMAGE, SUMMARY, ACT, WORD]})  # type: ignore[dict-item]
    fast.chat_template = CHAT_TEMPLATE
    return fast


def letter_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids of all capital letters, also of those that labelled no figure in pretraining."""
    known = tokenizer.get_vocab()
    return [known[letter] for letter in string.ascii_uppercase if letter in known]


def token_bags(tokenizer: PreTrainedTokenizerFast, descriptions: Sequence[str]) -> list[list[int]]:
    """Token ids of each description that has words."""
    bags = [tokenizer.encode(spoken(words), add_special_tokens=False) for words in descriptions]
    return [ids for ids in bags if ids]


def _word_pieces(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=64))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents()])  # type: ignore[assignment]
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    return tokenizer


def build_processor(tokenizer: PreTrainedTokenizerFast, image_size: int) -> LlavaProcessor:
    """A processor that turns one picture into one image token."""
    size = {"height": image_size, "width": image_size}
    images = CLIPImageProcessorPil(
        do_resize=True,
        size=size,
        do_center_crop=False,
        crop_size=size,
        do_rescale=True,
        do_normalize=False,
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=image_size,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
    )
