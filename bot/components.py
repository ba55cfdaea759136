"""The base classes of buttons and forms: author check, error handling and timeout.

A button or form keeps all its data in its custom id, so that it still works after a restart. The named groups of
its template are the parameters of its constructor. One of them is `owner`, the Discord id of the only person who may
use it. Messages keep their buttons for years, so a template must always match the custom ids of earlier versions.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import discord

from bot import texts
from bot.language import speak
from bot.respond import answer, answer_error
from bot.services import BotInteraction
from games.language import _

FORM_SECONDS = 900.0
"""Seconds after which discord.py drops an open form. It can still be submitted, see `Form.receive`."""


class _Owned:
    """A button or form for one person, or for everybody if `owner` is None."""

    owner: str | None = None

    async def owner_of(self, interaction: BotInteraction) -> str | None:
        """Whose it is. A custom id can be forged: what belongs to a row of the store looks there."""
        return self.owner

    def refusal(self, owner: str) -> str:
        """The answer to anybody but the owner."""
        return texts.not_yours(owner)

    async def run(
        self, interaction: BotInteraction, work: Callable[[], Awaitable[None]], said: str | None = None
    ) -> None:
        """Run `work` if the user is the owner. Never raises: an error is answered with a sentence.

        `said` is what the person wrote. If it could not be saved, the answer quotes it, to be sent again.
        """
        speak(interaction.locale)
        try:
            owner = await self.owner_of(interaction)
            if owner is not None and str(interaction.user.id) != owner:
                await answer(interaction, self.refusal(owner))
                return
            await work()
        except Exception as error:
            await answer_error(interaction, error, said, custom_id=_custom_id(interaction))


class Button(_Owned, discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"(?!)"):
    """A button. Subclasses give a template and a marked label and implement `pressed`."""

    label: ClassVar[str]
    style: ClassVar[discord.ButtonStyle] = discord.ButtonStyle.secondary

    def __init__(
        self,
        custom_id: str,
        owner: str | None = None,
        label: str | None = None,
        style: discord.ButtonStyle | None = None,
    ) -> None:
        super().__init__(
            discord.ui.Button(label=_(label or self.label), style=style or self.style, custom_id=custom_id)
        )
        self.owner = owner

    @classmethod
    async def from_custom_id(
        cls, interaction: BotInteraction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        parameters: dict[str, Any] = match.groupdict()
        return cls(**parameters)

    async def callback(self, interaction: BotInteraction) -> None:
        await self.run(interaction, lambda: self.pressed(interaction))

    async def pressed(self, interaction: BotInteraction) -> None:
        """Called when an authorised person pressed the button."""
        raise NotImplementedError


class Buttons(discord.ui.View):
    """Buttons under a message. They never expire."""

    def __init__(self, *buttons: Button) -> None:
        super().__init__(timeout=None)
        for button in buttons:
            self.add_item(button)


class Form(_Owned, discord.ui.Modal, title="form"):
    """A form (modal). Subclasses give a heading and a template and implement `submitted`.

    Submissions are handled by `receive`, not by discord.py's `on_submit`, which only knows forms that were opened
    since the last start.
    """

    heading: ClassVar[str]
    template: ClassVar[re.Pattern[str]]

    def __init__(self, custom_id: str, owner: str | None, fields: Sequence[discord.ui.Label[Any]]) -> None:
        super().__init__(title=_(self.heading), custom_id=custom_id, timeout=FORM_SECONDS)
        self.owner = owner
        for field in fields:
            self.add_item(field)

    @classmethod
    async def receive(cls, interaction: BotInteraction) -> None:
        """Handle a submitted form. Forms of another class are ignored."""
        match = cls.template.fullmatch(_custom_id(interaction))
        if match is None:
            return
        parameters: dict[str, Any] = match.groupdict()
        form, data = cls(**parameters), interaction.data
        values = dict(_values(data.get("components", ()) if data else ()))
        await form.run(interaction, lambda: form.submitted(interaction, values), "\n".join(values.values()))

    async def submitted(self, interaction: BotInteraction, values: Mapping[str, str]) -> None:
        """Called when an authorised person submitted the form. `values`: custom id of a field -> stripped text."""
        raise NotImplementedError


def _custom_id(interaction: BotInteraction) -> str:
    data: Any = interaction.data or {}
    return str(data.get("custom_id", ""))


def _values(components: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The fields of a form, which are inside labels or rows."""
    for component in components:
        name = str(component.get("custom_id", ""))
        if "value" in component:
            value = component["value"]
            yield name, "" if value is None else str(value).strip()
        if "values" in component:  # a select menu
            yield name, ", ".join(map(str, component["values"]))
        yield from _values(component.get("components", ()))
        if "component" in component:
            yield from _values((component["component"],))
