"""`respect bot`: the bot against Discord."""


def bot() -> None:
    """Run the bot until it is interrupted. Settings are read from the environment and from .env."""
    from bot.__main__ import main  # discord.py and alembic are loaded only when the bot runs

    main()
