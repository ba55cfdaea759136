"""The buttons and the form of a game."""

import re
from collections.abc import Mapping, Sequence
from functools import partial

import discord

from bot import texts
from bot.components import Button, Buttons, Form
from bot.errors import AlreadyPlaying, QuizFirst, Refusal
from bot.images import label_of
from bot.permissions import check_moderator
from bot.play.utterances import LONGEST, GiveUp, TypedCommand, Unplayable, Utterance, read
from bot.privacy.buttons import first_choices
from bot.respond import acknowledge, answer, kept_first
from bot.services import BotInteraction, Wish, services_of
from games import DEFAULT_GAME, GAMES
from games.core import Difficulty, Outcome
from games.language import _
from store.games import action_key
from store.models import EndReason, Game, Player

_GAME = r"(?P<game_id>[0-9a-f]{32}):(?P<owner>\d+)"
FIELD = "utterance"
LONGEST_LABEL = 60
"""Characters of an image set's label that a custom id has room for."""


class _OfGame:
    """What belongs to a game is for the player whom the store names, whatever its custom id says.

    It is used in the server of the game only, so that nobody who was banned from there goes on from elsewhere.
    """

    game_id: str

    async def owner_of(self, interaction: BotInteraction) -> str | None:
        found = await _game_and_player(interaction, self.game_id)
        return found[1] if found is not None else None


class _OfThread:
    """What is said in a game is for those who may describe figures in it, in its thread only."""

    game_id: str

    async def owner_of(self, interaction: BotInteraction) -> str | None:
        found = await _game_and_player(interaction, self.game_id)
        if found is None:
            return None
        game, player_id = found
        if game.thread_id != str(interaction.channel_id):
            raise Refusal(texts.GAME_ELSEWHERE)
        return None if game.team else player_id


async def _game_and_player(interaction: BotInteraction, game_id: str) -> tuple[Game, str] | None:
    """(the game, the Discord id of its player); None if there is no such game (any more).

    Raises Refusal outside the game's server.
    """
    async with services_of(interaction).database.async_session() as session:
        game = await session.get(Game, game_id)
        if game is None:
            return None
        player = await session.get_one(Player, game.player_id)
    if game.guild_id != str(interaction.guild_id):
        raise Refusal(texts.GAME_ELSEWHERE)
    return game, player.external_id


class GameButton(_OfGame, Button, template=r"(?!)"):
    """A button of one game that only its player may press."""

    action: str

    def __init__(self, game_id: str, owner: str) -> None:
        super().__init__(f"{self.action}:{game_id}:{owner}", owner)
        self.game_id = game_id
        self.player_id = owner


class DescribeButton(_OfThread, GameButton, template=rf"describe:{_GAME}"):
    """Opens the form, which also works without the message-content intent."""

    action, label, style = "describe", texts.DESCRIBE, discord.ButtonStyle.primary

    async def pressed(self, interaction: BotInteraction) -> None:
        await interaction.response.send_modal(DescribeForm(self.game_id, self.player_id))


class GiveUpButton(GameButton, template=rf"giveup:{_GAME}"):
    """Asks for confirmation."""

    action, label = "giveup", texts.GIVE_UP

    async def pressed(self, interaction: BotInteraction) -> None:
        await answer(interaction, texts.GIVE_UP_SURE, view=give_up_buttons(self.game_id, self.player_id))


class GiveUpYesButton(GameButton, template=rf"giveup-yes:{_GAME}"):
    """Ends the game."""

    action, label, style = "giveup-yes", texts.GIVE_UP_YES, discord.ButtonStyle.danger

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        ended = await services_of(interaction).games.give_up(self.game_id)
        await interaction.edit_original_response(
            content=_(texts.GIVEN_UP if ended else texts.GAME_IS_OVER), view=None
        )


