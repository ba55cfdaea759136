"""The database: SQLModel tables, queries and export. Imports nothing of the project but `games`."""
