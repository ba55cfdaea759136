"""The Discord bot: commands, buttons, texts, running games and the schedule. The policy is a separate service."""
