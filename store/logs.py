"""Logging of every process in one format, without what people said, their names, or tokens.

Coloured text for people or JSON lines for machines, on standard error. What is removed:

- values under names that hold people's words, names or secrets (`PRIVATE`), at any depth;
- tokens and passwords by their shape, wherever they stand (`without_secrets`);
- of unexpected errors local variables, and the message where that kind of error quotes a value (`message_of`).
"""

import contextlib
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from store.repeats import Repeats

PRIVATE = frozenset(
    {
        *("content", "message_text", "said", "text", "utterance", "utterances", "words"),
        *("display_name", "name", "names", "user"),
        *("authorization", "headers", "password", "secret", "token"),
    }
)
"""Names of values that are never logged."""
REMOVED = "[removed]"
QUOTE_VALUES = (LookupError, ValueError, AssertionError)
"""Errors whose message quotes the value that they are about, e.g. KeyError and pydantic's ValidationError."""

_SECRETS = [
    (re.compile(pattern, re.IGNORECASE), rf"\1{REMOVED}")
    for pattern in (
        r"""(authorization\W{1,6}(?:(?:bot|bearer|local|basic)\s+['"]?)?)[^\s'"<>,;}\]]+""",
        r"""(\b(?:bot|bearer)\s+)(?=[^\s]*[0-9._])[\w.~+/=-]{16,}""",
        r"""()\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}""",  # a bot's token
        r"""()\blocal\.[0-9a-f]{32}\b""",  # that of a bot on the local service
        r"""(/(?:webhooks|interactions)/\d+/)[\w-]{20,}""",
        r"""(\b(?:token|secret|password)['"]?\s*[=:]\s*['"]?)[^\s'"&,;)}\]]{6,}""",
        r"""(://[^\s:/@]*:)[^\s/@]+(?=@)""",
    )
]
_ASYNCIO = re.compile(r"(exception=\w+)\(.*\)", re.DOTALL)


def configure_logging(json: bool = False, level: int = logging.INFO) -> None:
    """Send all log messages, also those of libraries, to standard error in one format. Programs call it first."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _show_error]
    if json:
        last.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    else:
        last.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    handler = _StandardError()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("discord", "apscheduler", "aiosqlite", "alembic"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = lambda args: _crashed(
        args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: the same event without people's words, names and secrets."""
    kept = {name: event[name] for name in ("_record", "_from_structlog", "exc_info") if name in event}
    shown = _without_private({name: value for name, value in event.items() if name not in kept})
    if shown.get("logger") == "asyncio":  # shows the errors of tasks, with what they quote
        shown["event"] = _ASYNCIO.sub(rf"\1({REMOVED})", str(shown["event"]))
    return {**shown, **kept}


def without_secrets(text: str) -> str:
    """A text without tokens, passwords and `Authorization` headers."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def message_of(error: BaseException) -> str:
    """What an unexpected error says, in one line for logs and rows; its kind alone where it might quote a value."""
    lines = "" if isinstance(error, QUOTE_VALUES) else without_secrets(str(error)).strip()
    return f"{type(error).__name__}: {lines.splitlines()[0]}" if lines else type(error).__name__


def _without_private(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return without_secrets(value)
        case Mapping():
            return {
                name: REMOVED if str(name).lower() in PRIVATE else _without_private(inner)
                for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_without_private(inner) for inner in value]
        case BaseException():
            return message_of(value)
        case _:
            return without_secrets(str(value))


def _show_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: the traceback of `exc_info`, without local variables, as `exception`."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = "".join(_traceback(error)).rstrip()
    return event


def _traceback(error: BaseException, indent: str = "", seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """The lines of Python's traceback with `message_of` in place of messages."""
    seen |= {id(error)}
    cause, link = error.__cause__, "was the direct cause of"
    if cause is None and not error.__suppress_context__:
        cause, link = error.__context__, "was being handled during"
    if cause is not None and id(cause) not in seen:
        yield from _traceback(cause, indent, seen)
        yield f"\n{indent}The error above {link} the following one:\n\n"
    if error.__traceback__ is not None:
        yield f"{indent}Traceback (most recent call last):\n"
        yield from (
            f"{indent}{line}\n"
            for frame in traceback.format_tb(error.__traceback__)
            for line in frame.splitlines()
        )
    yield f"{indent}{message_of(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _traceback(inner, f"{indent}  ", seen)


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's own reports of errors that nobody caught, without what they quote."""
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger(__name__).critical(
        "stopped by an unexpected error", exc_info=(kind, error.with_traceback(trace), trace)
    )


class _StandardError(logging.Handler):
    """Writes to the current `sys.stderr`."""

    def emit(self, record: logging.LogRecord) -> None:
        # A log that cannot be written stops nothing, and logging's own report of that would show the record's values.
        with contextlib.suppress(Exception):
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
