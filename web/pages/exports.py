"""Exports for research, started from the page: one at a time, in another thread, each kept as a ZIP file."""

import asyncio
import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from aiohttp import web

from store.export import Format
from store.folder import FolderError, private_folder
from store.models import now
from web.pages.access import ACCESS
from web.pages.site import SITE, Site

log = structlog.get_logger(__name__)

_NAME = re.compile(r"games-\d{8}T\d{6}Z-(parquet|jsonl|csv)\.zip", re.ASCII)


@dataclass(frozen=True)
class Kept:
    """An export that can be downloaded."""

    name: str
    bytes: int
    made_at: datetime


@dataclass
class Job:
    """The export that runs, or the last one that did."""

    kind: Format
    done: int = 0
    """Games written."""
    total: int | None = None
    """Games to be written; None at first."""
    wrong: str | None = None
    """Why it failed."""


class Stopped(RuntimeError):
    """The page is stopping."""


class Exports:
    """The exports in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: Job | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop = threading.Event()

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def kept(self) -> list[Kept]:
        """The exports that are there, the newest first."""
        files = [path for path in self.folder.glob("*.zip") if _NAME.fullmatch(path.name)]
        found = [
            Kept(path.name, path.stat().st_size, datetime.fromtimestamp(path.stat().st_mtime, UTC))
            for path in files
        ]
        return sorted(found, key=lambda one: one.name, reverse=True)

    def file(self, name: str) -> Path | None:
        """The file of an export by its name; None if there is none."""
        path = self.folder / name
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def start(self, site: Site, kind: Format) -> bool:
        """Begin an export. False if one is running."""
        if self.running:
            return False
        self.job = Job(kind)
        self._task = asyncio.create_task(asyncio.to_thread(self._run, site, self.job))
        return True

    async def stop(self) -> None:
        """End a running export, which then leaves no files."""
        self._stop.set()
        if self._task is not None:
            await self._task

    def _run(self, site: Site, job: Job) -> None:
        from store.export.export import (  # pyarrow is loaded only if it is used
            ExportError,
            export,
            require_games,
        )

        def progress(done: int, total: int) -> None:
            if self._stop.is_set():
                raise Stopped
            job.done, job.total = done, total

        name = f"games-{now():%Y%m%dT%H%M%SZ}-{job.kind}"
        try:
            require_games(site.database)
            private_folder(self.folder)
            with tempfile.TemporaryDirectory(prefix=".export-", dir=self.folder) as work:
                export(site.database, Path(work, name), site.pseudonyms, job.kind, on_progress=progress)
                packed = shutil.make_archive(str(Path(work, "packed")), "zip", work, name)
                Path(packed).replace(self.folder / f"{name}.zip")
        except (ExportError, FolderError) as error:
            job.wrong = str(error)
        except Stopped:
            job.wrong = "the page was stopped"
        except Exception:  # whatever it is, the page goes on and says that there is no export
            log.exception("an export failed")
            job.wrong = "it could not be read or written; the log of `respect page` says why"


EXPORTS = web.AppKey("exports", Exports)


async def show(request: web.Request) -> web.Response:
    """`/exports`."""
    exports = request.app[EXPORTS]
    kept = await asyncio.to_thread(exports.kept)
    return request.app[SITE].render(
        request,
        "exports.html",
        kept=kept,
        job=exports.job,
        running=exports.running,
        formats=list(Format),
        may_start=not request.app[ACCESS].read_only,
    )


async def start(request: web.Request) -> web.Response:
    """`POST /exports`."""
    try:
        kind = Format(str((await request.post()).get("format", "")))
    except ValueError:
        raise web.HTTPBadRequest(text=f"The format must be one of {', '.join(Format)}.") from None
    if not request.app[EXPORTS].start(request.app[SITE], kind):
        raise web.HTTPConflict(text="An export is running: wait until it ends.")
    raise web.HTTPSeeOther("/exports")


async def download(request: web.Request) -> web.FileResponse:
    """`/exports/NAME`."""
    path = request.app[EXPORTS].file(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound
    disposition = f'attachment; filename="{path.name}"'
    return web.FileResponse(path, headers={"Content-Disposition": disposition})


async def stop(app: web.Application) -> None:
    """End what runs when the page is stopped. A signal of aiohttp."""
    await app[EXPORTS].stop()
