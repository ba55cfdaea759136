"""Every setting is explained where people look for it."""

import re
from pathlib import Path

import pytest

from bot.settings import BotSettings

EXAMPLE = Path(__file__).parent.parent / ".env.example"


def example_settings() -> dict[str, str]:
    lines = re.findall(r"^#?(RESPECT_[A-Z_]+)=(.*)$", EXAMPLE.read_text(), flags=re.MULTILINE)
    return dict(lines)


def test_the_example_names_every_setting_and_no_other():
    assert set(example_settings()) == {f"RESPECT_{name.upper()}" for name in BotSettings.model_fields}


def test_every_setting_has_a_description():
    assert not [name for name, field in BotSettings.model_fields.items() if not field.description]


def test_the_example_as_it_stands_gives_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in example_settings():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    defaults = BotSettings(_env_file=None)  # pyright: ignore[reportCallIssue]
    example = BotSettings(_env_file=EXAMPLE)  # pyright: ignore[reportCallIssue]
    assert example.model_dump(exclude={"discord_token"}) == defaults.model_dump(exclude={"discord_token"})


def test_secrets_do_not_show_in_logs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_DISCORD_TOKEN", "very-secret")
    assert "very-secret" not in repr(BotSettings())  # pyright: ignore[reportCallIssue]
