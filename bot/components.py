"""What buttons and forms share: whose they are, what an error becomes, how long they last.

A button or form keeps all it needs in its custom id, so that it works after any restart. The named groups of
its template are the parameters of its constructor; `owner`, the Discord id of the one person it is for, is one of
them. Messages keep their buttons for years, so a template must go on matching the custom ids it once made.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import discord

from bot import texts
from bot.respond import answer, answer_error
from bot.services import BotInteraction

FORM_SECONDS = 900.0
"""After this discord.py forgets an open form. It can still be sent in, see `Form.receive`."""


class _Owned:
    """A button or form, for one person or (`owner` is None) for everybody."""

    owner: str | None = None

    def refusal(self, owner: str) -> str:
        """What anybody else is told."""
        return texts.not_yours(owner)

    async def run(
        self, interaction: BotInteraction, work: Callable[[], Awaitable[None]], said: str | None = None
    ) -> None:
        """Do the work if the owner asks for it. Never raises: an error is answered in a sentence.

        `said`: what the person wrote, given back to be sent again if it could not be kept.
        """
        try:
            if self.owner is not None and str(interaction.user.id) != self.owner:
                await answer(interaction, self.refusal(self.owner))
                return
            await work()
        except Exception as error:
            await answer_error(interaction, error, said, custom_id=_custom_id(interaction))


class Button(_Owned, discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"(?!)"):
    """A button. Subclasses name a template and say in `pressed` what it does."""

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
            discord.ui.Button(label=label or self.label, style=style or self.style, custom_id=custom_id)
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
        """Somebody who may pressed it."""
        raise NotImplementedError


class Buttons(discord.ui.View):
    """Buttons under a message. They never expire."""

    def __init__(self, *buttons: Button) -> None:
        super().__init__(timeout=None)
        for button in buttons:
            self.add_item(button)


class Form(_Owned, discord.ui.Modal, title="form"):
    """A form. Subclasses name a title and a template and say in `submitted` what it does.

    Its submissions are handled in `receive` and not by discord.py's `on_submit`, which knows only forms that
    were opened since the last start.
    """

    template: ClassVar[re.Pattern[str]]

    def __init__(self, custom_id: str, owner: str | None, fields: Sequence[discord.ui.Label[Any]]) -> None:
        super().__init__(custom_id=custom_id, timeout=FORM_SECONDS)
        self.owner = owner
        for field in fields:
            self.add_item(field)

    @classmethod
    async def receive(cls, interaction: BotInteraction) -> None:
        """Handle a form that was sent in; another kind of form is left alone."""
        match = cls.template.fullmatch(_custom_id(interaction))
        if match is None:
            return
        parameters: dict[str, Any] = match.groupdict()
        form, data = cls(**parameters), interaction.data
        values = dict(_values(data.get("components", ()) if data else ()))
        await form.run(interaction, lambda: form.submitted(interaction, values), "\n".join(values.values()))

    async def submitted(self, interaction: BotInteraction, values: Mapping[str, str]) -> None:
        """Somebody who may sent it in. `values`: what was written, stripped, by the custom id of its field."""
        raise NotImplementedError


def _custom_id(interaction: BotInteraction) -> str:
    data: Any = interaction.data or {}
    return str(data.get("custom_id", ""))


def _values(components: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The fields of a form, which are in labels or in rows."""
    for component in components:
        if "value" in component:
            yield component["custom_id"], str(component["value"]).strip()
        yield from _values(component.get("components", ()))
        if "component" in component:
            yield from _values((component["component"],))
