"""Settings: help texts, `.env.example`, old names, options of commands, and other processes."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pydantic import ValidationError
from structlog.testing import capture_logs
from typer.main import get_command
from typer.testing import CliRunner

from bot.settings import BotSettings
from cli.main import app
from cli.options import with_options
from cli.settings import env_example
from learner.settings import LearnerSettings, TrainingConfig
from store import environment as module
from store.environment import RENAMED, fields_of, unknown_variables, variables, what_is_wrong
from store.settings import StoreSettings

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / ".env.example"
KNOWN = {setting.variable for setting in BotSettings.all()}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No variables of this machine, no `.env`, and no earlier warnings."""
    for name in variables():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_warned", set())


def write_env(**lines: str) -> None:
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def test_every_setting_has_a_help_text():
    assert not [setting.variable for setting in BotSettings.all() if not setting.field.description]


def test_the_example_is_what_is_generated():
    assert EXAMPLE.read_text() == env_example(), "run `respect settings > .env.example`"
    result = CliRunner().invoke(app, ["settings"])
    assert result.stdout == env_example()


def test_the_example_names_every_setting_and_uncommented_gives_the_defaults():
    text = re.sub(r"^#(RESPECT_\w+=)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    named = dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))
    assert set(named) == KNOWN
    Path(".env").write_text(text)
    example, defaults = BotSettings(), BotSettings(_env_file=None)  # pyright: ignore[reportCallIssue]
    for setting in BotSettings.all():
        if setting.field.default is not None:
            assert setting.of(example) == setting.of(defaults), setting.variable


def test_a_setting_is_read_from_the_environment_first_and_then_from_the_file(
    monkeypatch: pytest.MonkeyPatch,
):
    write_env(RESPECT_TRAINING__RANK="8", RESPECT_TRAINING__ALPHA="64", RESPECT_STORE__DATA_DIR="there")
    monkeypatch.setenv("RESPECT_TRAINING__RANK", "4")
    found = LearnerSettings()
    assert (found.training.rank, found.training.alpha) == (4, 64)
    assert found.store.url == "sqlite:///there/respect.db"
    assert found.training.epochs == TrainingConfig().epochs


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_read_with_one_warning(old: str, where: str, monkeypatch: pytest.MonkeyPatch):
    [setting] = [each for each in BotSettings.all() if each.variable == RENAMED[old]]
    value = {"bool": "true", "float": "3.0", "int": "3"}.get(
        getattr(setting.field.annotation, "__name__", ""), "none"
    )
    value = {"SYSTEM": "t-kto", "START": "base", "DECODER": "prompted"}.get(
        old.removeprefix("RESPECT_"), value
    )
    value = {
        "DISCORD_TRAINING_PERMISSION": "ticket 1234",
        "DATABASE_URL": "sqlite:///there.db",
        "DISCORD_API": "http://127.0.0.1:1/api",
        "DISCORD_GATEWAY": "ws://localhost:1",
    }.get(old.removeprefix("RESPECT_"), value)
    if old in ("RESPECT_DISCORD_API", "RESPECT_DISCORD_GATEWAY"):  # neither goes without the other
        monkeypatch.setenv("RESPECT_DISCORD__API", "http://127.0.0.1:1/api")
        monkeypatch.setenv("RESPECT_DISCORD__GATEWAY", "ws://127.0.0.1:1")
        monkeypatch.delenv(RENAMED[old])
    if where == "environment":
        monkeypatch.setenv(old, value)
    else:
        write_env(**{old: value})
    with capture_logs() as logs:
        found = module.as_text(setting.of(BotSettings()))
        BotSettings()
    assert found == value
    assert [RENAMED[old] in entry["event"] for entry in logs] == [True]


@pytest.mark.parametrize("new_in_the_file", [True, False])
def test_where_both_names_are_set_the_new_one_wins(new_in_the_file: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_POLICY", "old")
    if new_in_the_file:
        write_env(RESPECT_POLICY__MODEL="new")
    else:
        monkeypatch.setenv("RESPECT_POLICY__MODEL", "new")
    with capture_logs() as logs:
        assert LearnerSettings().policy.model == "new"
    [entry] = logs
    assert "RESPECT_POLICY is ignored" in entry["event"] and "RESPECT_POLICY__MODEL" in entry["event"]


def test_every_old_name_leads_to_a_setting():
    assert set(RENAMED.values()) <= KNOWN
    assert not RENAMED.keys() & KNOWN


def test_a_class_warns_of_its_own_settings_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_WEB_PORT", "80")
    with capture_logs() as logs:
        StoreSettings()
    assert not logs


def test_what_is_wrong_names_the_setting_and_not_its_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_TRAINING__SMOOTHING", "much")
    monkeypatch.setenv("RESPECT_THREADS", "-1")
    with pytest.raises(ValidationError) as caught:
        LearnerSettings()
    wrong = what_is_wrong(caught.value)
    assert [line.split(":")[0] for line in wrong] == [
        "RESPECT_POLICY__THREADS",
        "RESPECT_TRAINING__SMOOTHING",
    ]
    assert not any("much" in line for line in wrong)
    with pytest.raises(ValidationError):
        BotSettings(_env_file=None).changed(web={"port": -1})  # pyright: ignore[reportCallIssue]


NUMBERS = [each for each in BotSettings.all() if "float" in str(each.field.annotation).lower()]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_no_number_is_infinite_or_none_at_all(value: str, monkeypatch: pytest.MonkeyPatch):
    assert len(NUMBERS) > 10
    for setting in NUMBERS:
        monkeypatch.setenv(setting.variable, value)
    with pytest.raises(ValidationError) as caught:
        BotSettings()
    wrong = {line.split(":")[0] for line in what_is_wrong(caught.value)}
    assert wrong == {setting.variable for setting in NUMBERS}
    for setting in NUMBERS:
        monkeypatch.delenv(setting.variable)
    short = ["simulate", "--rounds", "0", "--games-per-round", "1"]
    result = CliRunner().invoke(app, [*short, "--learning-rate", value])
    assert result.exit_code and "--learning-rate" in result.stderr and not result.stdout
    for option in ("--temperature", "--smoothing"):
        result = CliRunner().invoke(app, [*short, option, value])
        assert result.exit_code and option in result.stderr and not result.stdout


def test_a_misspelt_name_is_found_with_the_one_it_is_like(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_TRAINING__LEARNINGRATE", "1")
    monkeypatch.setenv("RESPECT_TEST_OF_THIS", "1")
    monkeypatch.setenv("RESPECT_WEB__PORT", "0")
    write_env(RESPECT_POLICY_UR="http://127.0.0.1")
    assert unknown_variables(BotSettings, variables()) == {
        "RESPECT_TRAINING__LEARNINGRATE": "RESPECT_TRAINING__LEARNING_RATE",
        "RESPECT_POLICY_UR": "RESPECT_SERVICE__URL",
    }


def test_the_doctor_reports_misspelt_and_old_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_TRAINING__RNAK", "8")
    monkeypatch.setenv("RESPECT_SYSTEM", "b-rl")
    monkeypatch.setenv("RESPECT_POLICY__MODEL", "/nowhere")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert (
        "RESPECT_TRAINING__RNAK is no setting" in result.stdout and "RESPECT_TRAINING__RANK" in result.stdout
    )
    assert "Rename it to RESPECT_ROUNDS__SYSTEM" in result.stdout
    assert "understood" not in result.stdout


def test_a_process_of_its_own_reads_the_settings_as_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_SEED", "3")
    ours = BotSettings().changed(
        service={"secret": "between us"},
        policy={"model": "elsewhere"},
        rounds={"trust": False, "schedule": "0 4 * * *"},
        training={"rank": 4, "learning_rate": 1.5e-5, "smoothing": None, "reorder": False},
    )
    program = "import pickle, sys; from learner.settings import LearnerSettings; sys.stdout.buffer.write(pickle.dumps("
    program += "{each.variable: each.of(LearnerSettings()) for each in LearnerSettings.all()}))"
    environment = {**ours.environment(LearnerSettings), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    theirs = pickle.loads(ran.stdout)
    assert theirs == {each.variable: each.of(ours) for each in LearnerSettings.all()}
    assert theirs["RESPECT_TRAINING__RANK"] == 4 and theirs["RESPECT_TRAINING__SEED"] == 3


def test_a_process_of_its_own_gets_what_it_needs_and_nothing_else(monkeypatch: pytest.MonkeyPatch):
    """Neither the bot's token nor another secret of the machine, and nothing that `.env` says otherwise."""
    monkeypatch.setenv("RESPECT_DISCORD__TOKEN", "very-secret")
    monkeypatch.setenv("RESPECT_DISCORD_TOKEN", "very-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    write_env(RESPECT_STORE__DATABASE_URL="sqlite:///there.db", RESPECT_POLICY__THREADS="7")
    ours = BotSettings().changed(store={"database_url": None})
    environment = ours.environment(LearnerSettings)
    assert "very-secret" not in environment.values()
    with_url = ours.changed(store={"adapters_url": "s3://bucket/adapters"}).environment(LearnerSettings)
    assert [name for name, value in with_url.items() if value == "very-secret"] == ["AWS_SECRET_ACCESS_KEY"]
    assert environment["PATH"] and environment["CUDA_VISIBLE_DEVICES"] == "0"
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    theirs = LearnerSettings()
    assert (theirs.store.database_url, theirs.policy.threads) == (None, 7)
    assert ours.environment(BotSettings)["RESPECT_DISCORD__TOKEN"] == "very-secret"


@pytest.mark.parametrize(
    "flag", ["false", "No", "none", "0", "  ", "true", "-", "n/a", "OK", "pending", "'no'"]
)
def test_a_permission_is_a_reference_and_not_a_flag(flag: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_ROUNDS__DISCORD_PERMISSION", flag)
    with pytest.raises(ValidationError) as caught:
        LearnerSettings()
    [wrong] = what_is_wrong(caught.value)
    assert wrong.startswith("RESPECT_ROUNDS__DISCORD_PERMISSION: this is no reference")
    monkeypatch.setenv("RESPECT_ROUNDS__DISCORD_PERMISSION", "Ticket 1234567")
    assert LearnerSettings().rounds.discord_permission == "Ticket 1234567"
    monkeypatch.setenv("RESPECT_ROUNDS__DISCORD_PERMISSION", "")
    assert LearnerSettings().rounds.discord_permission is None


@pytest.mark.parametrize(
    "url",
    [
        "https://discord.example/api",
        "http://127.0.0.1@discord.example/api",
        "http://127.0.0.1.example/api",
        "http://10.0.0.1:8080/api",
        "file://localhost/api",
        "127.0.0.1:8080",
    ],
)
def test_only_this_machine_stands_in_for_discord(url: str, monkeypatch: pytest.MonkeyPatch):
    """Whoever reads the settings: the token goes to nobody else."""
    monkeypatch.setenv("RESPECT_DISCORD__API", url)
    monkeypatch.setenv("RESPECT_DISCORD__GATEWAY", "ws://127.0.0.1:8080")
    monkeypatch.setenv("RESPECT_DISCORD__TOKEN", "very-secret")
    with pytest.raises(ValidationError) as caught:
        BotSettings()
    assert what_is_wrong(caught.value)[0].startswith("RESPECT_DISCORD__API: only a service on this machine")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1 and "only a service on this machine" in result.stdout
    monkeypatch.delenv("RESPECT_DISCORD__API")
    with pytest.raises(ValidationError, match="or neither"):
        BotSettings()


def test_every_hyper_parameter_is_an_option_of_simulate():
    command = get_command(app).commands["simulate"]  # pyright: ignore[reportAttributeAccessIssue]
    options = {each.name: each for each in command.params}
    for name, field in fields_of(TrainingConfig).items():
        assert name in options
        if name != "seed":  # which is also the seed of boards and players
            assert options[name].help == field.description
            assert options[name].rich_help_panel == "Training"


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_DISCORD__TOKEN", "very-secret")
    monkeypatch.setenv("RESPECT_POLICY_SECRET", "very-secret")
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", "postgresql://me:very-secret@there/respect")
    with capture_logs() as logs:
        found = BotSettings()
    assert found.discord.token and found.discord.token.get_secret_value() == "very-secret"
    assert "very-secret" not in repr(found) + str(found) + repr(logs)


def test_an_error_does_not_quote_what_may_be_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", "me:very-secret@there/respect")
    with pytest.raises(ValidationError) as failed:
        BotSettings()
    assert "very-secret" not in str(failed.value)
    assert what_is_wrong(failed.value) == [
        "RESPECT_STORE__DATABASE_URL: this is no URL of a database: write one like sqlite:///data/respect.db or "
        "postgresql://user:password@host/respect"
    ]
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", "postgresql://me@there/respect?password=very-secret")
    with pytest.raises(ValidationError) as failed:
        BotSettings()
    assert what_is_wrong(failed.value)[0].startswith(
        "RESPECT_STORE__DATABASE_URL: write the password before the host"
    )
    monkeypatch.setenv("RESPECT_STORE__DATABASE_URL", "mysql://me:very-secret@there/respect")
    with pytest.raises(ValidationError, match="no URL of a database"):
        BotSettings()


def written() -> list[Path]:
    """All files that people read or run, except the table of old names and its tests."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    paths = [ROOT / line for line in listed.stdout.splitlines()] or [
        path for path in ROOT.rglob("*.*") if ".venv" not in path.parts
    ]
    kinds = {".py", ".md", ".toml", ".example", ".js", ".html", ""}
    left_out = {ROOT / "store" / "environment.py", ROOT / "tests" / "test_settings.py"}
    return [path for path in paths if path.suffix in kinds and path.is_file() and path not in left_out]


def test_every_setting_that_is_mentioned_exists():
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in written()
        for name in re.findall(r"\bRESPECT_\w*", path.read_text(errors="ignore"))
        if name not in KNOWN and not name.startswith("RESPECT_TEST_")
    }
    assert not wrong


def test_the_options_of_a_section_reach_the_command():
    given: dict[str, object] = {}
    program = typer.Typer()

    @program.command()
    @with_options(TrainingConfig, panel="Training", leave_out=["seed"])
    def run(seed: int = 5, *, section_values: dict[str, object]) -> None:
        given.update(section_values, seed=seed)

    result = CliRunner().invoke(program, ["--rank", "4", "--learning-rate", "1e-5", "--no-reorder"])
    assert result.exit_code == 0, result.output
    assert given == {"rank": 4, "learning_rate": 1e-5, "reorder": False, "seed": 5}
    assert CliRunner().invoke(program, ["--rank", "0"]).exit_code == 2
