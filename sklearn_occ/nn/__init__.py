"""Plain torch parts: encoders, decoders and losses that several methods share."""

from ._autoencoder import Autoencoder, build_decoder, build_encoder, default_code_width
from ._convolutional import ConvDecoder, ConvEncoder
from ._dense import DenseDecoder, DenseEncoder
from ._losses import ReconstructionLoss, mean_squared_error, squared_error

__all__ = [
    "Autoencoder",
    "ConvDecoder",
    "ConvEncoder",
    "DenseDecoder",
    "DenseEncoder",
    "ReconstructionLoss",
    "build_decoder",
    "build_encoder",
    "default_code_width",
    "mean_squared_error",
    "squared_error",
]
