"""Networks as a user passes them: parts of `encoder=`, `decoder=`, `denoiser=`, `discriminator=`, and of `augment=`.

The other modules hold what methods build theirs from; they are private.
"""

from ._adversarial import Discriminator
from ._augmentation import random_flip, random_shift
from ._convolutional import ConvDecoder, ConvEncoder
from ._dense import DenseDecoder, DenseEncoder
from ._margin import MapDecoder, MapEncoder
from ._patches import PatchDecoder, PatchEncoder
from ._unet import DenseDenoiser, UNet

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseDenoiser",
    "DenseEncoder",
    "Discriminator",
    "MapDecoder",
    "MapEncoder",
    "PatchDecoder",
    "PatchEncoder",
    "UNet",
    "random_flip",
    "random_shift",
]
