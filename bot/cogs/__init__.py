"""One module for each group of what people can ask of the bot. A cog translates; it decides nothing."""
