"""Detectors that reconstruct: what the autoencoder cannot rebuild is unlike the majority."""

from ._cae import CAE
from ._conocc import ConOCC
from ._denoising import DenoisingAutoencoder
from ._patch_autoencoder import PatchAutoencoder
from ._pca import PCAReconstruction
from ._sae import SAE

__all__ = ["CAE", "SAE", "ConOCC", "DenoisingAutoencoder", "PCAReconstruction", "PatchAutoencoder"]
