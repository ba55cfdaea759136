"""`respect doctor`: checks settings, folders, database, model, token and intents, and says how to fix each."""

import asyncio
import errno
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
import typer
from pydantic import ValidationError
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from bot.images import listed
from bot.rounds.cron import Cron
from bot.settings import BotSettings
from cli.console import out, print_json
from cli.study import ArmsNotChecked, unusable_arms
from games.figures import open_images
from learner.examples.hindsight import Hindsight
from learner.examples.seed import SeedError, read_seed_games
from learner.feedback.few_shot import LanguageModelError, language_model_file
from learner.protocol import PolicyError
from learner.registry import AdapterError, AdapterRegistry
from learner.settings import is_loopback
from research.study.file import StudyError, read_study
from store.database import Database
from store.encryption import EncryptionError, check_key
from store.environment import RENAMED, unknown_variables, variable, variables, what_is_wrong
from store.migrations import NewerDatabase, integrity, refuse_newer, revisions
from store.postgres import DriverMissing

DISCORD_API = "https://discord.com/api/v10"
MESSAGE_CONTENT_FLAGS = 1 << 18 | 1 << 19
"""Application flags GATEWAY_MESSAGE_CONTENT and GATEWAY_MESSAGE_CONTENT_LIMITED."""
FREE_BYTES = 500 * 2**20


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    status: Literal["ok", "warning", "failed"]
    found: str
    fix: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check everything that the bot needs and say how to fix what is missing. Exit code 1 if it cannot run."""
    checks = list(_examine())
    healthy = all(check.status != "failed" for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [asdict(check) for check in checks]})
    else:
        marks = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}
        for check in checks:
            out.print(f"{marks[check.status]} [bold]{check.name}[/]: {escape(check.found)}", highlight=False)
            if check.fix:
                out.print(f"    {escape(check.fix)}", highlight=False)
        out.print("\nReady." if healthy else "\nThe bot cannot run until what is marked ✗ is fixed.")
    raise typer.Exit(0 if healthy else 1)


def _examine() -> Iterator[Check]:
    names = list(_names())
    yield from names
    try:
        settings = BotSettings()
    except ValidationError as error:
        for wrong in what_is_wrong(error):
            yield Check("settings", "failed", wrong, "See .env.example for what it may be.")
        return
    if not names:
        yield Check("settings", "ok", "understood")
    yield _folder(settings.store.data_dir)
    yield _database(settings)
    if settings.store.adapters_url or settings.rounds.elsewhere:
        yield _adapters(settings)
    yield _images(settings)
    if settings.play.study is not None:
        yield _study(settings.play.study)
    yield _rounds(settings)
    yield _address("web page", settings.web.host, settings.web.port, "web")
    if settings.service.url is None:
        yield _service(settings)
    yield _policy(settings)
    yield from asyncio.run(_discord(settings))
    yield _permission(settings)


def _names() -> Iterator[Check]:
    """Checks for variables that are no setting, or an old name of one."""
    given = variables()
    for name, nearest in unknown_variables(BotSettings, given).items():
        yield Check("settings", "warning", f"{name} is no setting", f"Perhaps {nearest} is meant.")
    for name in sorted(given.keys() & RENAMED.keys()):
        yield Check("settings", "warning", f"{name} is an old name", f"Rename it to {RENAMED[name]}.")


def _folder(folder: Path) -> Check:
    """Whether the data folder can be written, without writing to it."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check(
            "data folder",
            "failed",
            f"{folder} cannot be written",
            "Make it writable for this user, or set RESPECT_STORE__DATA_DIR to a folder that is.",
        )
    free = shutil.disk_usage(there).free
    if free < FREE_BYTES:
        return Check(
            "data folder",
            "warning",
            f"{folder} has only {free / 2**20:.0f} MiB left",
            "Free some disk space.",
        )
    return Check("data folder", "ok", f"{folder} can be written, {free / 2**30:.0f} GiB free")


