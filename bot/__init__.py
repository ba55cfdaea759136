"""Discord: cogs, views, texts, the live games, the schedule. Knows the policy only as a client."""
