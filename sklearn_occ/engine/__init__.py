"""How any deep method is trained and scored; names no method."""

from ._adam import FusedAdam
from ._adversarial import AdversarialNet
from ._autoencoder import BaseAutoencoder, BaseReconstruction
from ._batches import ResidentBatches, as_network_input
from ._codes import BaseCodes, DecodingMixin, EncodingMixin
from ._deep import BaseDeepOneClass
from ._drawing import DrawingNet
from ._net import LAST_STAGE, OneClassNet
from ._rows import BaseRowMaker, ReconstructingMixin
from ._seeding import RandomStream
from ._stacked import StackingError, fit_stacked, runs_on_cuda
from ._statistics import (
    LEAST_DISTINCT,
    all_codes,
    count_distinct,
    mean_and_deviation,
    reconstructed_variance,
    renew_batch_statistics,
    total_variance,
)
from ._streaming import HostRows

__all__ = [
    "LAST_STAGE",
    "LEAST_DISTINCT",
    "AdversarialNet",
    "BaseAutoencoder",
    "BaseCodes",
    "BaseDeepOneClass",
    "BaseReconstruction",
    "BaseRowMaker",
    "DecodingMixin",
    "DrawingNet",
    "EncodingMixin",
    "FusedAdam",
    "HostRows",
    "OneClassNet",
    "RandomStream",
    "ReconstructingMixin",
    "ResidentBatches",
    "StackingError",
    "all_codes",
    "as_network_input",
    "count_distinct",
    "fit_stacked",
    "mean_and_deviation",
    "reconstructed_variance",
    "renew_batch_statistics",
    "runs_on_cuda",
    "total_variance",
]
