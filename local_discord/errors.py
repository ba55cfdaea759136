"""Errors in Discord's format: status, JSON error code, message and, for invalid bodies, the `errors` tree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


class ApiError(Exception):
    """An error response. `code` is Discord's JSON error code, 0 if it has none."""

    def __init__(self, status: int, code: int, message: str, errors: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors

    def payload(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors:
            body["errors"] = self.errors
        return body

    def sentence(self) -> str:
        """The error in words."""
        return " ".join(_leaves(self.errors)) if self.errors else self.message


def _leaves(tree: dict[str, Any]) -> Iterator[str]:
    for key, value in tree.items():
        if key == "_errors":
            yield from (leaf["message"] for leaf in value)
        else:
            yield from _leaves(value)


_UNKNOWN = {
    "channel": (10003, "Unknown Channel"),
    "guild": (10004, "Unknown Guild"),
    "member": (10007, "Unknown Member"),
    "message": (10008, "Unknown Message"),
    "role": (10011, "Unknown Role"),
    "user": (10013, "Unknown User"),
    "emoji": (10014, "Unknown Emoji"),
    "webhook": (10015, "Unknown Webhook"),
    "interaction": (10062, "Unknown interaction"),
    "command": (10063, "Unknown application command"),
}


def unknown(kind: str) -> ApiError:
    """404 for something that does not exist, or that this application may not see."""
    code, message = _UNKNOWN[kind]
    return ApiError(404, code, message)


def missing_access() -> ApiError:
    return ApiError(403, 50001, "Missing Access")


def missing_permissions() -> ApiError:
    return ApiError(403, 50013, "Missing Permissions")


def unauthorized() -> ApiError:
    return ApiError(401, 0, "401: Unauthorized")


@dataclass(frozen=True)
class Problem:
    """One problem of a body: its path (`("embeds", 0, "title")`), Discord's code for it, and the message."""

    path: tuple[str | int, ...]
    code: str
    message: str


def invalid_form(problems: Iterable[Problem]) -> ApiError:
    """400 with code 50035 and the tree of problems."""
    tree: dict[str, Any] = {}
    for problem in problems:
        node = tree
        for step in problem.path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
    return ApiError(400, 50035, "Invalid Form Body", tree)


def too_long(path: tuple[str | int, ...], limit: int) -> Problem:
    return Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def required(path: tuple[str | int, ...]) -> Problem:
    return Problem(path, "BASE_TYPE_REQUIRED", "This field is required")


def bad_length(path: tuple[str | int, ...], least: int, most: int) -> Problem:
    return Problem(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
