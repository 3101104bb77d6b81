"""Detectors that learn to generate the majority against a discriminator."""

from ._anogan import AnoGAN

__all__ = ["AnoGAN"]
