"""REST: signing in to other sites with Discord (OAuth 2). https://docs.discord.com/developers/topics/oauth2"""

import html
import secrets

import yarl
from aiohttp import web

from local_discord.errors import ApiError, unknown
from local_discord.oauth import LIFETIME, Grant
from local_discord.payloads import member_payload
from local_discord.service import GRANT, SERVICE
from local_discord.web_io import answer, number_in

routes = web.RouteTableDef()
pages = web.RouteTableDef()
"""What browsers open: not below the prefix of the API."""
SCOPES = {"identify", "guilds", "guilds.members.read"}
FIELDS = ("client_id", "response_type", "redirect_uri", "scope", "state")


@routes.post("/oauth2/token")
async def token(request: web.Request) -> web.Response:
    if request.content_type != "application/x-www-form-urlencoded":
        return answer({"error": "invalid_request", "error_description": "Only a form is taken."}, 400)
    oauth, form = request.app[SERVICE].oauth, await request.post()
    given = {name: str(value) for name, value in form.items()}
    header = request.headers.get("Authorization", "")
    if not oauth.is_client(header, given.get("client_id", ""), given.get("client_secret", "")):
        return answer({"error": "invalid_client"}, 401)
    if given.get("grant_type") != "authorization_code":
        return answer({"error": "unsupported_grant_type"}, 400)
    found = oauth.exchange(given.get("code", ""), given.get("redirect_uri", ""))
    if found is None:
        return answer({"error": "invalid_grant", "error_description": 'Invalid "code" in request.'}, 400)
    access_token, grant = found
    return answer(
        {
            "token_type": "Bearer",
            "access_token": access_token,
            "expires_in": LIFETIME,
            "refresh_token": secrets.token_urlsafe(24),
            "scope": " ".join(sorted(grant.scopes)),
        }
    )


@routes.get("/users/@me/guilds/{guild_id}/member")
async def my_member(request: web.Request) -> web.Response:
    grant = request.get(GRANT)
    if grant is None:
        raise ApiError(403, 20001, "Bots cannot use this endpoint")
    guild = request.app[SERVICE].world.guilds.get(number_in(request, "guild_id", "guild"))
    member = guild.members.get(grant.user.id) if guild else None
    if member is None:
        raise unknown("guild")
    return answer(member_payload(member))


@pages.get("/oauth2/authorize")
async def ask(request: web.Request) -> web.Response:
    """Who signs in is chosen here, because nobody is signed in to this service by a browser's cookie."""
    given = _asked(request)
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(given[name])}">' for name in FIELDS
    )
    people = [user for user in request.app[SERVICE].world.users.values() if not user.bot]
    buttons = "".join(
        f'<p><button name="user" value="{user.id}">Authorize as {html.escape(user.global_name or user.username)}'
        "</button></p>"
        for user in people
    )
    text = (
        '<!doctype html><html lang="en"><title>Authorize</title><h1>Authorize</h1>'
        f"<p>An application asks for: {html.escape(given['scope'])}.</p>"
        f'<form method="post" action="/oauth2/authorize">{fields}{buttons}'
        '<p><button name="user" value="">Cancel</button></p></form></html>'
    )
    return web.Response(text=text, content_type="text/html")


@pages.post("/oauth2/authorize")
async def decide(request: web.Request) -> web.Response:
    form = await request.post()
    given = _asked(request, {name: str(value) for name, value in form.items()})
    service, chosen = request.app[SERVICE], str(form.get("user", ""))
    back = yarl.URL(given["redirect_uri"])
    if not chosen:
        refused = {"error": "access_denied", "error_description": "The resource owner denied the request"}
        raise web.HTTPSeeOther(back.update_query(refused | {"state": given["state"]}))
    user = service.world.users.get(int(chosen)) if chosen.isdecimal() else None
    if user is None:
        raise web.HTTPBadRequest(text="There is no such person.")
    code = service.oauth.allow(Grant(user, frozenset(given["scope"].split()), given["redirect_uri"]))
    raise web.HTTPSeeOther(back.update_query(code=code, state=given["state"]))


def _asked(request: web.Request, form: dict[str, str] | None = None) -> dict[str, str]:
    """What a site asks for. Raises HTTPBadRequest with a sentence, and sends nobody anywhere."""
    oauth, source = request.app[SERVICE].oauth, dict(request.query) if form is None else form
    given = {name: source.get(name, "") for name in FIELDS}
    if given["client_id"] != oauth.client_id:
        raise web.HTTPBadRequest(text="Unknown application.")
    if given["redirect_uri"] not in oauth.redirect_uris:
        raise web.HTTPBadRequest(text="Invalid OAuth2 redirect_uri: it is not that of the application.")
    if given["response_type"] != "code":
        raise web.HTTPBadRequest(text="The response_type must be code.")
    if not given["scope"] or not set(given["scope"].split()) <= SCOPES:
        raise web.HTTPBadRequest(text="The requested scope is invalid, unknown, or malformed.")
    return given
