"""The base of all settings classes.

A setting has a section and a name: `RESPECT_STORE__DATA_DIR` is `settings.store.data_dir`. They are read from the
environment and from `.env`; the environment has priority. Each section is one frozen dataclass. `.env.example` and
the options of the command line are generated from its help texts.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Any, Self, cast

import structlog
from pydantic import SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

log = structlog.get_logger(__name__)

PREFIX = "RESPECT_"
TEST_PREFIX = "RESPECT_TEST_"
"""Prefix of variables of the tests, which are not settings."""

RENAMED = {
    "RESPECT_DATA_DIR": "RESPECT_STORE__DATA_DIR",
    "RESPECT_DATABASE_URL": "RESPECT_STORE__DATABASE_URL",
    "RESPECT_DATABASE_TIMEOUT": "RESPECT_STORE__DATABASE_TIMEOUT",
    "RESPECT_POLICY": "RESPECT_POLICY__MODEL",
    "RESPECT_DEVICE": "RESPECT_POLICY__DEVICE",
    "RESPECT_THREADS": "RESPECT_POLICY__THREADS",
    "RESPECT_TEMPERATURE": "RESPECT_POLICY__TEMPERATURE",
    "RESPECT_POLICY_URL": "RESPECT_SERVICE__URL",
    "RESPECT_POLICY_SECRET": "RESPECT_SERVICE__SECRET",
    "RESPECT_POLICY_HOST": "RESPECT_SERVICE__HOST",
    "RESPECT_POLICY_PORT": "RESPECT_SERVICE__PORT",
    "RESPECT_DECODER": "RESPECT_FEEDBACK__DECODER",
    "RESPECT_SYSTEM": "RESPECT_ROUNDS__SYSTEM",
    "RESPECT_HINDSIGHT": "RESPECT_ROUNDS__HINDSIGHT",
    "RESPECT_START": "RESPECT_ROUNDS__START",
    "RESPECT_SEED_GAMES": "RESPECT_ROUNDS__SEED_GAMES",
    "RESPECT_TRUST": "RESPECT_ROUNDS__TRUST",
    "RESPECT_TRAINING_PROCESSES": "RESPECT_ROUNDS__PROCESSES",
    "RESPECT_DISCORD_TRAINING_PERMISSION": "RESPECT_ROUNDS__DISCORD_PERMISSION",
    "RESPECT_ROUND_SCHEDULE": "RESPECT_ROUNDS__SCHEDULE",
    "RESPECT_ROUND_EVERY_GAMES": "RESPECT_ROUNDS__EVERY_GAMES",
    "RESPECT_EPOCHS": "RESPECT_TRAINING__EPOCHS",
    "RESPECT_SEED": "RESPECT_TRAINING__SEED",
    "RESPECT_DISCORD_TOKEN": "RESPECT_DISCORD__TOKEN",
    "RESPECT_DISCORD_API": "RESPECT_DISCORD__API",
    "RESPECT_DISCORD_GATEWAY": "RESPECT_DISCORD__GATEWAY",
    "RESPECT_MESSAGE_CONTENT": "RESPECT_DISCORD__MESSAGE_CONTENT",
    "RESPECT_IMAGES": "RESPECT_PLAY__IMAGES",
    "RESPECT_PLAY_COOLDOWN": "RESPECT_PLAY__COOLDOWN",
    "RESPECT_WEB_HOST": "RESPECT_WEB__HOST",
    "RESPECT_WEB_PORT": "RESPECT_WEB__PORT",
    "RESPECT_LOG_JSON": "RESPECT_LOG__JSON",
}
"""Old name -> current name of settings that were renamed. The old names are still read."""

PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMP", "TEMP", "TZ", "LANG", "LC_", "TERM", "NO_COLOR"),
    *("SYSTEMROOT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "XDG_", "PYTHON", "VIRTUAL_ENV", "CONDA_"),
    *("LD_", "DYLD_", "CUDA", "NVIDIA", "NCCL_", "GLOO_", "ROC", "HIP_", "HSA_", "OMP_", "MKL_", "OPENBLAS_"),
    *("KMP_", "GOMP_", "TORCH", "PYTORCH", "TRITON_", "TOKENIZERS_", "TRANSFORMERS_", "HF_", "HUGGINGFACE_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "COVERAGE_"),
)
"""Beginnings of the names of environment variables that Python, torch, model hubs and the network need."""

_warned: set[str] = set()
"""Old names for which this process has logged a warning."""


@plain_dataclass(frozen=True)
class Setting:
    """One setting with its section and its name."""

    section: str
    name: str
    field: FieldInfo

    @property
    def variable(self) -> str:
        """Its name in the environment, e.g. "RESPECT_STORE__DATA_DIR"."""
        return variable(self.section, self.name)

    def of(self, settings: "Settings") -> Any:
        """Its value."""
        return getattr(getattr(settings, self.section), self.name)


def variable(section: str, name: str) -> str:
    """The name of a setting in the environment."""
    return f"{PREFIX}{section}__{name}".upper()


def fields_of(section: type) -> dict[str, FieldInfo]:
    """The fields of a section by name: help text (`description`), default and bounds."""
    return section.__pydantic_fields__


def help_of(section: type, name: str) -> str:
    """The help text of a setting."""
    return fields_of(section)[name].description or ""


class Settings(BaseSettings):
    """The base of every settings class: each field is a section, read from `RESPECT_SECTION__NAME` and `.env`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: Any) -> Any:
        """An empty value of a setting that is unset by default leaves it unset, whatever `.env` says."""
        for name, kind in cls.sections().items():
            if isinstance(section := given.get(name), dict):
                fields = fields_of(kind)
                given[name] = {
                    key: None if value == "" and key in fields and fields[key].default is None else value
                    for key, value in section.items()
                }
        return given

    @classmethod
    def sections(cls) -> dict[str, type]:
        """The sections by name."""
        return {name: cast(type, field.annotation) for name, field in cls.model_fields.items()}

    @classmethod
    def all(cls) -> list[Setting]:
        """Every setting, in the order of the classes."""
        return [
            Setting(section, name, field)
            for section, kind in cls.sections().items()
            for name, field in fields_of(kind).items()
        ]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Sources in order of priority: arguments, the environment, `.env`, and then the last two under old
        names."""
        assert isinstance(env_settings, EnvSettingsSource) and isinstance(
            dotenv_settings, DotEnvSettingsSource
        )
        given = {**dotenv_settings.env_vars, **env_settings.env_vars}
        known = {setting.variable.lower() for setting in cls.all()}
        for source in (
            env_settings,
            dotenv_settings,
        ):  # RESPECT_POLICY was a setting and is now the name of a section
            source.env_vars = {name: value for name, value in source.env_vars.items() if name in known}
        return init_settings, env_settings, dotenv_settings, _OldNames(settings_cls, given, known)

    def environment(self, kind: "type[Settings]") -> dict[str, str]:
        """Environment variables for a subprocess that shall read the same settings of `kind`.

        It inherits only what is `passed_on`: the bot's token, for example, reaches no process but the bot.
        """
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name.upper().startswith((*self.passed_on, TEST_PREFIX))
        }
        return inherited | {setting.variable: _passed_on(setting, self) for setting in kind.all()}

    @property
    def passed_on(self) -> tuple[str, ...]:
        """Beginnings of the names of environment variables that a subprocess inherits."""
        return PASSED_ON

    def changed(self, **sections: Mapping[str, Any]) -> Self:
        """A copy with other values, e.g. `changed(policy={"threads": 1})`. Raises ValidationError."""
        return self.model_copy(
            update={name: replace(getattr(self, name), **values) for name, values in sections.items()}
        )


class _OldNames(PydanticBaseSettingsSource):
    """Reads settings under their old names (`RENAMED`), with a warning for each."""

    def __init__(
        self, settings_cls: type[BaseSettings], given: Mapping[str, str | None], known: set[str]
    ) -> None:
        """`given`: variables of the environment and of `.env`, in lower case; `known`: settings of the class."""
        super().__init__(settings_cls)
        self._given = given
        self._known = known

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        found = {
            new.lower().split("__")[1]: self._given[old.lower()]
            for old, new in RENAMED.items()
            if new.lower() in self._known
            and new.lower().startswith(f"{PREFIX}{field_name}__".lower())
            and self._given.get(old.lower()) is not None
        }
        return found or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        for old, new in RENAMED.items():
            if old.lower() in self._given and new.lower() in self._known and old not in _warned:
                _warned.add(old)
                if new.lower() in self._given:
                    log.warning(f"{old} is ignored: it is now {new}, which is set too")
                else:
                    log.warning(f"{old} is now {new}: rename it, the old name will stop working")
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


def variables() -> dict[str, str]:
    """All `RESPECT_` variables of the environment and of `.env`, by upper-case name, without those of the tests."""
    read = DotEnvSettingsSource(Settings).env_vars
    given = {name.upper(): value or "" for name, value in {**read, **os.environ}.items()}
    return {
        name: value
        for name, value in given.items()
        if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX)
    }


def unknown_variables(settings: type[Settings], names: Iterable[str]) -> dict[str, str]:
    """The variables in `names` that are not settings, each with the most similar name of a setting."""
    known = [setting.variable for setting in settings.all()]
    return {
        name: RENAMED.get(_nearest(name, [*known, *RENAMED]), _nearest(name, known))
        for name in names
        if name not in known and name not in RENAMED
    }


def _nearest(name: str, known: list[str]) -> str:
    """The known name that is most similar to `name`, where repeated underscores do not count."""

    def likeness(other: str) -> float:
        first, second = (re.sub("_+", "_", each.removeprefix(PREFIX)) for each in (name, other))
        return difflib.SequenceMatcher(None, first, second).ratio()

    return max(known, key=likeness)


def of_settings(error: ValidationError) -> bool:
    """Whether an error is about settings that were read, and not about other data."""

    def below(kind: type[Settings]) -> Iterator[str]:
        yield kind.__name__
        for each in kind.__subclasses__():
            yield from below(each)

    return error.title in below(Settings)


def what_is_wrong(error: ValidationError) -> list[str]:
    """A sentence for each invalid setting, without its value, which may be a secret."""
    return [
        f"{_setting_at(item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_context=False)
    ]


def _setting_at(loc: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in loc]
    return variable(*parts[:2]) if len(parts) > 1 else f"{PREFIX}{parts[0]}".upper() if parts else "settings"


def _passed_on(setting: Setting, settings: "Settings") -> str:
    """A setting's value for a subprocess: empty if it is unset, so that `.env` does not set it."""
    value = setting.of(settings)
    return "" if value is None and setting.field.default is None else as_text(value)


def as_text(value: Any) -> str:
    """A value in the form of an environment variable."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
