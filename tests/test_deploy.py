"""The files in `deploy/` name folders, commands, settings and metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from bot.settings import BotSettings
from cli.main import app
from store.environment import PREFIX
from web.metrics import Metrics

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SETTINGS = {setting.variable for setting in BotSettings.all()}


def compose() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def test_the_image_has_every_package():
    copied = set(re.findall(r"^COPY (\w+) \1$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert copied == packages | {"alembic"}


def test_every_setting_exists():
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert set(re.findall(rf"{PREFIX}\w+", path.read_text())) <= SETTINGS, path


def test_mounted_files_exist():
    for service in compose().values():
        for mount in service.get("volumes", ()):
            if mount.startswith("."):
                assert (DEPLOY / mount.split(":")[0]).is_file(), mount


def test_the_ports_are_those_of_the_settings():
    default = BotSettings(_env_file=None).web.port  # pyright: ignore[reportCallIssue]
    bot, scraped = compose()["bot"], yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert f"127.0.0.1:{default}/healthz" in str(bot["healthcheck"])
    assert scraped["scrape_configs"][0]["static_configs"][0]["targets"] == [f"bot:{default}"]


def test_the_commands_of_the_containers_exist():
    asked = [service["command"] for service in compose().values() if "command" in service]
    assert asked == [["round", "worker"]]
    for command in asked:
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0


def test_the_board_shows_metrics_that_there_are():
    board = json.loads((DEPLOY / "grafana" / "respect.json").read_text())
    asked = {
        name for panel in board["panels"] for target in panel["targets"] for name in names_in(target["expr"])
    }
    metrics = Metrics()
    families = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    kinds = {family.name for family in metrics.registry.collect()}
    labelled = {f"{name}_total" for name in kinds}  # a counter with labels has no sample before it counts
    assert asked and asked <= families | labelled


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"respect_\w+", expression))
