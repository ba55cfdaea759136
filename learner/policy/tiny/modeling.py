"""The embedded vision-language model: a small convolutional encoder and a small Llama, as transformers knows them.

One image becomes one position of the prompt. What a person says is followed by a summary and an act token. A matcher
compares the mean of the words said with each figure on the board: the summary's embedding holds the letters of those
that are like it, that of the act token the letters of those selected that are. What is selected is less likely to be
spoken of than what is not, and what was selected and taken back less still. The language part sees the figures in no
other way: it knows what to do about letters in a dialogue, the matcher knows what figures are called, and each can be
learnt without the other.
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


class TinyVlmConfig(PreTrainedConfig):
    """`text_config` is a LlamaConfig; `channels` are the widths of the encoder's four stages.

    `end_token_id` ends what is summed up by a `summary_token_id` with an `act_token_id` after it;
    `silent_token_ids` do not count in the sum, and neither does a label of the board's figures, one of
    `label_token_ids`: a model may play on boards with more labels than it was built with.
    `selected_bias` and `returned_bias` are added to the logits of figures
    that are selected, and that were but no longer are, where a summary points.
    """

    model_type = "respect_tiny_vlm"
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
        """Features before they are standardised: what the contrastive alignment trains."""
        ink = 1.0 - pixels[:, :1]
        return self.project(self.stages(ink).flatten(1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (self.raw(pixels) - self.mean) / self.deviation * self.scale


class Matcher(nn.Module):
    """Which figures of a board are meant, from their features and the mean of the words said."""

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
    """Loading and saving, as transformers does it."""

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
        """[2, vocabulary] bool: which tokens are silent on any board, and which may be a figure's label."""
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.embed_tokens

    def _silent_and_labels(self, words: torch.Tensor) -> torch.Tensor:
        """[2, *words.shape] bool: which tokens are silent on any board, and which may be a figure's label."""
        if self._kinds is None or self._kinds.device != words.device:
            kinds = torch.zeros(2, self.config.text_config.vocab_size, dtype=torch.bool)
            kinds[0, self.config.silent_token_ids] = True
            kinds[1, self.config.label_token_ids] = True
            self._kinds = kinds.to(words.device)
        return self._kinds[:, words]

    def _read(self, words: torch.Tensor) -> torch.Tensor:
        """Embeddings as the language part reads them, which no adapter changes.

        What an adapter learns of words is what figures they are said of. That is for the matcher; to the language
        part "remove" would no longer be the word that it was pretrained on.
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

        The board's images are those that follow a label or a silent word: each is the embedding of its letter. An
        image elsewhere is its feature plus the embedding of the last word before it. A summary is its own embedding
        plus those of the letters of the figures that were meant, and the act token after it, if it points at all, the
        same had they to be among those selected. A message is all that is not silent since the last end token;
        the letters before its summary are the state, what is selected. So an embedding depends on the board, on its
        own message and on the states before.
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
    """The whole model, generating through `generate` with a cache."""

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
    """[B, L, D] values at [B, N] places: [B, N, D]."""
    return values.gather(1, places[..., None].expand(*places.shape, values.shape[-1]))


def _shares(likeness: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """[B, M, N] logits to shares, which add to 1 over the figures of a choice [B, M, N]; 0 where it has none."""
    return likeness.masked_fill(~among, -1e4).softmax(-1) * among


def _mean(values: torch.Tensor, group: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """[B, L, D] values to [B, groups, D]: the mean of those counted in each group; 0 where there is none."""
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
    """Initialise the language part so that positions attend to what is like them and copy what they attend to.

    In each layer the keys' projection equals the queries' and the output's is the values' transposed
    ("mimetic initialisation", Trockman and Kolter 2023, arXiv 2305.09828). Matching a description with a
    picture is then learnt in minutes; from the usual start it takes far longer.
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
    """Make transformers' Auto classes know the model; safe to call more than once."""
    AutoConfig.register(TinyVlmConfig.model_type, TinyVlmConfig, exist_ok=True)
    AutoModelForImageTextToText.register(TinyVlmConfig, TinyVlmForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(TinyVlmConfig, LlavaProcessor, exist_ok=True)
