"""The embedded vision-language model: a small convolutional encoder and a small Llama, as a transformers model.

One image is one position of the prompt. Each utterance is followed by a summary token and an act token. A matcher
compares the mean embedding of the utterance's words with the features of each figure on the board. The letters of
the matching figures are added to the summary token's embedding, and those of the matching selected figures to the
act token's. Selected figures have a lower prior than others, and figures that were selected and deselected a still
lower one. The language part does not see figures in any other way: it learns what to do with letters in a dialogue,
the matcher learns names of figures, and each can be trained without the other.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationMixin,
    LlamaConfig,
    LlamaModel,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)

from learner.settings import TINY_MODEL_TYPE


class TinyVlmConfig(PreTrainedConfig):
    """`text_config` is a LlamaConfig; `channels` are the widths of the encoder's four stages.

    A message starts after an `end_token_id` and ends with a `summary_token_id` and an `act_token_id`.
    `silent_token_ids` do not count in the mean of its words, and neither do the labels of the board's figures, from
    `label_token_ids`; a board may have more labels than the model was built with. The summary's logits get
    `selected_bias` for selected figures, and `returned_bias` for figures that were selected and then deselected.
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
        silent_token_ids: tuple[int, ...] | list[int] = (),
        label_token_ids: tuple[int, ...] | list[int] = (),
        image_size: int = 64,
        channels: tuple[int, ...] | list[int] = (32, 64, 96, 128),
        feature_scale: float = 1.0,
        match_temperature: float = 0.07,
        points_at_selected: bool = True,
        selected_bias: float = 0.0,
        returned_bias: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if isinstance(text_config, dict):
            text_config = LlamaConfig(**text_config)
        self.text_config = text_config or LlamaConfig()
        self.image_token_id = image_token_id
        self.summary_token_id = summary_token_id
        self.act_token_id = act_token_id
        self.end_token_id = end_token_id
        self.silent_token_ids = list(silent_token_ids)
        self.label_token_ids = list(label_token_ids)
        self.image_size = image_size
        self.channels = list(channels)
        self.feature_scale = feature_scale
        self.match_temperature = match_temperature
        self.points_at_selected = points_at_selected
        self.selected_bias = selected_bias
        self.returned_bias = returned_bias
        super().__init__(**kwargs)


