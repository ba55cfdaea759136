"""`respect bot`: the bot against Discord."""

from bot.__main__ import main


def bot() -> None:
    """Run the bot until it is interrupted. Settings are read from the environment and from .env."""
    main()
