"""Baselines without a network, ready as pipelines."""

from ._baselines import make_fine_hog_ocsvm, make_hog_ocsvm, make_isolation_forest

__all__ = ["make_fine_hog_ocsvm", "make_hog_ocsvm", "make_isolation_forest"]
