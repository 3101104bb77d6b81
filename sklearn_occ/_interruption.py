"""Whether Ctrl-C ended a fit inside another estimator's."""

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline


def was_interrupted(fitted):
    """Whether Ctrl-C ended the training of a network in a fitted estimator, a pipeline or what wraps one."""
    if isinstance(fitted, FrozenEstimator):  # fitted before, by the user
        return False
    if isinstance(fitted, Pipeline):
        return any(was_interrupted(step) for _, step in fitted.steps)
    if hasattr(fitted, "estimator_"):
        return was_interrupted(fitted.estimator_)
    return getattr(getattr(fitted, "net_", None), "interrupted_", False)
