"""The embedded vision-language model: a small encoder and a small Llama, as a transformers model.

One image is one position of the prompt. In an utterance, descriptions of figures stand between two tokens, `opens` and
`closes`, and each utterance is followed by a summary token and an act token. A matcher compares the mean of a
description's words with the features of each figure on the board. The letters of the matching figures are added to the
embedding of its closing token, and those of the matching selected figures to that of its opening token, weighted by the
probability that it is of a selected one. The summary and the act token have the letters for all descriptions of the
utterance together, without that weight. An utterance that rejects the last pick is about the same figures as the one
before, so what matched then counts too, except in one of several descriptions that is of the last pick itself. Selected
figures, and those that were selected and deselected, have a lower prior than others. An utterance that rejects asks to
deselect what the turn before selected, more probably than an earlier pick.

The language part sees neither figures nor the words of descriptions: it learns what to do with letters in a dialogue.
The matcher learns which words fit which figures. Each can be trained without the other.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationMixin,
    LlamaModel,
    LlavaProcessor,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)

from learner.policy.tiny.configuration import TinyVlmConfig
from learner.policy.tiny.modules import Matcher, Tagger, TinyVisionEncoder


class TinyVlmPreTrainedModel(PreTrainedModel):
    """Base class for transformers' loading and saving."""

    config_class = TinyVlmConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_flash_attn = True
    _no_split_modules = ["LlamaDecoderLayer"]  # noqa: RUF012


@dataclass(frozen=True)
class Layout:
    """Where the parts of prompts [B, L] are. In each prompt, messages are counted from 0, descriptions from 1."""

    unmarked: torch.Tensor
    """[B, L] bool: words of messages without a description."""
    inside: torch.Tensor
    """[B, L] bool: tokens between those that open and close a description."""
    message: torch.Tensor
    """[B, L] number of the message."""
    description: torch.Tensor
    """[B, L] number of the last description that was opened."""
    letters: torch.Tensor
    """[B, N] token ids of the board's labels; [B, 0] is of no figure."""
    figures: torch.Tensor
    """[B, N] numbers of the board's images among the images of all prompts."""
    present: torch.Tensor
    """[B, N] bool: which of them there are."""
    held: torch.Tensor
    """[B, messages, N] bool: selected before a message."""
    of: torch.Tensor
    """[B, descriptions + 1] the message of each description."""
    descriptions: torch.Tensor
    """[B, messages] number of descriptions."""
    describes: torch.Tensor
    """[B, messages] bool: describes figures."""
    rejects: torch.Tensor
    """[B, messages] bool: rejects the last pick."""
    follows: torch.Tensor
    """[B, messages, messages] bool: whether a message is about the same figures as an earlier one, because it and all
    between them reject."""


