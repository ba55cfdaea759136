"""Settings of the bot."""

from pydantic import Field, SecretStr

from learner.settings import LearnerSettings
from store.models import Origin


class BotSettings(LearnerSettings):
    """What the bot needs to know, its policy service and rounds included."""

    discord_token: SecretStr | None = Field(None, description="The bot's token.")
    discord_api: str | None = Field(
        None, description="Base URL of a local Discord-compatible service; unset is Discord itself."
    )
    discord_gateway: str | None = Field(None, description="Gateway URL of that service.")
    message_content: bool = Field(
        True,
        description="Ask for the message-content intent, so that messages in a thread are instructions. "
        "Without it people use the Describe button.",
    )
    images: str = Field(
        "classic", description="Image set of new games: 'classic', 'classic:N' or 'kilogram:DIR'."
    )
    play_cooldown: float = Field(10.0, ge=0, description="Seconds between one player's new games.")
    round_schedule: str | None = Field(None, description="Cron expression of rounds, e.g. '0 4 * * *'.")
    round_every_games: int = Field(
        0, ge=0, description="Start a round after this many new finished games; 0 never."
    )
    web_host: str = Field("127.0.0.1", description="Address of the health and metrics page.")
    web_port: int = Field(0, ge=0, le=65535, description="Its port; 0 takes a free one.")
    log_json: bool = Field(False, description="Log JSON lines in place of coloured text.")

    @property
    def origin(self) -> Origin:
        """Where games come from. Only a loopback service is local (`bot.connection` refuses any other)."""
        return Origin.LOCAL if self.discord_api else Origin.DISCORD
