"""The buttons of rounds: to confirm what is hard to undo, and to decide what moderators request."""

import discord

from bot.components import Button, Buttons
from bot.errors import Refusal
from bot.respond import acknowledge
from bot.rounds import texts
from bot.services import BotInteraction, services_of
from bot.texts import NOT_ALLOWED
from games.language import _

LONGEST_CUSTOM_ID = 100
"""Discord's limit."""
_LABELS = {"cancel": texts.CANCEL_YES, "promote": texts.PROMOTE_YES, "rollback": texts.ROLLBACK_YES}


class SureButton(
    Button, template=r"round:(?P<kind>cancel|promote|rollback):(?P<argument>[a-z0-9_-]+):(?P<owner>\d+)"
):
    """Confirms a command. `argument`: the id of the round to cancel, or the adapter that is to be current."""

    style = discord.ButtonStyle.danger

    def __init__(self, kind: str, argument: str, owner: str) -> None:
        super().__init__(f"round:{kind}:{argument}:{owner}", owner, _LABELS[kind])
        self._kind, self._argument = kind, argument

    def refusal(self, owner: str) -> str:
        return NOT_ALLOWED

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        bot = services_of(interaction)
        await bot.console.check(interaction)
        done = await bot.console.act(interaction, self._kind, self._argument)
        await interaction.edit_original_response(content=_(done), view=None)


class DecideButton(
    Button,
    template=r"round-request:(?P<answer>yes|no):(?P<kind>[a-z]+):(?P<by>\d+):(?P<channel>\d+):(?P<argument>.*)",
):
    """Confirms or refuses a moderator's request. The console checks who presses it."""

    def __init__(self, answer: str, kind: str, by: str, channel: str, argument: str) -> None:
        yes = answer == "yes"
        super().__init__(
            f"round-request:{answer}:{kind}:{by}:{channel}:{argument}",
            label=texts.CONFIRM if yes else texts.REFUSE,
            style=discord.ButtonStyle.success if yes else discord.ButtonStyle.secondary,
        )
        self._yes, self._kind, self._argument, self._by, self._channel = yes, kind, argument, by, int(channel)

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        console = services_of(interaction).console
        await console.decide(interaction, self._kind, self._argument, self._by, self._channel, yes=self._yes)


BUTTONS = (SureButton, DecideButton)


def sure_button(kind: str, argument: str, owner: int) -> Buttons:
    """The button under a question. Raises Refusal for an argument that is too long."""
    return _checked(Buttons(SureButton(kind, argument, str(owner))))


def decide_buttons(kind: str, argument: str, by: str, channel_id: int) -> Buttons:
    """The buttons under a request. Raises Refusal for an argument that is too long."""
    answers = (DecideButton(answer, kind, by, str(channel_id), argument) for answer in ("yes", "no"))
    return _checked(Buttons(*answers))


def _checked(buttons: Buttons) -> Buttons:
    if any(len(getattr(each, "custom_id", "")) > LONGEST_CUSTOM_ID for each in buttons.children):
        raise Refusal(texts.TOO_LONG_TO_REQUEST)
    return buttons
