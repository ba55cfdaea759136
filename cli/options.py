"""Command-line options generated from the settings, with the same names, help texts and bounds."""

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

TYPES: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "string": str}
"""JSON schema type -> Python type."""


def with_options(section: type, panel: str, leave_out: Collection[str] = ()) -> Callable[[Any], Any]:
    """Add an option to a command for each field of a section. The command gets the values as `section_values`.

    An option that is not given is None, so that the setting or its default is used.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        properties = TypeAdapter(section).json_schema()["properties"]
        fields = {name: schema for name, schema in properties.items() if name not in leave_out}
        own = inspect.signature(command, eval_str=True).parameters
        if twice := own.keys() & fields.keys():
            raise TypeError(f"{command.__name__} has options of its own that are called {sorted(twice)}")

        @wraps(command)
        def run(**arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in fields}
            given = {name: value for name, value in values.items() if value is not None}
            command(**arguments, section_values=given)

        parameters = [each for name, each in own.items() if name != "section_values"] + [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(schema, panel)
            )
            for name, schema in fields.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        del run.__wrapped__  # pyright: ignore[reportFunctionMemberAccess, reportAttributeAccessIssue]
        return run

    return decorate


def _annotation(schema: Mapping[str, Any], panel: str) -> Any:
    """The option of a field with this JSON schema."""
    value = next(each for each in schema.get("anyOf", [schema]) if each["type"] != "null")
    option = typer.Option(
        help=schema["description"],
        min=value.get("minimum"),
        max=value.get("maximum"),
        rich_help_panel=panel,
        show_default=False,
    )
    return Annotated[TYPES[value["type"]] | None, option]