def _database(settings: BotSettings) -> Check:
    name = "database"
    try:
        database = Database.of(settings.store, read_only=True)
    except EncryptionError as error:
        return Check(name, "failed", f"The database cannot be used: {error}")
    except Exception as error:  # SQLAlchemy raises several types for a URL that it cannot open
        return Check(
            name, "failed", f"RESPECT_STORE__DATABASE_URL: {error}", "Give an SQLAlchemy URL or unset it."
        )
    shown = database.url.render_as_string()
    if database.is_blank and AdapterRegistry.of(settings).names():
        return Check(
            name,
            "warning",
            f"{shown} is missing or has 0 bytes, but {settings.adapters_dir} has adapters that were trained on games",
            "Restore the database from a backup; a bot that is started now begins a new community.",
        )
    if database.missing:
        return Check(name, "failed", f"{shown} is not there yet", "Run `respect db upgrade`.")
    try:
        broken = integrity(database)
        refuse_newer(database)
        current, head = revisions(database)
        if current == head:
            check_key(database.engine)
    except (NewerDatabase, EncryptionError) as error:
        return Check(name, "failed", f"{shown} cannot be used: {error}")
    except (SQLAlchemyError, ImportError) as error:
        fix = "" if isinstance(error, DriverMissing) else "Check the URL and that the server is up."
        return Check(name, "failed", f"{shown} cannot be opened: {error.__cause__ or error}", fix)
    finally:
        database.close()
    if broken:
        return Check(name, "failed", f"{shown} is damaged: {broken}", "Restore it from a backup.")
    if current != head:
        found = f"{shown} is at revision {current}, the newest is {head}"
        return Check(name, "failed", found, "Run `respect db upgrade`.")
    return Check(name, "ok", f"{shown} is sound, at revision {current}")


def _adapters(settings: BotSettings) -> Check:
    """Whether the adapters of rounds that run elsewhere reach this machine."""
    registry, name = AdapterRegistry.of(settings), "adapters"
    if not registry.has_url:
        return Check(
            name,
            "warning",
            "RESPECT_ROUNDS__ELSEWHERE is set, but the adapters are in the data folder only",
            "Set RESPECT_STORE__ADAPTERS_URL here and for the workers, unless they use this data folder.",
        )
    try:
        names = registry.names_at_url()
    except AdapterError as error:
        return Check(name, "failed", str(error), "Check the URL, its access and its package for fsspec.")
    found = f"{len(names)} at RESPECT_STORE__ADAPTERS_URL"
    try:
        registry.check_url()
    except AdapterError as error:
        fix = "Let this machine write there: rounds publish adapters, and erasures change their cards."
        return Check(name, "warning", f"{found}. {error}", fix)
    return Check(name, "ok", f"{found}, which can be written")


def _study(file: Path) -> Check:
    """Whether the study can be run, adapters included."""
    fix = f"Correct RESPECT_PLAY__STUDY or {file}; `respect study check {file}` says more."
    try:
        study = read_study(file).study
        wrong = [f"arm {arm!r}: {why}" for arm, why in unusable_arms(study).items()]
    except (StudyError, ArmsNotChecked) as error:
        return Check("study", "failed", str(error), fix)
    if wrong:
        return Check("study", "failed", "; ".join(wrong), fix)
    return Check(
        "study",
        "ok",
        f"{study.name}, arms: {', '.join(arm.name for arm in study.arms)}, assigned by {study.unit}",
    )


def _rounds(settings: BotSettings) -> Check:
    """Whether the bot and a round will accept the settings of rounds."""
    asked = settings.rounds
    try:
        Hindsight.parse(asked.hindsight)
    except ValueError as error:
        return Check("rounds", "failed", f"RESPECT_ROUNDS__HINDSIGHT: {error}", "Correct or unset it.")
    try:
        if asked.schedule:
            Cron(asked.schedule)
    except ValueError as error:
        found = f"RESPECT_ROUNDS__SCHEDULE {asked.schedule!r} is not a cron expression: {error}"
        return Check("rounds", "failed", found, "Example: '0 4 * * *' is every day at four.")
    try:
        if asked.seed_games not in (None, "none"):
            read_seed_games(Path(asked.seed_games).expanduser())
    except SeedError as error:
        return Check(
            "rounds", "failed", f"RESPECT_ROUNDS__SEED_GAMES: {error}", "Give a file, 'none' or nothing."
        )
    try:
        if settings.feedback.model is not None:
            language_model_file(settings.feedback.model)
    except LanguageModelError as error:
        return Check(
            "rounds", "failed", f"RESPECT_FEEDBACK__MODEL: {error}", "Install it, or unset the variable."
        )
    when = [f"on {asked.schedule!r}"] if asked.schedule else []
    when += [f"after {asked.every_games} games"] if asked.every_games else []
    managed = f"managed by {settings.managed_by}"
    return Check("rounds", "ok", f"start {' and '.join(when) or 'when somebody asks'}, {managed}")


def _address(name: str, host: str, port: int, section: str) -> Check:
    """Whether an address can be listened on."""
    shown, host_name, port_name = f"{host}:{port}", variable(section, "host"), variable(section, "port")
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            return Check(
                name,
                "warning",
                f"{shown} is taken",
                f"It should be if this bot is running; else set {port_name} to another port.",
            )
        why = error.strerror if isinstance(error, OSError) else "no host's name"
        return Check(
            name,
            "failed",
            f"{shown} cannot be listened on: {why}",
            f"Set {host_name} to an address of this machine, and {port_name} to a port that is free.",
        )
    return Check(name, "ok", f"{shown} can be listened on")


