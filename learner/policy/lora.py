"""LoRA adapters of a base model through peft: created, saved, checked and loaded by name, from safetensors only."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from learner.policy.backend import Backend, PolicyLoadError
from learner.protocol import BASE_ADAPTER
from learner.registry import CARD, CONFIG, WEIGHTS


class Adapters:
    """The adapters of one base model. `BASE_ADAPTER` is the model without an adapter."""

    def __init__(self, backend: Backend) -> None:
        self._model = backend.model
        self._fingerprint = backend.fingerprint
        self._targets = backend.lora
        self._peft: PeftModel | None = None
        self.active = BASE_ADAPTER
        """The adapter that is trained, and that `use` takes without a name."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded adapters, without the base."""
        return tuple(self._peft.peft_config) if self._peft is not None else ()

    @property
    def peft(self) -> PeftModel:
        """The wrapped model. Raises `PolicyLoadError` if there is no adapter yet."""
        if self._peft is None:
            raise PolicyLoadError("No adapter is loaded")
        return self._peft

    def new(
        self, name: str, rank: int, alpha: float, dropout: float, seed: int, like: str = BASE_ADAPTER
    ) -> None:
        """Add a new trainable adapter and activate it. It starts equal to the base model, or to the loaded adapter
        `like`.

        Raises `PolicyLoadError` if that has another rank.
        """
        self.require(like)
        weights = None if like == BASE_ADAPTER else self._state(like)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._add(name, self._config(rank, alpha, lora_dropout=dropout))
        if weights is not None:
            try:
                set_peft_model_state_dict(self.peft, weights, adapter_name=name)
            except RuntimeError as error:
                self.unload(name)
                raise PolicyLoadError(f"{name} cannot start from {like}: {error}") from error
        self.activate(name)

    def activate(self, name: str) -> None:
        """Make a loaded adapter the active and trainable one."""
        self.require(name)
        if name != BASE_ADAPTER:
            self.peft.set_adapter(name)
        self.active = name

    def require(self, name: str) -> None:
        """Raises `PolicyLoadError` unless `name` is loaded."""
        if name != BASE_ADAPTER and name not in self.names:
            raise PolicyLoadError(f"The adapter {name!r} is not loaded")

    def trainable(self) -> list[torch.nn.Parameter]:
        """The parameters of the active adapter."""
        return [parameter for parameter in self._model.parameters() if parameter.requires_grad]

    @contextmanager
    def use(self, name: str | None = None) -> Iterator[None]:
        """Context in which the model runs with one adapter, by default the active one."""
        name = self.active if name is None else name
        self.require(name)
        if self._peft is None or not self.names:
            yield
        elif name == BASE_ADAPTER:
            with self._peft.disable_adapter():
                yield
        elif self._peft.active_adapter == name:
            yield
        else:
            before = self._peft.active_adapter
            self._peft.set_adapter(name, inference_mode=True)
            try:
                yield
            finally:
                if before in self.names:
                    self._peft.set_adapter(before, inference_mode=before != self.active)  # type: ignore[arg-type]

    @contextmanager
    def rows(self, names: Sequence[str]) -> Iterator[None]:
        """Context in which each row of a batch has its own adapter; only in evaluation mode."""
        if len(set(names)) == 1:
            with self.use(names[0]):
                yield
            return
        for name in set(names):
            self.require(name)
        rows = ["__base__" if name == BASE_ADAPTER else name for name in names]
        with self.peft._enable_peft_forward_hooks(adapter_names=rows):
            yield

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter for inference. Raises `PolicyLoadError` and changes nothing if it is invalid."""
        if name in self.names or name == BASE_ADAPTER:
            raise PolicyLoadError(f"An adapter named {name!r} is already loaded")
        config = self._read_config(folder)
        weights = self._read_weights(folder)
        self._check_card(folder)
        try:
            self._add(name, config)
        except (ValueError, TypeError, KeyError) as error:
            if name in self.names:
                self.unload(name)
            raise PolicyLoadError(f"{folder.name} does not fit this base model: {error}") from error
        try:
            own = self._state(name)
            if own.keys() != weights.keys():
                odd = sorted(own.keys() ^ weights.keys())[:3]
                raise PolicyLoadError(f"{folder.name} holds other tensors than its configuration: {odd}")
            wrong = [key for key, value in own.items() if value.shape != weights[key].shape]
            if wrong:
                raise PolicyLoadError(f"{folder.name} has tensors of the wrong shape: {wrong[:3]}")
            set_peft_model_state_dict(self.peft, weights, adapter_name=name)
            for parameter_name, parameter in self._model.named_parameters():
                if f".{name}." in f"{parameter_name}.":
                    parameter.requires_grad_(False)
        except (PolicyLoadError, RuntimeError) as error:
            self.unload(name)
            raise error if isinstance(error, PolicyLoadError) else PolicyLoadError(str(error)) from error

    def unload(self, name: str) -> None:
        """Unload an adapter. Does nothing if it is not loaded."""
        if name not in self.names:
            return
        others = [other for other in self.names if other != name]
        if others and self.peft.active_adapter == name:  # peft must not point to an unloaded adapter
            self.peft.set_adapter(others[0], inference_mode=True)
        self.peft.delete_adapter(name)
        if self.active == name:
            self.active = BASE_ADAPTER

    def save(self, name: str, folder: Path) -> None:
        """Write an adapter in peft's format: configuration and safetensors."""
        self.require(name)
        folder.mkdir(parents=True, exist_ok=True)
        state = self._state(name)
        save_file({key: value.detach().cpu().contiguous() for key, value in state.items()}, folder / WEIGHTS)
        config = self.peft.peft_config[name]
        inference = config.inference_mode
        config.inference_mode = True
        config.save_pretrained(str(folder))
        config.inference_mode = inference

    def merge(self, name: str) -> Any:
        """The model with what an adapter changes in its own weights. Afterwards there is no adapter."""
        for other in self.names:
            if other != name:
                self.unload(other)
        self.activate(name)
        merged = self.peft.merge_and_unload()
        self._peft, self.active = None, BASE_ADAPTER
        return merged

    def _state(self, name: str) -> dict[str, torch.Tensor]:
        return get_peft_model_state_dict(self.peft, adapter_name=name, save_embedding_layers=False)

    def _add(self, name: str, config: LoraConfig) -> None:
        if name in self.names or name == BASE_ADAPTER:
            raise PolicyLoadError(f"An adapter named {name!r} is already loaded")
        if "." in name or not name:
            raise PolicyLoadError(f"{name!r} cannot name an adapter: leave out full stops")
        training = self._model.training
        with warnings.catch_warnings():  # peft reads an attribute that transformers has renamed
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing")
            if self._peft is None:
                self._peft = get_peft_model(self._model, config, adapter_name=name)  # type: ignore[assignment]
            else:
                alone = not self.names
                self._peft.add_adapter(name, config)
                if alone:  # peft still points to one that is gone
                    self._peft.set_adapter(name, inference_mode=True)
        self.train(training)

    def train(self, mode: bool) -> None:
        """Dropout on or off."""
        (self._model if self._peft is None else self._peft).train(mode)

    def _read_config(self, folder: Path) -> LoraConfig:
        try:
            given = json.loads((folder / CONFIG).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PolicyLoadError(f"{folder.name} has no readable {CONFIG}: {error}") from error
        if not isinstance(given, dict) or given.get("peft_type") != "LORA":
            raise PolicyLoadError(f"{folder.name} is not a LoRA adapter")
        unusual = [
            key
            for key in ("use_dora", "modules_to_save", "trainable_token_indices", "auto_mapping")
            if given.get(key)
        ]
        if (
            unusual
            or given.get("bias", "none") != "none"
            or given.get("target_modules") != self._targets.modules
        ):
            raise PolicyLoadError(
                f"{folder.name} changes other parts of the model than adapters of this policy do: {unusual}"
            )
        rank, alpha = given.get("r"), given.get("lora_alpha")
        if not isinstance(rank, int) or not 1 <= rank <= 1024 or not isinstance(alpha, int | float):
            raise PolicyLoadError(f"{folder.name} has an impossible rank or scale: {rank!r}, {alpha!r}")
        return self._config(rank, alpha, use_rslora=bool(given.get("use_rslora", False)), inference_mode=True)

    def _config(self, rank: int, alpha: float, **options: Any) -> LoraConfig:
        """One rank and scale for all modules; modules of the rank pattern have a higher rank at the same scale."""
        pattern = self._targets.rank_pattern
        return LoraConfig(
            r=rank,
            lora_alpha=alpha,  # pyright: ignore[reportArgumentType]
            rank_pattern={name: times * rank for name, times in pattern.items()},
            alpha_pattern={name: times * alpha for name, times in pattern.items()},  # pyright: ignore[reportArgumentType]
            target_modules=self._targets.modules,
            **options,
        )

    def _read_weights(self, folder: Path) -> dict[str, torch.Tensor]:
        try:
            weights = load_file(folder / WEIGHTS)
        except (OSError, SafetensorError, ValueError) as error:
            raise PolicyLoadError(f"{folder.name} has no readable {WEIGHTS}: {error}") from error
        broken = [key for key, value in weights.items() if not torch.isfinite(value).all()]
        if broken:
            raise PolicyLoadError(f"{folder.name} holds values that are not finite: {broken[:3]}")
        return weights

    def _check_card(self, folder: Path) -> None:
        path = folder / CARD
        if not path.exists():
            return
        try:
            base = json.loads(path.read_text("utf-8")).get("base_model")
        except (OSError, ValueError, AttributeError) as error:
            raise PolicyLoadError(f"{folder.name} has no readable {CARD}: {error}") from error
        if base is not None and base != self._fingerprint:
            raise PolicyLoadError(
                f"{folder.name} was trained on base model {base}, this is {self._fingerprint}"
            )
