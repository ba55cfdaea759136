"""Checks the bot's requests against Discord's published API description. Needs the dev extra's jsonschema."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from local_discord.model import Json
from local_discord.request_log import RequestRecord

CHECKED = 4_096
"""Number of bodies whose problems are remembered: a bot sends the same commands at each start."""
ROOT = "urn:discord-openapi"
BOOLEANS = {"0": False, "1": True, "true": True, "false": False, "True": True, "False": False}


class OpenApi:
    """An OpenAPI 3.1 description as a validator: `LocalDiscord(validator=OpenApi.read(path).problems)`.

    One deviation is allowed: discord.py sends some ids as integers, which Discord accepts.
    """

    def __init__(self, description: Json) -> None:
        schemas = description["components"]["schemas"]
        snowflake = {"anyOf": [schemas["SnowflakeType"], {"type": "integer", "minimum": 0}]}
        described = {**description, "components": {**description["components"]}}
        described["components"]["schemas"] = {**schemas, "SnowflakeType": snowflake}
        resource = DRAFT202012.create_resource(described)
        self._registry: Registry[Any] = Registry().with_resource(ROOT, resource)
        self._paths: Json = description["paths"]
        self._patterns = {
            template: re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)))
            for template in self._paths
        }
        self._validators: dict[str, Draft202012Validator] = {}
        self._checked = lru_cache(CHECKED)(self._check)

    @classmethod
    def read(cls, path: Path) -> "OpenApi":
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def problems(self, record: RequestRecord) -> list[str]:
        """The problems of a request as sentences; empty if there are none."""
        template = self._template(record)
        if template is None:
            return [f"{record.method} {record.path}: no such path is described"]
        item = self._paths[template]
        operation = item.get(record.method.lower())
        if operation is None:
            return [f"{record.method} {template}: no such method is described"]
        where = f"{record.method} {template}"
        pointer = f"paths/{template.replace('~', '~0').replace('/', '~1')}/{record.method.lower()}"
        found = self._query_problems(where, item, operation, record)
        return found + self._body_problems(where, pointer, operation, record)

    def _template(self, record: RequestRecord) -> str | None:
        """The described path of a request. Literal paths are matched before those with parameters."""
        fits = [template for template, pattern in self._patterns.items() if pattern.fullmatch(record.path)]
        return min(fits, key=lambda template: template.count("{"), default=None)

    def _query_problems(self, where: str, item: Json, operation: Json, record: RequestRecord) -> list[str]:
        declared = [*item.get("parameters", []), *operation.get("parameters", [])]
        known = {p["name"]: p for p in declared if p.get("in") == "query"}
        found = [f"{where}: unknown query parameter {name}" for name in record.query if name not in known]
        for name, parameter in known.items():
            if name not in record.query:
                if parameter.get("required"):
                    found.append(f"{where}: query parameter {name} is missing")
                continue
            text = record.query[name]
            readings: list[Any] = [text]
            readings += [int(text)] if text.lstrip("-").isdigit() else []
            readings += [BOOLEANS[text]] if text in BOOLEANS else []
            validator = self._inline(parameter["schema"])
            if not any(validator.is_valid(reading) for reading in readings):
                found.append(f"{where}: query parameter {name}={text!r} does not fit")
        return found

    def _body_problems(self, where: str, pointer: str, operation: Json, record: RequestRecord) -> list[str]:
        request = operation.get("requestBody")
        if request is None:
            return [] if record.body in (None, {}) else [f"{where}: a body where none is described"]
        if record.body is None:
            return [f"{where}: the body is missing"] if request.get("required") else []
        kind = "multipart/form-data" if record.files else "application/json"
        if kind not in request["content"]:
            return [f"{where}: {kind} is not described"]
        schema = f"{pointer}/requestBody/content/{kind.replace('/', '~1')}/schema"
        return self._sentences(where, schema, record.body)

    def answer_problems(self, record: RequestRecord) -> list[str]:
        """The problems of this service's own answer."""
        template = self._template(record)
        operation = self._paths[template].get(record.method.lower()) if template else None
        if operation is None or template is None:
            return []
        where = f"{record.method} {template} answered {record.status}"
        responses = operation["responses"]
        name = str(record.status) if str(record.status) in responses else f"{record.status // 100}XX"
        if name not in responses:
            return [] if record.status == 429 or record.status >= 500 else [f"{where}: not described"]
        if record.answer is None or "content" not in responses[name]:
            return []
        escaped = template.replace("~", "~0").replace("/", "~1")
        place = f"paths/{escaped}/{record.method.lower()}/responses/{name}/content/application~1json/schema"
        return self._sentences(where, place, record.answer)

    def _sentences(self, where: str, schema: str, instance: Any) -> list[str]:
        return [f"{where}: {problem}" for problem in self._checked(schema, json.dumps(instance))]

    def _check(self, schema: str, instance: str) -> tuple[str, ...]:
        """The problems of an instance, given as JSON, with the schema at a pointer."""
        return tuple(_problems(self._at(schema), json.loads(instance)))

    def _at(self, pointer: str) -> Draft202012Validator:
        if pointer not in self._validators:
            reference = {"$ref": f"{ROOT}#/{pointer.replace('{', '%7B').replace('}', '%7D')}"}
            self._validators[pointer] = Draft202012Validator(reference, registry=self._registry)
        return self._validators[pointer]

    def _inline(self, schema: Json) -> Draft202012Validator:
        absolute = json.loads(json.dumps(schema).replace('"#/components', f'"{ROOT}#/components'))
        return Draft202012Validator(absolute, registry=self._registry)


def _problems(validator: Draft202012Validator, instance: Any) -> Iterator[str]:
    for error in sorted(validator.iter_errors(instance), key=lambda error: list(map(str, error.path))):
        deepest = (best_match(error.context) if error.context else None) or error
        place = "/".join(str(step) for step in deepest.absolute_path) or "the body"
        yield f"{place}: {deepest.message[:300]}"