class GiveUpNoButton(GameButton, template=rf"giveup-no:{_GAME}"):
    """Goes on with the game."""

    action, label = "giveup-no", texts.GIVE_UP_NO

    async def pressed(self, interaction: BotInteraction) -> None:
        await interaction.response.edit_message(content=_(texts.NOT_GIVEN_UP), view=None)


class MeantButton(
    _OfThread,
    Button,
    template=r"meant:(?P<game_id>[0-9a-f]{32}):(?P<message_id>\d{1,20}):(?P<number>\d):(?P<key>[0-9a-f]*)",
):
    """Says which of the pictures of a question shows what a message means, or that none does."""

    def __init__(self, game_id: str, message_id: str, number: str, key: str = "", label: str = "") -> None:
        """`number`: of the picture, from 1; 0 for none. `key`: of its action (`store.games.action_key`)."""
        super().__init__(
            f"meant:{game_id}:{message_id}:{number}:{key}",
            label=label or number,
            style=discord.ButtonStyle.primary if key else discord.ButtonStyle.secondary,
        )
        self.game_id = game_id
        self._message_id, self._number, self._key = message_id, int(number), key

    async def pressed(self, interaction: BotInteraction) -> None:
        await acknowledge(interaction)
        games, key = services_of(interaction).games, self._key or None
        if await games.choose(self.game_id, self._message_id, key):
            text = texts.meant(self._number if key else 0)
            await interaction.edit_original_response(content=text, view=None)
        else:
            await answer(interaction, texts.QUESTION_OVER)
            await interaction.edit_original_response(view=None)


class EndGameButton(Button, template=r"endgame:(?P<game_id>[0-9a-f]{32})"):
    """Ends the game of somebody else, for moderators of the server where it is played."""

    label, style = texts.END_GAME, discord.ButtonStyle.danger

    def __init__(self, game_id: str) -> None:
        super().__init__(f"endgame:{game_id}")
        self.game_id = game_id

    async def pressed(self, interaction: BotInteraction) -> None:
        check_moderator(interaction)
        await acknowledge(interaction)
        bot, found = services_of(interaction), await _game_and_player(interaction, self.game_id)
        ended = await bot.games.give_up(self.game_id, EndReason.MODERATOR)
        if ended and found is not None and interaction.guild_id is not None:
            game, player_id = found
            about = (interaction.user.id, player_id, game.thread_id or "")
            bot.audit.here(interaction.guild_id, partial(texts.ended_by_moderator, *about))
        text = texts.ENDED if ended else texts.GAME_IS_OVER
        await interaction.edit_original_response(content=_(text), view=None)


class NewGameButton(
    Button,
    template=r"newgame(?::(?P<name>\w+))?(?P<team>:team)?(?::(?P<difficulty>near|far))?(?:@(?P<images>.{1,60}))?",
):
    """Starts another game of the same kind for the person who presses it."""

    label, style = texts.NEW_GAME, discord.ButtonStyle.success

    def __init__(
        self,
        name: str | None = None,
        team: str | bool | None = None,
        difficulty: str | None = None,
        images: str | None = None,
        label: str | None = None,
    ) -> None:
        """`name` of the game; None in buttons of old versions. The rest as in `Wish`."""
        self.wish = Wish(
            name if name in GAMES else DEFAULT_GAME,
            bool(team),
            images if images and len(images) <= LONGEST_LABEL else None,
            Difficulty(difficulty) if difficulty else None,
        )
        kind = f"newgame:{self.wish.game}{':team' if team else ''}{f':{difficulty}' if difficulty else ''}"
        super().__init__(f"{kind}@{self.wish.images}" if self.wish.images else kind, label=label)

    async def pressed(self, interaction: BotInteraction) -> None:
        await start_game(interaction, self.wish)