class TinyVlmModel(TinyVlmPreTrainedModel):
    """Encoder and language part without the output layer."""

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__(config)
        self.vision_model = TinyVisionEncoder(config)
        self.matcher = Matcher(config)
        self.tagger = Tagger(config)
        self.language_model = LlamaModel(config.text_config)
        self._kinds: torch.Tensor | None = None
        """[2, vocabulary] bool: whether a token is silent on every board, and whether it may be a figure's
        label."""
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.language_model.embed_tokens  # pyright: ignore[reportReturnType]

    def _silent_and_labels(self, words: torch.Tensor) -> torch.Tensor:
        """[2, *words.shape] bool: whether a token is silent on every board, and whether it may be a figure's
        label."""
        if self._kinds is None or self._kinds.device != words.device:
            kinds = torch.zeros(2, self.config.text_config.vocab_size, dtype=torch.bool)
            kinds[0, self.config.silent_token_ids] = True
            kinds[1, self.config.label_token_ids] = True
            self._kinds = kinds.to(words.device)
        return self._kinds[:, words]

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.embed_tokens = value  # pyright: ignore[reportAttributeAccessIssue]

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """[n, 3, S, S] to the features of each image: `pooler_output` is a list of [1, feature_size]."""
        features = self.vision_model(pixel_values.to(self.dtype))
        return BaseModelOutputWithPooling(pooler_output=list(features[:, None]))  # type: ignore[arg-type]

    def layout(self, input_ids: torch.Tensor) -> Layout | None:
        """Where the parts of prompts [B, L] are; None without a board or without a message.

        Images of the board follow a label or a silent token. The letters before a message's summary and outside of
        its words are the state, that is, the selection.
        """
        config = self.config
        images = input_ids == config.image_token_id
        summaries = input_ids == config.summary_token_id
        words = _named(input_ids, images)
        silent, labels = self._silent_and_labels(words)
        board = images & (silent | labels)
        if not board.any() or not summaries.any():
            return None
        letters, figures, present = _figures(words, images, board)
        silent = silent | ((words[..., None] == letters[:, None]) & present[:, None]).any(-1)
        ends = input_ids == config.end_token_id
        message = ends.cumsum(dim=1)
        messages = int(message.max()) + 1
        opens, closes = input_ids == config.opens_token_id, input_ids == config.closes_token_id
        description = opens.cumsum(dim=1)
        inside = (description > closes.cumsum(dim=1)) & ~opens
        described = _any(inside, message, messages)
        whole = ~described.gather(1, message) & ~silent & ~images & ~opens & ~closes
        summed = summaries.cumsum(dim=1)
        before = summed == (summed * ends).cummax(dim=1).values
        state = before & ~images & ~images.roll(-1, dims=1) & ~inside
        held = _listed(input_ids, state, letters, message, messages)
        of = message.new_zeros(len(message), int(description.max()) + 1)
        of = of.scatter(1, description.masked_fill(~opens, 0), message)
        again = _any(input_ids == config.again_token_id, message, messages)
        descriptions = message.new_zeros(len(message), messages).scatter_add(1, message, opens.long())
        describes = described | _any(whole, message, messages) & ~again
        return Layout(
            unmarked=whole,
            inside=inside,
            message=message,
            description=description,
            letters=letters,
            figures=figures,
            present=present,
            held=held,
            of=of,
            descriptions=descriptions,
            describes=describes,
            rejects=again,
            follows=_follows(again, describes),
        )

    def likeness(self, input_ids: torch.Tensor, features: torch.Tensor, layout: Layout) -> torch.Tensor:
        """[B, messages + descriptions + 1, N] logits of each message, and of each description (the first is none), for
        each figure of the board. Those of a message with descriptions are their mean. `features` [images, feature_size]
        are those of all images, in order."""
        vectors = self.matcher.words(input_ids)
        messages, descriptions = layout.held.shape[1], layout.of.shape[1]
        said = torch.cat(
            [
                _mean(vectors, layout.message, layout.unmarked, messages),
                _mean(vectors, layout.description, layout.inside, descriptions),
            ],
            dim=1,
        )
        whole, each = self.matcher.likeness(said, features[layout.figures]).split(
            [messages, descriptions], dim=1
        )
        number = torch.arange(descriptions, device=input_ids.device)
        there = (number > 0) & (number <= layout.description[:, -1:])
        mean = _mean(each, layout.of, there, messages)
        return torch.cat([torch.where(layout.descriptions[..., None] > 0, mean, whole), each], dim=1)

    def merge_embeddings(self, input_ids: torch.Tensor, features: torch.Tensor | None) -> torch.Tensor:
        """Embeddings [B, L, D] of token ids [B, L], with features [images, feature_size] of all images, in order.

        An embedding depends on the board, on its own message and on earlier states. Images themselves are not seen by
        the language part: theirs is that of the last word before them, a figure's label.
        """
        if features is None:
            return self.get_input_embeddings()(input_ids)
        layout = self.layout(input_ids)
        if layout is None:
            return self.get_input_embeddings()(_named(input_ids, input_ids == self.config.image_token_id))
        return self.pointed(input_ids, self.likeness(input_ids, features, layout), layout)

    def pointed(self, input_ids: torch.Tensor, likeness: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Embeddings [B, L, D] of token ids [B, L] with the letters of matched figures, see `likeness`."""
        config = self.config
        embed = self.get_input_embeddings()
        named = _named(input_ids, input_ids == config.image_token_id)
        read = torch.where(layout.inside, config.word_token_id, named)
        embeddings, letters = embed(read), embed(layout.letters)
        messages = layout.held.shape[1]
        of, present = layout.of, layout.present[:, None]

        def with_descriptions(values: torch.Tensor) -> torch.Tensor:
            """[B, messages, C] to [B, messages + descriptions + 1, C]: each description has its message's."""
            return torch.cat([values, _at(values, of)], dim=1)

        whole, described = likeness[:, :messages] * layout.describes[..., None], likeness[:, messages:]
        follows = layout.follows.to(likeness.dtype)
        carried, times = follows @ whole, follows.sum(-1, keepdim=True)
        held = with_descriptions(layout.held)
        newest = layout.held & ~functional.pad(layout.held[:, :-1], (0, 0, 1, 0)) & layout.rejects[..., None]
        newest = with_descriptions(newest)
        returned = with_descriptions((layout.held.cumsum(dim=1) > 0) & ~layout.held)
        own = described.masked_fill(~present, -1e4).softmax(-1)
        # of several descriptions, one of the last pick itself ("not the boat") is none of what was meant
        several = _at(layout.descriptions[..., None] > 1, of)
        of_newest = several * (own * newest[:, messages:]).sum(-1, keepdim=True)
        carries = torch.cat([torch.ones_like(times), 1 - of_newest], dim=1)
        logits = torch.cat([whole, described], dim=1) + carries * with_descriptions(carried)
        bias = config.selected_bias * held + config.returned_bias * returned
        bias = bias * (1 + carries * with_descriptions(times))  # as often as the figures were described
        every = _shares(logits + bias, present) @ letters
        of_held = torch.cat([torch.ones_like(times), (own * held[:, messages:]).sum(-1, keepdim=True)], dim=1)
        taken = of_held * _shares(likeness + config.newest_bias * newest, present & held) @ letters
        for shares, token, number in (
            (every, config.summary_token_id, layout.message),
            (taken, config.act_token_id, layout.message),
            (every, config.closes_token_id, layout.description + messages),
            (taken, config.opens_token_id, layout.description + messages),
        ):
            row, place = (input_ids == token).nonzero(as_tuple=True)
            pointed = shares[row, number[row, place]].to(embeddings.dtype)
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

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: TinyVlmConfig) -> None:
        super().__init__(config)
        self.model = TinyVlmModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
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


