"""The detectors of the package by name, from its `__all__`: tests, `compare` and the benchmarks choose among them."""

from inspect import signature

from sklearn.base import OutlierMixin

import sklearn_occ

PAPER_NAMES = {"C-OCSVM": "COCSVM", "D-SVDD": "DeepSVDD", "ICS": "IntraClassSplitting"}  # as the papers write them


def all_detectors():
    """`{name: class}` of every detector that the package exports, in the order of its `__all__`."""
    exported = {name: getattr(sklearn_occ, name) for name in sklearn_occ.__all__}
    return {name: one for name, one in exported.items() if isinstance(one, type) and issubclass(one, OutlierMixin)}


def has_parameter(detector, name):
    """Whether the class `detector` has a parameter of that name."""
    return name in signature(detector).parameters


def has_network(detector):
    """Whether a network is trained in each fit of that class: its own, or that of a first stage."""
    return has_parameter(detector, "max_epochs") or has_parameter(detector, "autoencoder")
