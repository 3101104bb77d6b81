"""Evaluation against labels: average precision, the best operating point, and localisation against masks."""

from ._average_precision import aupr_majority_scorer, aupr_minority_scorer, aupr_score
from ._localization import aupro_score, best_dice_score, pixel_aupr_score, pixel_roc_auc_score
from ._operating_point import g_mean_threshold
from ._unseen_transformations import unseen_transformation_rates

__all__ = [
    "aupr_majority_scorer",
    "aupr_minority_scorer",
    "aupr_score",
    "aupro_score",
    "best_dice_score",
    "g_mean_threshold",
    "pixel_aupr_score",
    "pixel_roc_auc_score",
    "unseen_transformation_rates",
]
