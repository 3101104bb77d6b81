"""unseen_transformation_rates against counting by hand, for detectors of this package and others'."""

import numpy as np
import pytest
from conftest import quick
from sklearn.ensemble import IsolationForest

from sklearn_occ.datasets import transform_images
from sklearn_occ.metrics import g_mean_threshold, unseen_transformation_rates


class Brightest:
    """A detector of flattened images: the brighter the brightest pixel, the lower the score."""

    def score_samples(self, X):
        return -X.max(1)


@pytest.mark.parametrize("threshold", [-0.95, -0.85])
def test_shares_are_counted(threshold, rng):
    images = 0.9 * rng.random((40, 6, 6))
    rates = unseen_transformation_rates(Brightest(), images, threshold, random_state=2)
    assert list(rates) == ["none", "cut", "crop", "noise", "blur"]
    assert rates["none"] == np.mean(images.max((1, 2)) > -threshold)
    for kind in ("cut", "crop", "noise", "blur"):
        changed = transform_images(images, kind=kind, random_state=2)
        assert rates[kind] == np.mean(changed.max((1, 2)) > -threshold)
    assert 0 < rates["noise"] < 1


def test_strengths_choose_what_is_done(rng):
    images = rng.random((40, 6, 6))
    rates = unseen_transformation_rates(Brightest(), images, -0.9, strengths={"blur": 2.0, "crop": None})
    assert list(rates) == ["none", "blur", "crop"]
    assert rates["blur"] == 0


def test_a_score_on_the_threshold_is_majority():
    assert unseen_transformation_rates(Brightest(), np.ones((3, 4, 4)), -1.0, strengths={}) == {"none": 0.0}
    assert unseen_transformation_rates(Brightest(), np.ones((3, 4, 4)), np.inf, strengths={}) == {"none": 1.0}


@pytest.mark.parametrize("name", ["PCAReconstruction", "CAE"])
def test_shares_are_those_of_predict(name, blobs):
    occ = quick(name).fit(blobs(40))
    images = blobs(30, seed=1)
    rates = unseen_transformation_rates(occ, images, occ.offset_)
    assert rates["none"] == np.mean(occ.predict(images) == -1)
    assert rates["cut"] == np.mean(occ.predict(transform_images(images, kind="cut")) == -1)


def test_a_detector_of_another_library(blobs):
    flat = blobs(60).reshape(60, -1) / 255
    forest = IsolationForest(random_state=0).fit(flat[:30])
    scores = forest.score_samples(np.concatenate([flat[30:], 1 - flat[30:]]))
    threshold = g_mean_threshold(np.repeat([1, -1], 30), scores).threshold
    rates = unseen_transformation_rates(forest, blobs(60)[30:], threshold)
    assert rates["none"] == np.mean(scores[:30] < threshold)
    assert rates["crop"] > rates["none"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strengths": {"rotate": None}}, "The 'kind' parameter"),
        ({"strengths": {"crop": 2.0}}, "strength of 'crop'"),
        ({"threshold": "auto"}, "The 'threshold' parameter"),
        ({"threshold": np.nan}, "The 'threshold' parameter"),
        ({"estimator": object()}, "implementing 'score_samples'"),
        ({"images": np.full((2, 4, 4), 7.0)}, "must lie in"),
    ],
)
def test_errors(changes, message):
    given = {"estimator": Brightest(), "images": np.ones((3, 4, 4)), "threshold": 0.5}
    with pytest.raises(ValueError, match=message):
        unseen_transformation_rates(**given | changes)