class DescribeForm(_OfThread, Form):
    """The form in which a player describes figures without writing in the thread."""

    heading = texts.MODAL_TITLE
    template = re.compile(rf"describe-form:{_GAME}")

    def __init__(self, game_id: str, owner: str) -> None:
        field = discord.ui.TextInput(
            custom_id=FIELD,
            style=discord.TextStyle.paragraph,
            placeholder=_(texts.MODAL_HINT),
            max_length=LONGEST,
        )
        label = discord.ui.Label(text=_(texts.MODAL_LABEL), component=field)
        super().__init__(f"describe-form:{game_id}:{owner}", owner, [label])
        self.game_id = game_id

    async def submitted(self, interaction: BotInteraction, values: Mapping[str, str]) -> None:
        games, user = services_of(interaction).games, interaction.user
        match read(values.get(FIELD, "")):
            case Utterance(text=words):
                say = games.say(self.game_id, words, str(interaction.id), "modal", user)
                if await kept_first(interaction, say):
                    return
                await answer(interaction, texts.GAME_IS_OVER)
            case Unplayable(answer=sentence):
                await answer(interaction, sentence)
            case TypedCommand(typed=typed):
                mention = services_of(interaction).command_mention(typed)
                await answer(interaction, texts.typed_command(mention))
            case GiveUp():
                question = give_up_buttons(self.game_id, interaction.user.id)
                await answer(interaction, texts.GIVE_UP_SURE, view=question)
            case None:
                await answer(interaction, texts.WORDS_PLEASE)


BUTTONS = (
    DescribeButton,
    GiveUpButton,
    GiveUpYesButton,
    GiveUpNoButton,
    MeantButton,
    EndGameButton,
    NewGameButton,
)


def give_up_buttons(game_id: str, player_id: object) -> Buttons:
    """The buttons under the question whether to end a game."""
    owner = str(player_id)
    return Buttons(GiveUpYesButton(game_id, owner), GiveUpNoButton(game_id, owner))


def meant_buttons(game_id: str, message_id: str, actions: Sequence[str]) -> Buttons:
    """The buttons under the question which of these actions a message means."""
    numbers = range(1, len(actions) + 1)
    labels, no = ([texts.YES], texts.NO) if len(actions) == 1 else (map(str, numbers), texts.NONE_OF_THESE)
    rows = zip(map(str, numbers), map(action_key, actions), labels, strict=True)
    return Buttons(
        *(MeantButton(game_id, message_id, *row) for row in rows),
        MeantButton(game_id, message_id, "0", label=no),
    )


def board_buttons(game: Game, player_id: str) -> Buttons:
    """The buttons under a board."""
    if game.outcome is Outcome.OPEN:
        return Buttons(DescribeButton(game.id, player_id), GiveUpButton(game.id, player_id))
    return Buttons(NewGameButton(game.game, game.team, game.difficulty, label_of(game.images)))


def play_buttons(names: Sequence[str] | None) -> Buttons:
    """The buttons that start a game, one for each of these games; None for all."""
    offered = [game for name, game in GAMES.items() if names is None or name in names]
    return Buttons(*(NewGameButton(game.name, label=texts.play_label(game.words)) for game in offered))


async def start_game(interaction: BotInteraction, wish: Wish) -> None:
    """Open a game for the person who asked, and answer with a link to it."""
    await acknowledge(interaction, thinking=True)
    if interaction.guild is None:
        await answer(interaction, texts.ONLY_IN_SERVERS)
        return
    bot = services_of(interaction)
    try:
        thread = await bot.opener.open(interaction.channel, interaction.user, str(interaction.locale), wish)
    except AlreadyPlaying as running:
        give_up = Buttons(GiveUpButton(running.game.id, str(interaction.user.id)))
        await answer(interaction, str(running), view=give_up)
        bot.games.wake(running.game.id)
        return
    except QuizFirst as quiz:
        await answer(interaction, str(quiz), view=quiz.view)
        return
    text, view = texts.opened(thread.id), discord.utils.MISSING
    if (notice := await first_choices(bot, interaction.user)) is not None:
        text, view = f"{text}\n{notice[0]}", notice[1]
    await answer(interaction, text, view=view)
