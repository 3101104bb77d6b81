"""Seeds for the estimators inside a meta-estimator."""


def seed_unset(estimator, draw):
    """Set every `random_state` of `estimator` and of what it nests that is None to `draw()`; return it."""
    unset = [
        name
        for name, value in sorted(estimator.get_params().items())
        if name.split("__")[-1] == "random_state" and value is None
    ]
    return estimator.set_params(**{name: draw() for name in unset})
