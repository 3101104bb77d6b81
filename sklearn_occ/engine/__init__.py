"""How any deep method is trained and scored; names no method."""

from ._autoencoder import BaseAutoencoder, BaseReconstruction
from ._deep import BaseDeepOneClass
from ._seeding import RandomStream
from ._statistics import all_codes, total_variance

__all__ = ["BaseAutoencoder", "BaseDeepOneClass", "BaseReconstruction", "RandomStream", "all_codes", "total_variance"]
