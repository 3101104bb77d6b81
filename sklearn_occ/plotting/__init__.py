"""Displays in scikit-learn's convention: `from_...` computes and draws, `plot` draws again. They need matplotlib."""

from ._anomaly_map import AnomalyMapDisplay
from ._code_map import CodeMapDisplay
from ._distance_rings import DistanceRingsDisplay
from ._reconstruction import ReconstructionDisplay
from ._sample_gallery import SampleGalleryDisplay
from ._score_histogram import ScoreHistogramDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = [
    "AnomalyMapDisplay",
    "CodeMapDisplay",
    "DistanceRingsDisplay",
    "ReconstructionDisplay",
    "SampleGalleryDisplay",
    "ScoreHistogramDisplay",
    "TrainingCurveDisplay",
]
