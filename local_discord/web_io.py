"""Reads requests and writes answers like Discord's API."""

import json
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from local_discord.errors import ApiError, Problem, invalid_form, unknown
from local_discord.message_rules import MAX_FILE_BYTES
from local_discord.model import Upload

BODY: web.RequestKey[Any] = web.RequestKey("body", object)
FILES = web.RequestKey("files", tuple)


def answer(data: Any, status: int = 200) -> web.Response:
    """JSON with exactly Discord's content type, because discord.py does not read JSON with a charset."""
    body = json.dumps(data, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})


def no_content() -> web.Response:
    return web.Response(status=204)


async def read_body(request: web.Request) -> tuple[Any, dict[int, Upload]]:
    """The JSON body and the files by their number, from JSON or from multipart with `payload_json`."""
    uploads: dict[int, Upload] = {}
    body: Any = {}
    if request.content_type == "multipart/form-data":
        fields: dict[str, Any] = {}
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            data = bytes(await part.read(decode=False))
            name = part.name or ""
            if part.filename is None:
                fields[name] = data.decode()
            else:
                number = name.removeprefix("files[").removesuffix("]")
                at = int(number) if number.isdigit() else len(uploads)
                kind = part.headers.get("Content-Type", "application/octet-stream")
                uploads[at] = Upload(part.filename, data, kind)
        body = _loads(fields.pop("payload_json")) if "payload_json" in fields else fields
    elif request.can_read_body:
        text = await request.text()
        if text:
            if request.content_type != "application/json":
                raise ApiError(
                    400, 50035, "Expected \"Content-Type\" header to be one of {'application/json'}."
                )
            body = _loads(text)
    request[BODY] = body
    request[FILES] = tuple(upload.filename for upload in uploads.values())
    if sum(len(upload.data) for upload in uploads.values()) > MAX_FILE_BYTES * 10:
        raise ApiError(413, 40005, "Request entity too large")
    return body, uploads


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from error


async def read_object(request: web.Request) -> tuple[dict[str, Any], dict[int, Upload]]:
    """`read_body` for routes whose body must be an object."""
    body, uploads = await read_body(request)
    if not isinstance(body, dict):
        raise invalid_form(
            [Problem((), "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")]
        )
    return body, uploads


def number_in(request: web.Request, name: str, kind: str | None = None) -> int:
    """A snowflake from the path. A value that is no number gives the error of an unknown object."""
    text = request.match_info[name]
    if not text.isdigit():
        if kind:
            raise unknown(kind)
        path = (name,)
        raise invalid_form([Problem(path, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')])
    return int(text)


def emoji_in(request: web.Request) -> str:
    return unquote(request.match_info["emoji_name"])


def limit_in(request: web.Request, default: int, most: int) -> int:
    """The `limit` of a listing."""
    text = request.query.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        path = ("limit",)
        raise invalid_form([Problem(path, "NUMBER_TYPE_MAX", f"int value should be from 1 to {most}.")])
    return int(text)
