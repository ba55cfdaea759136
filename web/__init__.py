"""aiohttp pages and endpoints over the store: health and metrics."""
