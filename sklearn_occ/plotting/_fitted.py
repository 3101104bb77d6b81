"""Where a fitted attribute is kept: by the estimator, or by one inside it."""

from sklearn.pipeline import Pipeline

_CENTRES = ("center_", "center_")  # of ConOCC, of DeepSVDD
_INNER = ("best_estimator_", "estimator_", "autoencoder_")  # of searches, of MajorityOnly, of COCSVM


def owner_of(estimator, name):
    """The outermost fitted estimator that has the attribute `name`, None where there is none."""
    while estimator is not None and not hasattr(estimator, name):
        estimator = _inner(estimator)
    return estimator


def rows_seen_by(owner, estimator, X):
    """`X` as `owner` inside `estimator` gets it: transformed by the steps before it."""
    while estimator is not owner:
        if isinstance(estimator, Pipeline) and len(estimator) > 1:
            X = estimator[:-1].transform(X)
        estimator = _inner(estimator)
    return X


def center_of_codes(estimator):
    """The centre among the codes, as `transform` gives them; None where there is none.

    `center_` of TEND lies among what its head makes of the codes.
    """
    owner = owner_of(estimator, "center_")
    return None if owner is None or hasattr(owner, "margin") else owner.center_


def _inner(estimator):
    if isinstance(estimator, Pipeline):
        return estimator[-1]
    return next((getattr(estimator, name) for name in _INNER if hasattr(estimator, name)), None)
