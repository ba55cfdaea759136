"""The application: routes, login, and the order of the checks."""

from pathlib import Path

from aiohttp import web

from web.pages import evaluate, exports, games, overview, players, policies, studies
from web.pages.access import (
    ACCESS,
    COOKIE,
    SESSION,
    Access,
    changes_nothing,
    check_forms,
    check_host,
    check_session,
    errors_with,
    local_path,
    public,
    set_cookie,
    set_headers,
)
from web.pages.exports import EXPORTS, Exports
from web.pages.site import HERE, SITE, Site

MOST_BYTES = 64 * 1024
"""Of a form."""
KEEP = {"Cache-Control": "max-age=300"}
STATIC = HERE / "static"


def make_pages(site: Site, access: Access, exported: Path) -> web.Application:
    """The page for researchers and operators over one store. Every address but the login needs the token.

    `exported`: the folder for exports.
    """
    app = web.Application(
        middlewares=[errors_with(_show_error), check_host, check_session, check_forms],  # pyright: ignore[reportArgumentType]
        client_max_size=MOST_BYTES,
    )
    app[SITE], app[ACCESS], app[EXPORTS] = site, access, Exports(exported)
    app.on_shutdown.append(exports.stop)
    app.on_response_prepare.append(set_headers)
    app.add_routes(
        [
            web.get("/", overview.show),
            web.get("/games", games.show_list),
            web.get("/games/{game_id}", games.show_one),
            web.get("/policies", policies.show_list),
            web.get("/policies/{name}", policies.show_one),
            web.get("/players", players.show_list),
            web.get("/players/{pseudonym}", players.show_one),
            web.get("/studies", studies.show_list),
            web.get("/studies/{name}", studies.show_one),
            web.get("/evaluate", evaluate.show_next),
            web.post("/evaluate", evaluate.take),
            web.get(r"/evaluate/{turn:\d{1,15}}", evaluate.show_judged),
            web.get("/exports", exports.show),
            web.post("/exports", exports.start),
            web.get("/exports/{name}", exports.download),
            web.get("/login", _show_login),
            web.post("/login", _log_in),
            web.post("/logout", _log_out),
            web.get("/style.css", _style),
            web.get("/icon.svg", _icon),
        ]
    )
    return app


def _show_error(request: web.Request, status: int, sentence: str) -> web.Response:
    return request.app[SITE].render(request, "message.html", status, title=str(status), sentence=sentence)


@public
async def _show_login(request: web.Request) -> web.Response:
    if SESSION in request:
        raise web.HTTPSeeOther("/")
    return _login_page(request, local_path(request.query.get("next", "")))


def _login_page(request: web.Request, next_path: str, wrong: bool = False) -> web.Response:
    return request.app[SITE].render(
        request, "login.html", 403 if wrong else 200, next_path=next_path, wrong=wrong
    )


@public
@changes_nothing
async def _log_in(request: web.Request) -> web.Response:
    form = await request.post()
    next_path = local_path(str(form.get("next", "")))
    session_id = request.app[ACCESS].log_in(str(form.get("token", "")).strip())
    if session_id is None:
        return _login_page(request, next_path, wrong=True)
    response = web.HTTPSeeOther(next_path)
    set_cookie(request, response, session_id)
    raise response


@changes_nothing
async def _log_out(request: web.Request) -> web.Response:
    request.app[ACCESS].sessions.pop(request.cookies.get(COOKIE, ""), None)
    response = web.HTTPSeeOther("/login")
    response.del_cookie(COOKIE)
    raise response


@public
async def _style(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "style.css", headers=KEEP)


@public
async def _icon(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "icon.svg", headers=KEEP)
