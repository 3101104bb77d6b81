"""Seeds for the estimators inside a meta-estimator."""

LARGEST_SEED = 2**31 - 1  # drawn seeds are below: NumPy's older generators take 32 bits, some with a sign


def seed_unset(estimator, draw):
    """Set every `random_state` of `estimator` and of what it nests that is None to `draw()`; return it."""
    return _seeded(estimator, [name for name, value in _random_states(estimator) if value is None], draw)


def seed_all(estimator, draw):
    """Set every `random_state` of `estimator` and of what it nests, None or not, to `draw()`; return it."""
    return _seeded(estimator, [name for name, _ in _random_states(estimator)], draw)


def _seeded(estimator, names, draw):
    estimator.set_params(**{name: draw() for name in names})  # which returns nothing where an estimator is frozen
    return estimator


def _random_states(estimator):
    params = sorted(estimator.get_params().items(), key=lambda item: item[0])
    return [(name, value) for name, value in params if name.split("__")[-1] == "random_state"]
