"""Evaluation of one-class scores against labels: average precision and the best operating point."""

from ._average_precision import aupr_majority_scorer, aupr_minority_scorer, aupr_score
from ._operating_point import g_mean_threshold

__all__ = ["aupr_majority_scorer", "aupr_minority_scorer", "aupr_score", "g_mean_threshold"]
