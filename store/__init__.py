"""What happened: SQLModel tables, the queries on them, export. Knows only the games."""
