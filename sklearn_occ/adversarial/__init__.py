"""Detectors that learn to generate the majority against a discriminator."""

from ._anogan import AnoGAN
from ._f_anogan import FAnoGAN
from ._ganomaly import GANomaly

__all__ = ["AnoGAN", "FAnoGAN", "GANomaly"]
