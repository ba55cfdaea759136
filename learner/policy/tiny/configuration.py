"""The configuration of the embedded model."""

from typing import Any

from transformers import LlamaConfig, PreTrainedConfig

from learner.settings import TINY_MODEL_TYPE

PATCH = 4
"""Pixels of a side of a patch of the encoder's first stage."""


class TinyVlmConfig(PreTrainedConfig):
    """`text_config` is a LlamaConfig; `channels` are the widths of the encoder's three stages.

    A message starts after an `end_token_id` and ends with a `summary_token_id` and an `act_token_id`. Its descriptions
    stand between `opens_token_id` and `closes_token_id`; the language part reads `word_token_id` for each of their
    tokens. `again_token_id` is in messages that reject the last pick: they are taken to be about the same figures as
    the message before. In other messages without descriptions, all words are one, except for those of
    `silent_token_ids` and the labels of the board's figures, from `label_token_ids`; a board may have more labels than
    the model was built with.
    Logits over all figures have `selected_bias` for selected figures, and `returned_bias` for figures that were
    selected and then deselected. In a message that rejects, those over selected figures have `newest_bias` for the
    figures that the turn before selected. `tagger_width` is the hidden size of `Tagger` in each direction.
    """

    model_type = TINY_MODEL_TYPE
    sub_configs = {"text_config": LlamaConfig}  # noqa: RUF012  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]

    def __init__(
        self,
        text_config: LlamaConfig | dict[str, Any] | None = None,
        image_token_id: int = 1,
        summary_token_id: int = 2,
        act_token_id: int = 3,
        end_token_id: int = 4,
        word_token_id: int = 5,
        opens_token_id: int = 6,
        closes_token_id: int = 7,
        again_token_id: int = 8,
        silent_token_ids: tuple[int, ...] | list[int] = (),
        label_token_ids: tuple[int, ...] | list[int] = (),
        image_size: int = 64,
        channels: tuple[int, ...] | list[int] = (64, 96, 128),
        tagger_width: int = 96,
        match_temperature: float = 0.1,
        selected_bias: float = 0.0,
        returned_bias: float = 0.0,
        newest_bias: float = 0.0,
        tie_word_embeddings: bool = True,
        **kwargs: Any,
    ) -> None:
        if isinstance(text_config, dict):
            text_config = LlamaConfig(**text_config)
        self.text_config = text_config or LlamaConfig()
        self.image_token_id = image_token_id
        self.summary_token_id = summary_token_id
        self.act_token_id = act_token_id
        self.end_token_id = end_token_id
        self.word_token_id = word_token_id
        self.opens_token_id = opens_token_id
        self.closes_token_id = closes_token_id
        self.again_token_id = again_token_id
        self.silent_token_ids = list(silent_token_ids)
        self.label_token_ids = list(label_token_ids)
        self.image_size = image_size
        self.channels = list(channels)
        self.tagger_width = tagger_width
        self.match_temperature = match_temperature
        self.selected_bias = selected_bias
        self.returned_bias = returned_bias
        self.newest_bias = newest_bias
        super().__init__(**kwargs, tie_word_embeddings=tie_word_embeddings)  # pyright: ignore[reportCallIssue]

    @property
    def feature_size(self) -> int:
        """Size of a figure's features: the channels of each place that the encoder's last stage has."""
        side = self.image_size // PATCH // 2 ** (len(self.channels) - 1)
        return self.channels[-1] * side**2
