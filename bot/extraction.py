"""Finds the texts of the bot's modules for the catalogues, for `pybabel extract` (docs/languages.md).

Besides calls such as `_("...")`, these are names and descriptions of commands and their options.
"""

import ast
import io
from collections.abc import Iterator, Mapping
from typing import Any

from babel.messages.extract import extract_python

from bot.language import NAME

Found = Any
"""(line, function, texts, comments), as Babel wants it."""


def extract(fileobj: Any, keywords: Any, comment_tags: Any, options: Any) -> Iterator[Found]:
    """A method of extraction for Babel, for one file of Python."""
    source: bytes = fileobj.read()
    yield from extract_python(io.BytesIO(source), keywords, comment_tags, options)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AsyncFunctionDef):
            yield from _of_command(node)
        elif isinstance(node, ast.ClassDef):
            given = {each.arg: each.value for each in node.keywords if each.arg}
            yield from _constants(node.lineno, given, "group_name", "group_description")


def _of_command(function: ast.AsyncFunctionDef) -> Iterator[Found]:
    for decorator in function.decorator_list:
        if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
            continue
        given = {each.arg: each.value for each in decorator.keywords if each.arg}
        match decorator.func.attr:
            case "command":
                given.setdefault("name", ast.Constant(function.name))
                yield from _constants(decorator.lineno, given, "name", "description")
            case "describe":
                for name, value in given.items():
                    option = {"name": ast.Constant(name), "description": value}
                    yield from _constants(value.lineno, option, "name", "description")
            case _:
                pass


def _constants(line: int, given: Mapping[str, ast.expr], name: str, description: str) -> Iterator[Found]:
    match given.get(name):
        case ast.Constant(value=str(text)):
            yield line, "pgettext", (NAME, text), []
        case _:
            pass
    match given.get(description):
        case ast.Constant(value=str(text)):
            yield line, "gettext", text, []
        case _:
            pass