def _service(settings: BotSettings) -> Check:
    """The address of the policy service that the bot will start."""
    service = settings.service
    if service.secret is None and not is_loopback(service.host):
        return Check(
            "policy service",
            "failed",
            f"RESPECT_SERVICE__HOST is {service.host}, where other machines reach it, and there is no secret",
            "Set RESPECT_SERVICE__SECRET, or RESPECT_SERVICE__HOST to 127.0.0.1.",
        )
    return _address("policy service", service.host, service.port, "service")


def _images(settings: BotSettings) -> Check:
    try:
        found = [open_images(spec) for spec in listed(settings.play.images)]
    except (ValueError, OSError) as error:
        return Check(
            "image set",
            "failed",
            str(error),
            "Set RESPECT_PLAY__IMAGES to 'classic', 'classic:N' or 'kilogram:DIR', or to several with commas.",
        )
    return Check("image set", "ok", "; ".join(f"{each.spec} has {len(each.ids)} figures" for each in found))


def _policy(settings: BotSettings) -> Check:
    if settings.service.url:
        return asyncio.run(_remote_policy(settings))
    from learner.policy import Policy  # torch is loaded only when a model is

    try:
        policy = Policy.of(settings)
    except Exception as error:  # loading a model may raise any exception
        return Check(
            "policy",
            "failed",
            f"{settings.policy.model} cannot be loaded: {error}",
            "Set RESPECT_POLICY__MODEL to 'tiny', a model's folder or a model id; `respect tiny build` makes one.",
        )
    return Check("policy", "ok", f"{settings.policy.model} loads, fingerprint {policy.fingerprint[:12]}")


async def _remote_policy(settings: BotSettings) -> Check:
    from learner.serving.client import connect

    assert settings.service.url is not None
    fix = "Start the service there, and check RESPECT_SERVICE__URL and RESPECT_SERVICE__SECRET."
    try:
        async with connect(settings.service.url, settings) as client:
            status = await client.status()
    except PolicyError as error:
        return Check("policy", "failed", str(error), fix if error.retry else "")
    except Exception as error:  # any network error is a problem to report
        return Check("policy", "failed", f"{settings.service.url} does not answer: {error}", fix)
    return Check("policy", "ok", f"{settings.service.url} plays with {status.current} on {status.base_model}")


async def _discord(settings: BotSettings) -> list[Check]:
    token = settings.discord.token.get_secret_value() if settings.discord.token else ""
    portal = "https://discord.com/developers/applications"
    if not token:
        return [
            Check(
                "Discord token",
                "failed",
                "RESPECT_DISCORD__TOKEN is not set",
                f"Copy it from {portal} > your application > Bot, into .env. `respect demo` needs none.",
            )
        ]
    api = settings.discord.api or DISCORD_API
    headers = {"Authorization": f"Bot {token}", "User-Agent": "DiscordBot (respect, 0.1)"}
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            async with session.get(f"{api}/users/@me", headers=headers) as response:
                if response.status == 401:
                    fix = f"Reset it at {portal} > your application > Bot, and copy it whole into .env."
                    return [Check("Discord token", "failed", "Discord refuses the token", fix)]
                response.raise_for_status()
                user = await response.json(content_type=None)
            async with session.get(f"{api}/oauth2/applications/@me", headers=headers) as response:
                response.raise_for_status()
                application = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as error:
        found = f"{api} could not be asked: {error or 'no answer'}"
        return [Check("Discord token", "failed", found, "Check this machine's network.")]
    checks = [Check("Discord token", "ok", f"logs in as {user.get('username', '?')}")]
    if not settings.discord.message_content:
        checks.append(Check("message-content intent", "ok", "not asked for: people use the Describe button"))
    elif application.get("flags", 0) & MESSAGE_CONTENT_FLAGS:
        checks.append(Check("message-content intent", "ok", "granted"))
    else:
        fix = f"Switch it on at {portal} > your application > Bot, or set RESPECT_DISCORD__MESSAGE_CONTENT=false."
        checks.append(Check("message-content intent", "failed", "asked for, but not granted", fix))
    return checks


def _permission(settings: BotSettings) -> Check:
    if settings.rounds.discord_permission:
        found = f"recorded as {settings.rounds.discord_permission}; players opt in with /privacy"
        return Check("training on Discord dialogues", "ok", found)
    return Check(
        "training on Discord dialogues",
        "ok",
        "off: Discord's express permission (Developer Policy, rule 21) is not recorded",
    )
