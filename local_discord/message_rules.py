"""Discord's limits on messages: length, embeds, files, flags. Raises `ApiError` (50035) with the path."""

from collections.abc import Iterator, Mapping

from local_discord.component_rules import message_problems
from local_discord.errors import ApiError, Problem, bad_length, invalid_form, required, too_long
from local_discord.model import Json, MessageFlag, Upload

MAX_CONTENT = 2000
MAX_FILES = 10
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_ALT_TEXT = 1024
LEGACY_FIELDS = ("content", "embeds", "poll", "sticker_ids")
EMBED_LIMITS = {"title": 256, "description": 4096}


def check_message(
    payload: Json,
    uploads: Mapping[int, Upload],
    *,
    flags: int,
    allowed_flags: int,
    within: tuple[str | int, ...] = (),
) -> None:
    """Raises the error that Discord would answer to this message body.

    `flags` are the message's flags once this body is applied, `allowed_flags` those a sender may set here,
    `within` the path of the message in the body (`("data",)` in an interaction's callback).
    """
    problems = list(_problems(payload, uploads, flags, allowed_flags))
    if problems:
        raise invalid_form(Problem((*within, *p.path), p.code, p.message) for p in problems)
    if any(len(upload.data) > MAX_FILE_BYTES for upload in uploads.values()):
        raise ApiError(413, 40005, "Request entity too large")


def _problems(payload: Json, uploads: Mapping[int, Upload], flags: int, allowed: int) -> Iterator[Problem]:
    content = payload.get("content")
    if content is not None and not isinstance(content, str):
        yield Problem(("content",), "STRING_TYPE_CONVERT", "Could not interpret the value as a string.")
    elif content and len(content) > MAX_CONTENT:
        yield too_long(("content",), MAX_CONTENT)
    if (payload.get("flags") or 0) & ~allowed:
        yield Problem(("flags",), "MESSAGE_FLAGS_INVALID", "This flag cannot be set on this message.")
    nonce = payload.get("nonce")
    if isinstance(nonce, str) and len(nonce) > 25:
        yield too_long(("nonce",), 25)
    v2 = bool(flags & MessageFlag.COMPONENTS_V2)
    if v2:
        for name in LEGACY_FIELDS:
            if payload.get(name):
                yield Problem(
                    (name,),
                    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                    f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
                )
    if payload.get("components") is not None:
        yield from message_problems(payload["components"], v2=v2)
    yield from _embed_problems(payload.get("embeds") or [])
    yield from _file_problems(payload.get("attachments") or [], uploads)
    yield from _mention_problems(payload.get("allowed_mentions") or {})


def _embed_problems(embeds: list[Json]) -> Iterator[Problem]:
    if len(embeds) > 10:
        yield bad_length(("embeds",), 0, 10)
    total = 0
    for at, embed in enumerate(embeds):
        path = ("embeds", at)
        fields = embed.get("fields") or []
        footer = (embed.get("footer") or {}).get("text") or ""
        author = (embed.get("author") or {}).get("name") or ""
        texts = [embed.get("title") or "", embed.get("description") or "", footer, author]
        texts += [part for f in fields for part in (f.get("name") or "", f.get("value") or "")]
        total += sum(map(len, texts))
        for key, limit in EMBED_LIMITS.items():
            if len(embed.get(key) or "") > limit:
                yield too_long((*path, key), limit)
        if len(footer) > 2048:
            yield too_long((*path, "footer", "text"), 2048)
        if len(author) > 256:
            yield too_long((*path, "author", "name"), 256)
        if len(fields) > 25:
            yield bad_length((*path, "fields"), 0, 25)
        for index, field in enumerate(fields):
            for key, limit in (("name", 256), ("value", 1024)):
                if not field.get(key):
                    yield required((*path, "fields", index, key))
                elif len(field[key]) > limit:
                    yield too_long((*path, "fields", index, key), limit)
        for key in ("image", "thumbnail"):
            url = (embed.get(key) or {}).get("url")
            if url and not url.startswith(("http://", "https://", "attachment://")):
                yield Problem(
                    (*path, key, "url"),
                    "URL_TYPE_INVALID_SCHEME",
                    f'Scheme "{url.split(":")[0]}" is not supported.',
                )
    if total > 6000:
        yield Problem(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _file_problems(listed: list[Json], uploads: Mapping[int, Upload]) -> Iterator[Problem]:
    if max(len(listed), len(uploads)) > MAX_FILES:
        yield bad_length(("attachments",), 0, MAX_FILES)
    for at, entry in enumerate(listed):
        if "id" not in entry:
            yield required(("attachments", at, "id"))
        if len(entry.get("description") or "") > MAX_ALT_TEXT:
            yield too_long(("attachments", at, "description"), MAX_ALT_TEXT)
        name = entry.get("filename")
        if name and len(name) > 1024:
            yield too_long(("attachments", at, "filename"), 1024)


def _mention_problems(allowed: Json) -> Iterator[Problem]:
    for key in ("users", "roles"):
        if len(allowed.get(key) or []) > 100:
            yield bad_length(("allowed_mentions", key), 0, 100)
        if key in (allowed.get("parse") or []) and allowed.get(key):
            yield Problem(
                ("allowed_mentions",),
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.',
            )
