"""Files that keep the state of fits, where a meta-estimator has several."""

from pathlib import Path


def with_own_checkpoint(estimator, k):
    """Give the k-th of several fits a file of its own: every `checkpoint`, "fit.pt", becomes "fit-k.pt"."""
    files = {
        name: Path(value).with_stem(f"{Path(value).stem}-{k}")
        for name, value in estimator.get_params().items()
        if name.split("__")[-1] == "checkpoint" and value is not None
    }
    estimator.set_params(**files)  # which returns nothing where an estimator is frozen
    return estimator
