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
from web.pages.discord import BACK, BEGUN_COOKIE, BEGUN_SECONDS, DiscordSignIn, NotAdmitted
from web.pages.exports import EXPORTS, Exports
from web.pages.site import HERE, SITE, Site

MOST_BYTES = 64 * 1024
"""Of a form."""
KEEP = {"Cache-Control": "max-age=300"}
STATIC = HERE / "static"
SIGN_IN: web.AppKey[DiscordSignIn | None] = web.AppKey("sign_in", object)  # pyright: ignore[reportAssignmentType]


def make_pages(
    site: Site, access: Access, exported: Path, sign_in: DiscordSignIn | None = None
) -> web.Application:
    """The page for researchers and operators over one store. Every address but the login needs a session.

    `exported`: the folder for exports. `sign_in`: how people log in with Discord, if they may.
    """
    app = web.Application(
        middlewares=[errors_with(_show_error), check_host, check_session, check_forms],  # pyright: ignore[reportArgumentType]
        client_max_size=MOST_BYTES,
    )
    app[SITE], app[ACCESS], app[EXPORTS] = site, access, Exports(exported)
    app[SIGN_IN] = sign_in
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
            web.get("/login/discord", _begin_at_discord),
            web.get(BACK, _back_from_discord),
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


def _login_page(request: web.Request, next_path: str, wrong: str = "", status: int = 200) -> web.Response:
    return request.app[SITE].render(
        request,
        "login.html",
        status,
        next_path=next_path,
        wrong=wrong,
        by_token=request.app[ACCESS].token is not None,
        by_discord=request.app[SIGN_IN] is not None,
    )


@public
@changes_nothing
async def _log_in(request: web.Request) -> web.Response:
    form = await request.post()
    next_path = local_path(str(form.get("next", "")))
    session_id = request.app[ACCESS].log_in(str(form.get("token", "")).strip())
    if session_id is None:
        return _login_page(request, next_path, "This is not the token.", 403)
    response = web.HTTPSeeOther(next_path)
    set_cookie(request, response, session_id)
    raise response


@public
async def _begin_at_discord(request: web.Request) -> web.Response:
    sign_in = request.app[SIGN_IN]
    if sign_in is None:
        raise web.HTTPNotFound
    url, begun = sign_in.begin(local_path(request.query.get("next", "")))
    response = web.HTTPSeeOther(url)
    response.set_cookie(
        BEGUN_COOKIE,
        begun,
        max_age=BEGUN_SECONDS,
        path=BACK,
        httponly=True,
        samesite="Lax",  # it must come back with people who come from Discord
        secure=sign_in.is_secure,
    )
    raise response


@public
async def _back_from_discord(request: web.Request) -> web.Response:
    sign_in, query = request.app[SIGN_IN], request.query
    if sign_in is None:
        raise web.HTTPNotFound
    begun = request.cookies.get(BEGUN_COOKIE, "")
    state, code, error = (query.get(name, "") for name in ("state", "code", "error"))
    try:
        next_path = await sign_in.finish(begun, state, code, error)
    except NotAdmitted as refused:
        response = _login_page(request, "/", str(refused), refused.status)
        response.del_cookie(BEGUN_COOKIE, path=BACK)
        return response
    response = web.HTTPSeeOther(next_path)
    response.del_cookie(BEGUN_COOKIE, path=BACK)
    set_cookie(request, response, request.app[ACCESS].begin_session(), lax=True, secure=sign_in.is_secure)
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
