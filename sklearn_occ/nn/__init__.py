"""Plain torch parts: encoders, decoders and losses that several methods share."""

from ._adversarial import (
    Discriminator,
    EncodedAdversarial,
    GenerativeAdversarial,
    Recoder,
    RecodingAdversarial,
    build_discriminator,
    default_table_generator,
    keeping_statistics,
)
from ._augmentation import AUGMENTATIONS, random_flip, random_shift
from ._autoencoder import Autoencoder, build_decoder, build_encoder, default_code_width
from ._cascade import (
    CascadeDecoder,
    CascadeOutput,
    CascadeVariationalAutoencoder,
    build_cascade,
    code_parts,
)
from ._convolutional import ConvDecoder, ConvEncoder
from ._dense import DenseDecoder, DenseEncoder
from ._distortions import random_distortion, random_permutation, random_resampling
from ._judged import JudgedCascade, build_judge
from ._losses import (
    ReconstructionLoss,
    ScoreOfParts,
    gradient_penalty,
    mean_squared_error,
    row_error,
    squared_error,
)
from ._margin import MapDecoder, MapEncoder, MarginHead, MarginNetwork, map_code_width
from ._mixture import MixtureAutoencoder, mixture_log_density, mixture_statistics
from ._noise import coarse_noise
from ._patches import PatchDecoder, PatchEncoder, patch_code_width
from ._sending import send
from ._similarity import StructuralSimilarity
from ._unet import Denoiser, DenseDenoiser, UNet, build_denoiser
from ._variational import (
    GaussianEncoder,
    VariationalAutoencoder,
    build_variational_decoder,
    build_variational_encoder,
    kl_divergence,
    variational_code_width,
)

__all__ = [
    "AUGMENTATIONS",
    "Autoencoder",
    "CascadeDecoder",
    "CascadeOutput",
    "CascadeVariationalAutoencoder",
    "ConvDecoder",
    "ConvEncoder",
    "Denoiser",
    "DenseDecoder",
    "DenseDenoiser",
    "DenseEncoder",
    "Discriminator",
    "EncodedAdversarial",
    "GaussianEncoder",
    "GenerativeAdversarial",
    "JudgedCascade",
    "MapDecoder",
    "MapEncoder",
    "MarginHead",
    "MarginNetwork",
    "MixtureAutoencoder",
    "PatchDecoder",
    "PatchEncoder",
    "Recoder",
    "RecodingAdversarial",
    "ReconstructionLoss",
    "ScoreOfParts",
    "StructuralSimilarity",
    "UNet",
    "VariationalAutoencoder",
    "build_cascade",
    "build_decoder",
    "build_denoiser",
    "build_discriminator",
    "build_encoder",
    "build_judge",
    "build_variational_decoder",
    "build_variational_encoder",
    "coarse_noise",
    "code_parts",
    "default_code_width",
    "default_table_generator",
    "gradient_penalty",
    "keeping_statistics",
    "kl_divergence",
    "map_code_width",
    "mean_squared_error",
    "mixture_log_density",
    "mixture_statistics",
    "patch_code_width",
    "random_distortion",
    "random_flip",
    "random_permutation",
    "random_resampling",
    "random_shift",
    "row_error",
    "send",
    "squared_error",
    "variational_code_width",
]
