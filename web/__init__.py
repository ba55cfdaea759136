"""HTTP endpoints for health and metrics (aiohttp)."""
