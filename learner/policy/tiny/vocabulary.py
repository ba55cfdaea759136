"""The embedded model's words and their vectors, taken from a sentence encoder.

A word's vector is the encoder's output for a sentence of that word alone, reduced to the directions in which words
differ most. So words with similar meaning have similar vectors, also those that no figure was ever described with.
"""

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

BATCH = 512


@dataclass(frozen=True)
class Vocabulary:
    """Words and pieces of words ("##s") with their vectors."""

    words: tuple[str, ...]
    vectors: torch.Tensor
    """[words, width], standardised."""


def read_vocabulary(folder: str | Path, size: int, width: int) -> Vocabulary:
    """The `size` commonest English words and pieces of a BERT-like sentence encoder, saved for transformers.

    Raises OSError if there is no such model in the folder.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        encoder = AutoModel.from_pretrained(folder).eval()
    except (ValueError, OSError) as error:
        raise OSError(f"There is no sentence encoder in {folder}: {error}") from error
    known = tokenizer.get_vocab()
    # the vocabulary of BERT is sorted by frequency, words and pieces apart
    plain = [
        word
        for word in sorted(known, key=known.get)
        if set(word.removeprefix("##")) <= set(string.ascii_lowercase)
    ]
    pieces = [word for word in plain if word.startswith("##")][: size // 4]
    words = [word for word in plain if not word.startswith("##")][: size - len(pieces)]
    chosen = [*words, *pieces]
    return Vocabulary(
        tuple(chosen), _reduced(_vectors(encoder, tokenizer, [known[word] for word in chosen]), width)
    )


def _vectors(encoder: Any, tokenizer: Any, ids: list[int]) -> torch.Tensor:
    """[n, D] unit vectors: the mean of the encoder's outputs for each token as a sentence."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(ids), BATCH):
            tokens = torch.tensor(ids[start : start + BATCH])
            first, last = (
                torch.full_like(tokens, id) for id in (tokenizer.cls_token_id, tokenizer.sep_token_id)
            )
            hidden = encoder(input_ids=torch.stack([first, tokens, last], 1)).last_hidden_state.mean(1)
            found.append(torch.nn.functional.normalize(hidden, dim=1))
    return torch.cat(found)


def _reduced(vectors: torch.Tensor, width: int) -> torch.Tensor:
    """[n, D] to [n, width]: the principal components, with the same variance in all directions together as one."""
    centred = vectors - vectors.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    reduced = centred @ directions[:width].T
    return (reduced / reduced.std()).contiguous()
