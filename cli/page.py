"""`respect page`: the page for researchers and operators."""

import asyncio
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from cli.console import fail, out
from store.database import Database
from store.export import SECRET
from store.folder import private_folder

if TYPE_CHECKING:
    from aiohttp import web

LOCAL, PORT = "127.0.0.1", 9465


def page(
    host: Annotated[
        str, typer.Option(help="Address to serve at; it needs a token if other machines can reach it.")
    ] = LOCAL,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(
            help="Token that people log in with. Other users of this machine can see options: prefer --token-file. "
            "Without a token, one is made and printed."
        ),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File whose content is the token.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name that the page may be called by, such as that of a reverse proxy; repeat it for several."
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Take no judgements, start no exports.")
    ] = False,
    show_all: Annotated[
        bool,
        typer.Option(
            "--show-all",
            help="Show the words of all players on Discord. Without it, only of those who agreed to research sharing.",
        ),
    ] = False,
    secret: Annotated[
        Path | None,
        typer.Option(
            help=f"File with the secret of the pseudonyms, as in `respect export`; by default {SECRET} in the "
            "data folder."
        ),
    ] = None,
) -> None:
    """Serve a page to watch games, replay them, compare policies, and judge turns, beside the bot.

    docs/research.md explains it.
    """
    from bot.settings import BotSettings
    from learner.settings import is_loopback
    from store.export.pseudonyms import Pseudonyms, SecretError
    from store.migrations import refuse_newer, revisions
    from web.pages.access import LOCAL_HOSTS, Access, refuse_open_address
    from web.pages.app import make_pages
    from web.pages.discord import DiscordSignIn
    from web.pages.site import Site

    if token is not None and token_file is not None:
        fail("Give --token or --token-file, not both.")
    if token_file is not None:
        try:
            token = token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"The token file {token_file} could not be read: {error}.")
    configured = BotSettings()
    sign_in = DiscordSignIn.of(configured.page, configured.discord.api)
    if wrong := refuse_open_address(is_loopback(host) or sign_in is not None, token):
        fail(f"{wrong}.")
    names = [*(allow_host or ()), *([sign_in.host] if sign_in is not None else ())]
    hosts = LOCAL_HOSTS | {name.lower() for name in (host, *names)}
    if host in ("0.0.0.0", "::") and not names:
        fail("Say with --allow-host which name or address people will call the page by.")
    settings = configured.store
    secret = secret or settings.data_dir / SECRET
    database = Database.of(settings)
    where = database.url.render_as_string()
    if database.missing:
        fail(f"{where} is not there yet: run `respect db upgrade`, or set RESPECT_STORE__DATA_DIR.")
    try:
        refuse_newer(database)
        current, head = revisions(database)
        if current != head:
            fail(f"{where} is at revision {current}, the newest is {head}: run `respect db upgrade`.")
        private_folder(secret.parent)
        site = Site(database, Pseudonyms.from_file(secret), show_all)
        printed = token is None and sign_in is None
        access = Access(secrets.token_urlsafe(24) if printed else token, hosts, read_only)
        pages = make_pages(site, access, settings.data_dir / "exports", sign_in)
        asyncio.run(_serve(pages, host, port, access.token if printed else None))
    except SQLAlchemyError as error:
        fail(f"{where} could not be read: {error.__cause__ or error}")
    except SecretError as error:
        fail(str(error))
    except OSError as error:
        fail(f"The page cannot be served at {host}:{port} ({error.strerror or error}): try another --port.")
    finally:
        database.close()


async def _serve(app: "web.Application", host: str, port: int, token: str | None) -> None:
    """Serve until interrupted, and print the address and the token, if there is one to print."""
    from web.app import serving

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: stop.set())
    async with serving(app, host, port) as pages:
        out.print(escape(f"The page is at {pages.url}; Ctrl-C stops it."), highlight=False)
        if token is not None:
            out.print(escape(f"Log in with the token {token}"), highlight=False)
        await stop.wait()
