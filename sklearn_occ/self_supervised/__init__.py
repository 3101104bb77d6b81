"""Detectors trained to tell the majority from what is made of it."""

from ._tend import TEND

__all__ = ["TEND"]
