"""Discord's limits on components: rows, buttons, selects, modals and the V2 layout."""

from collections.abc import Iterator
from typing import Any

from local_discord.errors import Problem, bad_length, required, too_long
from local_discord.model import Json

Path = tuple[str | int, ...]

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SELECTS = {3, 5, 6, 7, 8}
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER, LABEL = 9, 10, 11, 12, 13, 14, 17, 18
FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX = 19, 21, 22, 23
V2_TOP = {ROW, SECTION, TEXT_DISPLAY, GALLERY, FILE, SEPARATOR, CONTAINER}
IN_CONTAINER = V2_TOP - {CONTAINER}
IN_LABEL = SELECTS | {TEXT_INPUT, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX}
INTERACTIVE = SELECTS | {BUTTON, TEXT_INPUT, FILE_UPLOAD, RADIO_GROUP, CHECKBOX_GROUP, CHECKBOX}


def walk(components: list[Json]) -> Iterator[Json]:
    """All components; nested ones follow their parent."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for key in ("accessory", "component"):
            if held := component.get(key):
                yield from walk([held])


DEFAULTS: dict[int, Json] = {
    SECTION: {},
    THUMBNAIL: {"description": None, "spoiler": False},
    FILE: {"name": None, "size": None, "spoiler": False},
    SEPARATOR: {"divider": True, "spacing": 1},
    CONTAINER: {"accent_color": None, "spoiler": False},
} | {kind: {"min_values": 1, "max_values": 1} for kind in SELECTS}
NULLABLE = {"accent_color", "name", "size"}


def settle(components: list[Json]) -> None:
    """The components as Discord returns them: without nulls, with defaults and ids."""
    for component in walk(components):
        for part in (component, *(component.get("options") or []), *(component.get("items") or [])):
            for key in [key for key, value in part.items() if value is None and key not in NULLABLE]:
                del part[key]
            if emoji := part.get("emoji"):
                part["emoji"] = {key: value for key, value in emoji.items() if value}
        for key, value in DEFAULTS.get(component["type"], {}).items():
            component.setdefault(key, value)
        for item in component.get("items") or []:
            item.setdefault("description", None)
            item.setdefault("spoiler", False)
    _number(components)


def _number(components: list[Json]) -> None:
    taken = {c["id"] for c in walk(components) if c.get("id")}
    following = 1
    for component in walk(components):
        if not component.get("id"):
            while following in taken:
                following += 1
            component["id"] = following
            taken.add(following)


def _kind(path: Path, allowed: set[int]) -> Problem:
    names = ", ".join(str(kind) for kind in sorted(allowed))
    return Problem((*path, "type"), "UNION_TYPE_CHOICES", f'Value of field "type" must be one of ({names}).')


def message_problems(components: Any, *, v2: bool) -> Iterator[Problem]:
    """The problems of a message's components."""
    if not isinstance(components, list):
        yield Problem(("components",), "BASE_TYPE_LIST", "Only list is valid")
        return
    if not v2 and len(components) > 5:
        yield bad_length(("components",), 1, 5)
    if v2 and sum(1 for _ in walk(components)) > 40:
        yield Problem(("components",), "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "At most 40 components.")
    if (
        v2
        and sum(len(c.get("content") or "") for c in walk(components) if c.get("type") == TEXT_DISPLAY) > 4000
    ):
        yield Problem(("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", "At most 4000 characters.")
    for at, component in enumerate(components):
        path: Path = ("components", at)
        kind = component.get("type")
        allowed = V2_TOP if v2 else {ROW}
        if kind not in allowed:
            yield _kind(path, allowed)
        else:
            yield from _part_problems(path, component)
    yield from _duplicates(components)


def _part_problems(path: Path, part: Json) -> Iterator[Problem]:
    kind = part.get("type")
    if kind == ROW:
        yield from _row_problems(path, part, {BUTTON} | SELECTS)
    elif kind == CONTAINER:
        for at, child in enumerate(part.get("components") or []):
            inner = (*path, "components", at)
            if child.get("type") not in IN_CONTAINER:
                yield _kind(inner, IN_CONTAINER)
            else:
                yield from _part_problems(inner, child)
    elif kind == SECTION:
        texts = part.get("components") or []
        if not 1 <= len(texts) <= 3:
            yield bad_length((*path, "components"), 1, 3)
        accessory = part.get("accessory")
        if not accessory:
            yield required((*path, "accessory"))
        elif accessory.get("type") == BUTTON:
            yield from _button_problems((*path, "accessory"), accessory)
    elif kind == TEXT_DISPLAY:
        if not part.get("content"):
            yield required((*path, "content"))
    elif kind == GALLERY:
        items = part.get("items") or []
        if not 1 <= len(items) <= 10:
            yield bad_length((*path, "items"), 1, 10)
        for at, item in enumerate(items):
            if len(item.get("description") or "") > 1024:
                yield too_long((*path, "items", at, "description"), 1024)


def _row_problems(path: Path, row: Json, allowed: set[int]) -> Iterator[Problem]:
    children = row.get("components") or []
    if not 1 <= len(children) <= 5:
        yield bad_length((*path, "components"), 1, 5)
    wide = [c for c in children if c.get("type") != BUTTON]
    if wide and len(children) > 1:
        yield Problem(
            (*path, "components"),
            "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
            "The specified component exceeds the maximum width",
        )
    for at, child in enumerate(children):
        inner = (*path, "components", at)
        kind = child.get("type")
        if kind not in allowed:
            yield _kind(inner, allowed)
        elif kind == BUTTON:
            yield from _button_problems(inner, child)
        elif kind == TEXT_INPUT:
            yield from _text_input_problems(inner, child, labelled=False)
        else:
            yield from _select_problems(inner, child)


def _custom_id_problems(path: Path, component: Json) -> Iterator[Problem]:
    custom_id = component.get("custom_id")
    if not custom_id:
        yield required((*path, "custom_id"))
    elif not isinstance(custom_id, str) or len(custom_id) > 100:
        yield bad_length((*path, "custom_id"), 1, 100)


def _button_problems(path: Path, button: Json) -> Iterator[Problem]:
    style = button.get("style")
    if style not in {1, 2, 3, 4, 5, 6}:
        yield Problem((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5, 6}.")
        return
    if len(button.get("label") or "") > 80:
        yield too_long((*path, "label"), 80)
    if style == 5:
        if not button.get("url"):
            yield Problem((*path, "url"), "BUTTON_COMPONENT_URL_REQUIRED", "A url is required")
        if button.get("custom_id"):
            yield Problem(
                path,
                "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
                "A custom id and url cannot both be specified",
            )
    elif style != 6:
        yield from _custom_id_problems(path, button)
        if not button.get("label") and not button.get("emoji"):
            yield Problem(path, "BUTTON_COMPONENT_INVALID", "A button must have a label or emoji.")


def _select_problems(path: Path, select: Json) -> Iterator[Problem]:
    yield from _custom_id_problems(path, select)
    if len(select.get("placeholder") or "") > 150:
        yield too_long((*path, "placeholder"), 150)
    low, high = select.get("min_values", 1), select.get("max_values", 1)
    if not 0 <= low <= 25:
        yield Problem((*path, "min_values"), "NUMBER_TYPE_MAX", "int value should be from 0 to 25.")
    if not 1 <= high <= 25 or high < low:
        yield Problem(
            (*path, "max_values"),
            "NUMBER_TYPE_MAX",
            "int value should be from 1 to 25 and at least min_values.",
        )
    if select.get("type") != STRING_SELECT:
        return
    options = select.get("options") or []
    if not 1 <= len(options) <= 25:
        yield bad_length((*path, "options"), 1, 25)
    if len({option.get("value") for option in options}) < len(options):
        yield Problem(
            (*path, "options"),
            "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
            "The specified option value is already used",
        )
    for at, option in enumerate(options):
        for key, least in (("label", 1), ("value", 1), ("description", 0)):
            if not least <= len(option.get(key) or "") <= 100:
                yield bad_length((*path, "options", at, key), least, 100)


def _text_input_problems(path: Path, text: Json, *, labelled: bool) -> Iterator[Problem]:
    yield from _custom_id_problems(path, text)
    if text.get("style") not in {1, 2}:
        yield Problem((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.")
    if not labelled and not 1 <= len(text.get("label") or "") <= 45:
        yield bad_length((*path, "label"), 1, 45)
    for key, limit in (("placeholder", 100), ("value", 4000)):
        if len(text.get(key) or "") > limit:
            yield too_long((*path, key), limit)


def _duplicates(components: list[Json]) -> Iterator[Problem]:
    seen: set[str] = set()
    for component in walk(components):
        custom_id = component.get("custom_id")
        if component.get("type") not in INTERACTIVE or not custom_id:
            continue
        if custom_id in seen:
            yield Problem(
                ("components",),
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                f"Component custom id {custom_id!r} cannot be duplicated",
            )
        seen.add(custom_id)


def modal_problems(data: Json) -> Iterator[Problem]:
    """The problems of a modal; paths begin at the callback's `data`."""
    if not 1 <= len(data.get("title") or "") <= 45:
        yield bad_length(("data", "title"), 1, 45)
    for problem in _custom_id_problems(("data",), data):
        yield problem
    parts = data.get("components") or []
    if not 1 <= len(parts) <= 5:
        yield bad_length(("data", "components"), 1, 5)
    for at, part in enumerate(parts):
        path: Path = ("data", "components", at)
        kind = part.get("type")
        if kind == ROW:
            yield from _row_problems(path, part, {TEXT_INPUT})
        elif kind == LABEL:
            yield from _label_problems(path, part)
        elif kind != TEXT_DISPLAY:
            yield _kind(path, {ROW, TEXT_DISPLAY, LABEL})
    for problem in _duplicates(parts):
        yield Problem(("data", *problem.path), problem.code, problem.message)


def _label_problems(path: Path, label: Json) -> Iterator[Problem]:
    if not 1 <= len(label.get("label") or "") <= 45:
        yield bad_length((*path, "label"), 1, 45)
    if len(label.get("description") or "") > 100:
        yield too_long((*path, "description"), 100)
    held = label.get("component") or {}
    inner = (*path, "component")
    if held.get("type") not in IN_LABEL:
        yield _kind(inner, IN_LABEL)
    elif held["type"] == TEXT_INPUT:
        yield from _text_input_problems(inner, held, labelled=True)
    elif held["type"] in SELECTS:
        yield from _select_problems(inner, held)
    else:
        yield from _custom_id_problems(inner, held)
