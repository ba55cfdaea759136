"""The embedded vision-language model: built from nothing in minutes, its weights shipped beside this file."""

from pathlib import Path

TINY_WEIGHTS = Path(__file__).with_name("weights")
"""Folder of the shipped weights, in transformers' own format."""

__all__ = ["TINY_WEIGHTS"]
