"""The page for researchers and operators (aiohttp, Jinja2). It runs in a process of its own, beside the bot."""
