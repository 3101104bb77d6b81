"""Detectors made of variational autoencoders."""

from ._cascade_vae import CascadeVAE
from ._cvad import CVAD
from ._vae import VAE

__all__ = ["CVAD", "VAE", "CascadeVAE"]