def _named(ids: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """[B, L] token ids with each image replaced by the last word before it."""
    index = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    return ids.gather(1, index.masked_fill(images, 0).cummax(dim=1).values)


def _at(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Gather [B, L, D] values at [B, N] positions: [B, N, D]."""
    return values.gather(1, places[..., None].expand(*places.shape, values.shape[-1]))


def _figures(
    words: torch.Tensor, images: torch.Tensor, board: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`letters`, `figures` and `present` of a `Layout`, from `words` with images replaced by the word before them, and
    from the places of all images and of those of the board; all [B, L]."""
    index = torch.arange(words.shape[1], device=words.device).expand_as(words)
    number = board.cumsum(dim=1)
    places = index.new_zeros(len(index), int(number.max()) + 1)
    places = places.scatter(1, number.masked_fill(~board, 0), index)
    count = torch.arange(places.shape[1], device=words.device)
    present = (count <= number[:, -1:]) & (count > 0)
    figures = (images.flatten().cumsum(0).view_as(index) - 1).clamp(min=0).gather(1, places)
    return words.gather(1, places), figures, present


def _listed(
    ids: torch.Tensor, state: torch.Tensor, letters: torch.Tensor, message: torch.Tensor, messages: int
) -> torch.Tensor:
    """[B, messages, N] bool: whether a letter is among the tokens of a message that `state` [B, L] marks."""
    listed = (ids[..., None] == letters[:, None]) & state[..., None]
    held = torch.zeros(len(ids), messages, letters.shape[1], device=ids.device)
    return held.scatter_add(1, message[..., None].expand_as(listed), listed.to(held.dtype)) > 0


def _follows(again: torch.Tensor, describes: torch.Tensor) -> torch.Tensor:
    """`follows` of a `Layout`, from the messages that reject and those that describe [B, messages]."""
    run = (~again).cumsum(1)  # a message that does not reject, and those after it that do
    return ((run[:, :, None] == run[:, None]) & describes[:, None]).tril(-1)


def _any(flags: torch.Tensor, group: torch.Tensor, groups: int) -> torch.Tensor:
    """[B, L] bool to [B, groups]: whether a flag is set in each group."""
    return group.new_zeros(len(group), groups).scatter_add(1, group, flags.long()) > 0


def _shares(likeness: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """Softmax of [B, M, N] logits over the figures that `among` [B, M, N] allows; 0 if it allows none."""
    return likeness.masked_fill(~among, -1e4).softmax(-1) * among


def _mean(values: torch.Tensor, group: torch.Tensor, counted: torch.Tensor, groups: int) -> torch.Tensor:
    """[B, L, D] values to [B, groups, D]: the mean of the counted values in each group; 0 for an empty group."""
    total = values.new_zeros(len(values), groups, values.shape[-1])
    total = total.scatter_add(
        1, group[..., None].expand_as(values), values.masked_fill(~counted[..., None], 0)
    )
    number = values.new_zeros(len(values), groups).scatter_add(1, group, counted.to(values.dtype))
    return total / number.clamp(min=1.0)[..., None]


def register() -> None:
    """Register the model with transformers' Auto classes; may be called repeatedly."""
    AutoConfig.register(TinyVlmConfig.model_type, TinyVlmConfig, exist_ok=True)
    AutoModelForImageTextToText.register(TinyVlmConfig, TinyVlmForConditionalGeneration, exist_ok=True)
    AutoProcessor.register(TinyVlmConfig, LlavaProcessor, exist_ok=True)
