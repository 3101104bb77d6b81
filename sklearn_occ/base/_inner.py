"""Estimators inside another: seeds, `verbose`, checkpoint files, threads, and whether Ctrl-C ended their fit."""

import warnings
from inspect import signature
from pathlib import Path

from joblib import Parallel, delayed
from sklearn import config_context, get_config
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

LARGEST_SEED = 2**31 - 1  # drawn seeds are below: NumPy's older generators take 32 bits, some with a sign


def seed_unset(estimator, draw):
    """Set every `random_state` of `estimator` and of what it nests that is None to `draw()`; return it."""
    return _seeded(estimator, [name for name, value in _named(estimator, "random_state") if value is None], draw)


def seed_all(estimator, draw):
    """Set every `random_state` of `estimator` and of what it nests, None or not, to `draw()`; return it."""
    return _seeded(estimator, [name for name, _ in _named(estimator, "random_state")], draw)


def hand_verbose(estimator, verbose):
    """Set every `verbose` that has its default, of `estimator` and of the detectors that it nests; return it.

    So what a user has set in a detector inside stays. Estimators of other packages keep theirs.
    """
    params, handed = {"": estimator, **estimator.get_params()}, {}
    for name, value in _named(estimator, "verbose"):
        owner = params[name.rpartition("__")[0]]
        if hasattr(owner, "set_contamination") and value == signature(type(owner)).parameters["verbose"].default:
            handed[name] = verbose
    estimator.set_params(**handed)  # which returns nothing where an estimator is frozen
    return estimator


def in_threads(n_jobs, function, calls):
    """`[function(*args) for args in calls]` in so many threads, with scikit-learn's configuration of this one."""
    config = get_config()
    with warnings.catch_warnings():  # whose own use in several threads at once can leave the filters changed
        return Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(_with_config)(config, function, *args) for args in calls
        )


def with_own_checkpoint(estimator, k):
    """Give the k-th of several fits a file of its own: every `checkpoint`, "fit.pt", becomes "fit-k.pt"."""
    files = {
        name: Path(value).with_stem(f"{Path(value).stem}-{k}")
        for name, value in _named(estimator, "checkpoint")
        if value is not None
    }
    estimator.set_params(**files)  # which returns nothing where an estimator is frozen
    return estimator


def was_interrupted(fitted):
    """Whether Ctrl-C ended the training of a network in a fitted estimator, a pipeline or what wraps one."""
    if isinstance(fitted, FrozenEstimator):  # fitted before, by the user
        return False
    if isinstance(fitted, Pipeline):
        return any(was_interrupted(step) for _, step in fitted.steps)
    if hasattr(fitted, "estimator_"):
        return was_interrupted(fitted.estimator_)
    return getattr(getattr(fitted, "net_", None), "interrupted_", False)


def _with_config(config, function, *args):
    with config_context(**config):  # which scikit-learn keeps for each thread
        return function(*args)


def _seeded(estimator, names, draw):
    estimator.set_params(**{name: draw() for name in names})  # which returns nothing where an estimator is frozen
    return estimator


def _named(estimator, parameter):
    """Parameters of that name of `estimator` and of what it nests, in the order of their full names."""
    params = sorted(estimator.get_params().items(), key=lambda item: item[0])
    return [(name, value) for name, value in params if name.split("__")[-1] == parameter]
