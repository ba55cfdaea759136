"""The embedded vision-language model: pretrained from scratch in half an hour, with weights shipped in this
package."""

from pathlib import Path

TINY_WEIGHTS = Path(__file__).with_name("weights")
"""Folder of the shipped weights, in transformers' own format."""

__all__ = ["TINY_WEIGHTS"]
