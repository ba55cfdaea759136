"""Builds a policy of a language model and an encoder of figures of our own (docs/models.md)."""
