"""Middleware of all REST requests: request log, faults, token check and errors in Discord's format."""

import asyncio
import json
import logging
import time
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from local_discord.errors import ApiError, missing_permissions, unauthorized
from local_discord.faults import Fault
from local_discord.oauth import Grant
from local_discord.rate_limits import Exceeded
from local_discord.request_log import RequestRecord
from local_discord.service import GRANT, SERVICE
from local_discord.web_io import BODY, FILES, answer

log = logging.getLogger(__name__)

PREFIX = "/api/v10"
WITHOUT_TOKEN = ("/interactions/", "/webhooks/{webhook_id}/{webhook_token}")
"""Routes that have a token in the path."""
OPEN = ("/gateway", "/oauth2/token")
SCOPES = {"/users/@me": "identify", "/users/@me/guilds/{guild_id}/member": "guilds.members.read"}
"""Route -> the scope that a person's token needs for it."""


VIA = "1.1 local"
"""A client takes a 429 without this header for a ban."""


def route_of(request: web.Request) -> str:
    """Discord's path template of the route, empty for an unknown route."""
    resource = request.match_info.route.resource
    return resource.canonical.removeprefix(PREFIX) if resource else ""


CLIENT_GONE = 499
"""Status in the log of a request that its client did not finish."""


@web.middleware
async def rest(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Applies to paths under the API's prefix; other paths are passed through."""
    if not request.path.startswith(PREFIX):
        return await handler(request)
    service = request.app[SERVICE]
    route = route_of(request)
    path = request.path.removeprefix(PREFIX)
    started = time.perf_counter()
    authorized = request.headers.get("Authorization") == f"Bot {service.world.app.token}"
    struck = service.faults.strike(request.method, path, route)
    for fault in struck:
        if fault.kind == "delay":
            await asyncio.sleep(fault.delay)
    fatal = next((fault for fault in struck if fault.kind != "delay"), None)
    response: web.StreamResponse | None = None
    if fatal is None or fatal.after:
        headers, exceeded = service.rate_limits.take(request.method, route, request.match_info)
        if exceeded is None:
            response = await _answered(request, handler, route, authorized)
        else:
            await request.read()
            response = _too_early(exceeded)
        response.headers.update({**headers, "Via": VIA})
    elif fatal.kind != "drop":
        await request.read()
    if fatal is not None:
        response = _fault_answer(fatal)
    status = response.status if response else 0
    service.log.add(_record(request, path, route, status, started, authorized, response))
    if response is None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    return response


async def _answered(
    request: web.Request, handler: Handler, route: str, authorized: bool
) -> web.StreamResponse:
    try:
        if not authorized and not route.startswith(WITHOUT_TOKEN) and route not in OPEN:
            request[GRANT] = _grant(request, route)
        response = await handler(request)
    except ApiError as error:
        response = answer(error.payload(), error.status)
    except web.HTTPException as error:
        response = answer({"message": f"{error.status}: {error.reason}", "code": 0}, error.status)
    except ConnectionError:  # the client was killed before it had sent all
        response = web.Response(status=CLIENT_GONE)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        log.exception("a request this service did not understand: %s %s", request.method, request.path)
        response = answer({"message": f"Invalid Form Body ({error})", "code": 50035, "errors": {}}, 400)
    return response


def _grant(request: web.Request, route: str) -> Grant:
    """What a person's token allows. Raises ApiError where that is not enough for a route."""
    grant = request.app[SERVICE].oauth.grant_of(request.headers.get("Authorization", ""))
    if grant is None or SCOPES.get(route) not in grant.scopes:
        raise unauthorized()
    return grant


def _too_early(exceeded: Exceeded) -> web.Response:
    body = {
        "message": "You are being rate limited.",
        "retry_after": exceeded.retry_after,
        "global": exceeded.is_global,
    }
    response = answer(body, 429)
    response.headers["Retry-After"] = str(exceeded.retry_after)
    response.headers["X-RateLimit-Scope"] = "global" if exceeded.is_global else "user"
    if exceeded.is_global:
        response.headers["X-RateLimit-Global"] = "true"
    return response


def _fault_answer(fault: Fault) -> web.Response | None:
    if fault.kind == "rate_limit":
        response = _too_early(Exceeded(fault.retry_after, fault.is_global))
        if fault.via:
            response.headers["Via"] = VIA
        return response
    if fault.kind == "error":
        return web.Response(status=fault.status, text="upstream connect error", content_type="text/plain")
    if fault.kind == "forbidden":
        error = missing_permissions()
        return answer(error.payload(), error.status)
    return None


def _record(
    request: web.Request,
    path: str,
    route: str,
    status: int,
    started: float,
    authorized: bool,
    response: web.StreamResponse | None,
) -> RequestRecord:
    given: Any = None
    if isinstance(response, web.Response) and response.body:
        try:
            given = json.loads(response.text or "null")
        except ValueError:
            given = None
    return RequestRecord(
        request.method,
        path,
        route,
        dict(request.query),
        request.get(BODY),
        request.get(FILES, ()),
        status,
        time.perf_counter() - started,
        authorized,
        given,
    )
