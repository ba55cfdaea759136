"""The `respect` program: one file per group of commands."""
