"""How any deep method is trained and scored; names no method."""

from ._autoencoder import BaseAutoencoder, BaseReconstruction
from ._deep import BaseDeepOneClass
from ._statistics import all_codes, total_variance

__all__ = ["BaseAutoencoder", "BaseDeepOneClass", "BaseReconstruction", "all_codes", "total_variance"]
