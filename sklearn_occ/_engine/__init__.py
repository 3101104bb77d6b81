"""How any deep method is trained and scored; names no method."""

from ._seeding import RandomStream
from .estimators._autoencoder import BaseAutoencoder, BaseReconstruction
from .estimators._budget import Steps, epochs_or_auto, share_of_epochs
from .estimators._codes import BaseCodes
from .estimators._deep import BaseDeepOneClass
from .estimators._rows import BaseRowMaker
from .nets._adversarial import AdversarialNet
from .nets._callbacks import LAST_STAGE
from .nets._drawing import DrawingNet
from .nets._net import OneClassNet
from .rows._batches import ResidentBatches, as_network_input
from .rows._statistics import (
    LEAST_DISTINCT,
    all_codes,
    count_distinct,
    mean_and_deviation,
    reconstructed_variance,
    renew_batch_statistics,
    total_variance,
)
from .rows._streaming import HostRows
from .steps._adam import FusedAdam

__all__ = [
    "LAST_STAGE",
    "LEAST_DISTINCT",
    "AdversarialNet",
    "BaseAutoencoder",
    "BaseCodes",
    "BaseDeepOneClass",
    "BaseReconstruction",
    "BaseRowMaker",
    "DrawingNet",
    "FusedAdam",
    "HostRows",
    "OneClassNet",
    "RandomStream",
    "ResidentBatches",
    "Steps",
    "all_codes",
    "as_network_input",
    "count_distinct",
    "epochs_or_auto",
    "mean_and_deviation",
    "reconstructed_variance",
    "renew_batch_statistics",
    "share_of_epochs",
    "total_variance",
]
