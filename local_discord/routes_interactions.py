"""REST: answers to interactions, and their webhooks."""

from aiohttp import web

from local_discord import messages
from local_discord.model import Interaction
from local_discord.payloads import message_payload
from local_discord.service import SERVICE
from local_discord.web_io import answer, no_content, number_in, read_object

routes = web.RouteTableDef()
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"


@routes.post("/interactions/{interaction_id}/{interaction_token}/callback")
async def callback(request: web.Request) -> web.Response:
    body, uploads = await read_object(request)
    interactions = request.app[SERVICE].interactions
    interaction_id = number_in(request, "interaction_id", "interaction")
    result = interactions.respond(interaction_id, request.match_info["interaction_token"], body, uploads)
    if request.query.get("with_response") in ("1", "true", "True"):
        return answer(result)
    return no_content()


def _interaction(request: web.Request) -> Interaction:
    info = request.match_info
    return request.app[SERVICE].interactions.of_token(info["webhook_id"], info["webhook_token"])


@routes.post(WEBHOOK)
async def follow_up(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    interaction = _interaction(request)
    body, uploads = await read_object(request)
    message = service.interactions.follow_up(interaction, body, uploads)
    return answer(message_payload(service.world, message))


@routes.get(WEBHOOK + "/messages/@original")
@routes.get(WEBHOOK + "/messages/{message_id}")
async def get_answer(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    name = request.match_info.get("message_id", "@original")
    message = service.interactions.find(_interaction(request), name)
    return answer(message_payload(service.world, message))


@routes.patch(WEBHOOK + "/messages/@original")
@routes.patch(WEBHOOK + "/messages/{message_id}")
async def edit_answer(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    name = request.match_info.get("message_id", "@original")
    message = service.interactions.find(_interaction(request), name)
    body, uploads = await read_object(request)
    messages.edit(service.world, message, body, uploads)
    return answer(message_payload(service.world, message))


@routes.delete(WEBHOOK + "/messages/@original")
@routes.delete(WEBHOOK + "/messages/{message_id}")
async def delete_answer(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    name = request.match_info.get("message_id", "@original")
    messages.delete(service.world, service.interactions.find(_interaction(request), name))
    return no_content()
