"""Where a fitted attribute is kept: by the estimator, or by one inside it."""

from sklearn.pipeline import Pipeline

_INNER = ("best_estimator_", "estimator_", "autoencoder_")  # of searches, of MajorityOnly, of COCSVM


def owner_of(estimator, name):
    """The outermost fitted estimator that has the attribute `name`, None where there is none."""
    while estimator is not None and not hasattr(estimator, name):
        if isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        else:
            estimator = next((getattr(estimator, inner) for inner in _INNER if hasattr(estimator, inner)), None)
    return estimator
