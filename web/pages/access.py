"""Who may see the page: token, sessions, CSRF tokens, the Host header, and the headers of every answer."""

import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog
import yarl
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE = "respect_page"
SESSION_SECONDS = 12 * 3600
MOST_SESSIONS = 1_000
LEAST_TOKEN = 16
"""Characters of a token."""
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send "Origin: null" with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


@dataclass
class Session:
    """Somebody who has given the token, or whose roles in Discord suffice."""

    expires: float
    """Monotonic time."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    rater: str = ""
    """The name that this person last judged a turn with."""


@dataclass(frozen=True)
class Access:
    """The rules of who may see and change what, and the sessions in memory."""

    token: str | None
    """None: nobody can log in with one."""
    hosts: frozenset[str]
    """Names and addresses that the page may be called by, without port. Others are refused: a foreign name that
    leads to this machine would give its page access."""
    read_only: bool = False
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)

    def log_in(self, token: str) -> str | None:
        """A new session's id; None for an incorrect token."""
        return self.begin_session() if self.token is not None and same(token, self.token) else None

    def begin_session(self) -> str:
        """A new session's id."""
        now = time.monotonic()
        for old in [one for one, session in self.sessions.items() if session.expires <= now]:
            del self.sessions[old]
        while len(self.sessions) >= MOST_SESSIONS:
            del self.sessions[next(iter(self.sessions))]
        session_id = secrets.token_urlsafe(32)
        self.sessions[session_id] = Session(now + SESSION_SECONDS)
        return session_id

    def session_of(self, request: web.Request) -> Session | None:
        """The session of a request, if it has one that has not expired."""
        session = self.sessions.get(request.cookies.get(COOKIE, ""))
        return session if session is not None and session.expires > time.monotonic() else None


ACCESS = web.AppKey("access", Access)
SESSION = web.RequestKey("session", Session)


def same(given: str, wanted: str) -> bool:
    """Whether two texts are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def local_path(text: str) -> str:
    """A path of this page to go to; "/" for anything else."""
    return text if _LOCAL_PATH.fullmatch(text) else "/"


def set_cookie(
    request: web.Request,
    response: web.StreamResponse,
    session_id: str,
    *,
    lax: bool = False,
    secure: bool = False,
) -> None:
    """Give a browser its session. With `lax`, it is also sent by those who come from another site, as from Discord;
    forms from there are refused all the same. `secure`: browsers reach the page with TLS, whatever it looks like here.
    """
    secure = secure or request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(
        COOKIE,
        session_id,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="Lax" if lax else "Strict",
        secure=secure,
    )


def host_of(text: str) -> str | None:
    """The name or address in a Host header, in lower case and without port; None if it cannot be read."""
    try:
        return yarl.URL(f"http://{text}").host if re.fullmatch(r"[\w.\-:\[\]]+", text) else None
    except ValueError:
        return None


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set `HEADERS` on an answer, unless its handler has set one itself. A signal of aiohttp."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests by a name that is not ours, and requests that another page makes."""
    hosts = request.app[ACCESS].hosts
    if host_of(request.headers.get("Host", "")) not in hosts:
        raise web.HTTPForbidden(
            text="This page is not served under that name; start it with --allow-host NAME to add one."
        )
    origin = request.headers.get("Origin")
    changes = request.method not in ("GET", "HEAD")
    if changes and origin is not None and host_of(origin.partition("://")[2]) not in hosts:
        raise web.HTTPForbidden(text="The form was sent from another page.")
    return await handler(request)


@web.middleware
async def check_session(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Send those who have no session to the login; everything but that and the style needs one."""
    access = request.app[ACCESS]
    session = access.session_of(request)
    if session is not None:
        request[SESSION] = session
    elif getattr(request.match_info.handler, "public", False):
        return await handler(request)
    elif request.method in ("GET", "HEAD"):
        raise web.HTTPSeeOther(yarl.URL("/login").with_query(next=local_path(request.path_qs)))
    else:
        raise web.HTTPForbidden(text="Log in first.")
    return await handler(request)


@web.middleware
async def check_forms(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a POST that is no form or has not the session's CSRF token, and one that would change data in read-only
    mode."""
    if request.method in ("GET", "HEAD"):
        return await handler(request)
    session = request.get(SESSION)
    try:
        form = await request.post()  # which handlers then have without reading it again
    except (ValueError, LookupError) as error:  # a wrong encoding, or parts that do not end
        raise web.HTTPBadRequest(text="The form could not be read.") from error
    if session is not None:
        given = form.get("csrf", "")
        if not isinstance(given, str) or not same(given, session.csrf):
            raise web.HTTPForbidden(text="The form is too old or was sent from another page: load it again.")
    if request.app[ACCESS].read_only and not getattr(request.match_info.handler, "changes_nothing", False):
        raise web.HTTPForbidden(text="The page runs in read-only mode.")
    return await handler(request)


def errors_with(show: Callable[[web.Request, int, str], web.Response]) -> Handler:
    """A middleware that shows errors as a page of a sentence and never as a traceback."""

    @web.middleware
    async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except web.HTTPNotFound as error:
            return show(request, error.status, "There is no such page here.")
        except web.HTTPException as error:
            return show(request, error.status, error.text or error.reason)
        except SQLAlchemyError:
            log.exception("the database could not be read")
            return show(
                request, 503, "The database could not be read: `respect db check` says what is wrong with it."
            )
        except Exception:  # whatever it is, the page goes on and nobody sees a traceback
            log.exception("a page failed")
            return show(request, 500, "Something went wrong here; the log of `respect page` says what.")

    return errors  # pyright: ignore[reportReturnType]


def public(handler: Handler) -> Handler:
    """Mark a handler that needs no session."""
    handler.public = True  # pyright: ignore[reportFunctionMemberAccess]
    return handler


def changes_nothing(handler: Handler) -> Handler:
    """Mark the handler of a POST that is allowed in read-only mode."""
    handler.changes_nothing = True  # pyright: ignore[reportFunctionMemberAccess]
    return handler


def refuse_open_address(loopback: bool, token: str | None) -> str | None:
    """What is wrong with serving at an address with a token; None if nothing is."""
    if token is None:
        return (
            None if loopback else "Another address than this machine's own needs a token: give --token-file"
        )
    if len(token) < LEAST_TOKEN:
        return f"The token is shorter than {LEAST_TOKEN} characters: `openssl rand -hex 24` makes one"
    return None


def query_of(request: web.Request) -> Mapping[str, str]:
    """The query's values that are not empty, each name once."""
    return {name: value for name, value in request.query.items() if value}
