"""Baselines without a network, ready as pipelines."""

from ._baselines import make_hog_ocsvm, make_isolation_forest

__all__ = ["make_hog_ocsvm", "make_isolation_forest"]