class TinyVisionEncoder(nn.Module):
    """[n, 3, S, S] pictures, black on white in 0..1, to [n, D] standardised features."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__()
        width = config.text_config.hidden_size
        stages: list[nn.Module] = []
        before = 1
        for channels in config.channels:
            stages += [
                nn.Conv2d(before, channels, 3, stride=2, padding=1),
                nn.GroupNorm(8, channels),
                nn.GELU(),
            ]
            before = channels
        side = config.image_size // 2 ** len(config.channels)
        self.stages = nn.Sequential(*stages)
        self.project = nn.Linear(before * side * side, width)
        self.scale = config.feature_scale
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def raw(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features before standardisation, as trained by the contrastive alignment."""
        ink = 1.0 - pixels[:, :1]
        return self.project(self.stages(ink).flatten(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (self.raw(pixels) - self.mean) / self.deviation * self.scale


class Matcher(nn.Module):
    """Scores figures of a board by their features and the mean embedding of the words."""

    def __init__(self, width: int, temperature: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(1 / temperature))

    def likeness(self, said: torch.Tensor, figures: torch.Tensor) -> torch.Tensor:
        """[B, M, D] messages and [B, N, D] figures to [B, M, N] logits."""
        with torch.autocast(said.device.type, enabled=False):
            query = functional.normalize(self.query(said), dim=-1)
            key = functional.normalize(self.key(figures), dim=-1)
            return self.sharpness * query @ key.transpose(1, 2)


class TinyVlmPreTrainedModel(PreTrainedModel):
    """Base class for transformers' loading and saving."""

    config_class = TinyVlmConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_flash_attn = True
    _no_split_modules = ["LlamaDecoderLayer"]  # noqa: RUF012


class TinyVlmModel(TinyVlmPreTrainedModel):
    """Encoder and language part without the output layer."""

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__(config)
        self.vision_model = TinyVisionEncoder(config)
        self.matcher = Matcher(config.text_config.hidden_size, config.match_temperature)
        self.language_model = LlamaModel(config.text_config)
        self._kinds: torch.Tensor | None = None
        """[2, vocabulary] bool: whether a token is silent on every board, and whether it may be a figure's
        label."""
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.embed_tokens

    def _silent_and_labels(self, words: torch.Tensor) -> torch.Tensor:
        """[2, *words.shape] bool: whether a token is silent on every board, and whether it may be a figure's
        label."""
        if self._kinds is None or self._kinds.device != words.device:
            kinds = torch.zeros(2, self.config.text_config.vocab_size, dtype=torch.bool)
            kinds[0, self.config.silent_token_ids] = True
            kinds[1, self.config.label_token_ids] = True
            self._kinds = kinds.to(words.device)
        return self._kinds[:, words]

    def _read(self, words: torch.Tensor) -> torch.Tensor:
        """Embeddings for the language part, without the adapter's change.

        An adapter changes embeddings for the matcher, so that words fit figures. For the language part, words such
        as "remove" must keep the embedding that it was pretrained with.
        """
        embeddings = self.get_input_embeddings()
        return getattr(embeddings, "base_layer", embeddings)(words)

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.embed_tokens = value  # pyright: ignore[reportAttributeAccessIssue]

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """[n, 3, S, S] to one feature for each image: `pooler_output` is a list of [1, D]."""
        features = self.vision_model(pixel_values.to(self.dtype))
        return BaseModelOutputWithPooling(pooler_output=list(features[:, None]))  # type: ignore[arg-type]

    def merge_embeddings(self, input_ids: torch.Tensor, features: torch.Tensor | None) -> torch.Tensor:
        """Embeddings [B, L, D] of token ids [B, L], with features [images, D] (in order) at the image positions.

        Images of the board follow a label or a silent token; each has the embedding of its letter. Any other image
        has its feature plus the embedding of the last word before it. A summary token has its own embedding plus
        those of the letters of matched figures, weighted by their probability. The act token after it has the same
        over selected figures only, if the model uses it. A message is all tokens since the last end token that are
        not silent; the letters before its summary are the state, that is, the selection. So an embedding depends on
        the board, on its own message and on earlier states.
        """
        if features is None:
            return self._read(input_ids)
        images = input_ids == self.config.image_token_id
        index = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        words = input_ids.gather(1, index.masked_fill(images, 0).cummax(dim=1).values)
        named = self._read(words)
        shown = torch.zeros_like(named).index_put(images.nonzero(as_tuple=True), features.to(named.dtype))
        silent, labels = self._silent_and_labels(words)
        board, summaries = images & (silent | labels), input_ids == self.config.summary_token_id
        embeddings = torch.where(board[..., None], named, named + shown)
        if not board.any() or not summaries.any():
            return embeddings
        message = (input_ids == self.config.end_token_id).cumsum(dim=1)
        number = board.cumsum(dim=1)
        places = index.new_zeros(len(index), int(number.max()) + 1)
        places = places.scatter(1, number.masked_fill(~board, 0), index)
        figures, letters = _at(shown, places), _at(named, places)
        present = torch.arange(figures.shape[1], device=input_ids.device) <= number[:, -1:]
        present = present & (torch.arange(figures.shape[1], device=input_ids.device) > 0)
        names = words.gather(1, places)
        silent = silent | ((words[..., None] == names[:, None]) & present[:, None]).any(-1)
        said = _mean(self.get_input_embeddings()(words) + shown, message, ~silent)
        summed = summaries.cumsum(dim=1)
        before = summed == (summed * (input_ids == self.config.end_token_id)).cummax(dim=1).values
        state = before & ~images & ~images.roll(-1, dims=1)
        listed = ((input_ids[..., None] == names[:, None]) & state[..., None]).to(named.dtype)
        held = listed.new_zeros(*said.shape[:2], names.shape[1])
        held = held.scatter_add(1, message[..., None].expand_as(listed), listed) > 0
        returned = (held.cumsum(dim=1) > 0) & ~held
        likeness = self.matcher.likeness(said, figures)
        bias = self.config.selected_bias * held + self.config.returned_bias * returned
        every, taken = _shares(likeness + bias, present[:, None]), _shares(likeness, present[:, None] & held)
        acts = (input_ids == self.config.act_token_id) & self.config.points_at_selected
        for shares, pointing in ((every, summaries), (taken, acts)):
            row, place = pointing.nonzero(as_tuple=True)
            pointed = (shares @ letters)[row, message[row, place]].to(embeddings.dtype)
            embeddings = embeddings.index_put((row, place), pointed, accumulate=True)
        return embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("The model needs input_ids or inputs_embeds")
            image = (mm_encoder_outputs or {}).get("image")
            if image is None and pixel_values is not None:
                image = self.get_image_features(pixel_values)
            features = None
            if image is not None:
                features = torch.cat(list(image.pooler_output)).to(self.dtype)  # type: ignore[arg-type]
            inputs_embeds = self.merge_embeddings(input_ids, features)
        return self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **kwargs,
        )


class TinyVlmForConditionalGeneration(TinyVlmPreTrainedModel, GenerationMixin):
    """The whole model, with transformers' `generate` and its cache."""

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__(config)
        self.model = TinyVlmModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See `TinyVlmModel.get_image_features`."""
        return self.model.get_image_features(pixel_values, **kwargs)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        outputs = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        hidden = outputs.last_hidden_state
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        return CausalLMOutputWithPast(
            logits=self.lm_head(hidden[:, keep, :]),  # type: ignore[arg-type]
            past_key_values=outputs.past_key_values,
        )


def _at(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Gather [B, L, D] values at [B, N] positions: [B, N, D]."""
    return values.gather(1, places[..., None].expand(*places.shape, values.shape[-1]))


def _shares(likeness: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """Softmax of [B, M, N] logits over the figures that `among` [B, M, N] allows; 0 if it allows none."""
    return likeness.masked_fill(~among, -1e4).softmax(-1) * among


def _mean(values: torch.Tensor, group: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """[B, L, D] values to [B, groups, D]: the mean of the counted values in each group; 0 for an empty group."""
    groups = int(group.max()) + 1
    total = values.new_zeros(len(values), groups, values.shape[-1])
    total = total.scatter_add(1, group[..., None].expand_as(values), values * counted[..., None])
    number = values.new_zeros(len(values), groups).scatter_add(1, group, counted.to(values.dtype))
    return total / number.clamp(min=1.0)[..., None]


def start_by_likeness(
    model: TinyVlmForConditionalGeneration,
    generator: torch.Generator,
    likeness: float = 0.6,
    copying: float = 0.5,
    mlp_scale: float = 0.3,
) -> None:
    """Initialise the language part so that positions attend to similar positions and copy their values.

    In each layer the keys' projection equals the queries' and the output's is the values' transposed
    ("mimetic initialisation", Trockman and Kolter 2023, arXiv 2305.09828). The model then learns to match a
    description with a picture in minutes; with random initialisation it takes far longer.
    """
    width = model.config.text_config.hidden_size
    layers: Any = model.model.language_model.layers
    with torch.no_grad():
        for projection in (model.model.matcher.query, model.model.matcher.key):
            projection.weight.copy_(torch.eye(width))
        for layer in layers:
            attention, mlp = layer.self_attn, layer.mlp
            attention.q_proj.weight.normal_(0, likeness * width**-0.5, generator=generator)
            attention.v_proj.weight.normal_(0, width**-0.5, generator=generator)
            attention.k_proj.weight.copy_(attention.q_proj.weight)
            attention.o_proj.weight.copy_(attention.v_proj.weight.T * copying)
            for weight in (mlp.gate_proj.weight, mlp.up_proj.weight):
                weight.normal_(0, width**-0.5, generator=generator)
            mlp.down_proj.weight.normal_(0, mlp_scale * weight.shape[0] ** -0.5, generator=generator)


def register() -> None:
    """Register the model with transformers' Auto classes; may be called repeatedly."""
    AutoConfig.register(TinyVlmConfig.model_type, TinyVlmConfig, exist_ok=True)
    AutoModelForImageTextToText.register(TinyVlmConfig, TinyVlmForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(TinyVlmConfig, LlavaProcessor, exist_ok=True)
