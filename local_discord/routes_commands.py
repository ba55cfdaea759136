"""REST: registering application commands, globally and for one guild."""

from typing import Any

from aiohttp import web

from local_discord.command_rules import CHAT_INPUT, check_command, check_commands, registered
from local_discord.errors import ApiError, missing_access, unknown
from local_discord.model import Json
from local_discord.service import SERVICE
from local_discord.web_io import answer, no_content, number_in, read_body, read_object

routes = web.RouteTableDef()
GLOBAL = "/applications/{application_id}/commands"
IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"


def _held(request: web.Request) -> tuple[dict[int, Json], int | None]:
    """The commands in the scope of the path, and the guild's id if it is a guild's scope."""
    world = request.app[SERVICE].world
    if request.match_info["application_id"] != str(world.app.id):
        raise ApiError(403, 20012, "You are not authorized to perform this action on this application")
    if "guild_id" not in request.match_info:
        return world.commands[None], None
    guild_id = number_in(request, "guild_id", "guild")
    if guild_id not in world.guilds:
        raise missing_access()
    return world.commands[guild_id], guild_id


def _store(request: web.Request, held: dict[int, Json], guild_id: int | None, command: Any) -> Json:
    """Adds a command, or replaces the command of the same name and keeps its id."""
    world = request.app[SERVICE].world
    same = _of_name(held, command)
    command_id = int(same["id"]) if same else world.snowflakes.next()
    made = registered(command, command_id, world.app.id, guild_id, world.snowflakes.next())
    held[command_id] = made
    return made


def _of_name(held: dict[int, Json], command: Json) -> Json | None:
    key = (command.get("type") or CHAT_INPUT, command["name"])
    return next((c for c in held.values() if (c["type"], c["name"]) == key), None)


def _one(request: web.Request, held: dict[int, Json]) -> Json:
    command_id = number_in(request, "command_id", "command")
    if command_id not in held:
        raise unknown("command")
    return held[command_id]


@routes.get(GLOBAL)
@routes.get(IN_GUILD)
async def list_commands(request: web.Request) -> web.Response:
    held, _ = _held(request)
    return answer(list(held.values()))


@routes.put(GLOBAL)
@routes.put(IN_GUILD)
async def replace_commands(request: web.Request) -> web.Response:
    held, guild_id = _held(request)
    body, _ = await read_body(request)
    check_commands(body)
    before = dict(held)
    kept = [(command, _of_name(before, command)) for command in body]
    held.clear()
    for _, old in kept:
        if old:
            held[int(old["id"])] = old
    made = [_store(request, held, guild_id, command) for command, _ in kept]
    _say_changed(request)
    return answer(made)


@routes.post(GLOBAL)
@routes.post(IN_GUILD)
async def create_command(request: web.Request) -> web.Response:
    held, guild_id = _held(request)
    body, _ = await read_object(request)
    check_command(body)
    new = _of_name(held, body) is None
    made = _store(request, held, guild_id, body)
    _say_changed(request)
    return answer(made, 201 if new else 200)


@routes.get(GLOBAL + "/{command_id}")
@routes.get(IN_GUILD + "/{command_id}")
async def get_command(request: web.Request) -> web.Response:
    held, _ = _held(request)
    return answer(_one(request, held))


@routes.patch(GLOBAL + "/{command_id}")
@routes.patch(IN_GUILD + "/{command_id}")
async def change_command(request: web.Request) -> web.Response:
    held, guild_id = _held(request)
    old = _one(request, held)
    body, _ = await read_object(request)
    changed = {**old, **body}
    check_command(changed)
    world = request.app[SERVICE].world
    held[int(old["id"])] = registered(
        changed, int(old["id"]), world.app.id, guild_id, world.snowflakes.next()
    )
    _say_changed(request)
    return answer(held[int(old["id"])])


@routes.delete(GLOBAL + "/{command_id}")
@routes.delete(IN_GUILD + "/{command_id}")
async def delete_command(request: web.Request) -> web.Response:
    held, _ = _held(request)
    del held[int(_one(request, held)["id"])]
    _say_changed(request)
    return no_content()


def _say_changed(request: web.Request) -> None:
    """Tells open clients that the offered commands have changed."""
    request.app[SERVICE].people.tell_commands()
