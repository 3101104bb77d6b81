"""Detectors made of several fitted ones."""

from ._seed_ensemble import SeedEnsemble

__all__ = ["SeedEnsemble"]
