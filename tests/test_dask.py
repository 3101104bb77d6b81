"""Several machines through Dask: searches by joblib's backend, scores of arrays by blocks. Two workers stand in."""

import os

import joblib
import numpy as np
import pytest
from dask import array, distributed
from sklearn.model_selection import GridSearchCV

from sklearn_occ import CAE
from sklearn_occ.model_selection import OneClassKFold


@pytest.fixture(scope="module")
def client():
    cluster = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**cluster) as workers, distributed.Client(workers) as client:
        yield client


def test_a_grid_search_on_two_workers_is_that_of_one_process(client, rng):
    X, y = rng.normal(size=(120, 6)), np.where(np.arange(120) < 100, 1, -1)
    search = GridSearchCV(
        CAE(max_epochs=2, random_state=0), {"lr": [1e-3, 1e-2]}, cv=OneClassKFold(3), scoring="roc_auc"
    )
    here = search.fit(X, y).cv_results_["mean_test_score"]
    with joblib.parallel_config("dask"):
        there = search.fit(X, y).cv_results_["mean_test_score"]
        processes = search.set_params(scoring=process_that_scored, refit=False).fit(X, y).cv_results_
    np.testing.assert_allclose(there, here, rtol=1e-6)
    found = {processes[f"split{fold}_test_score"][row] for fold in range(3) for row in range(2)}
    assert found <= set(client.run(os.getpid).values())
    assert os.getpid() not in found


def process_that_scored(estimator, X, y):
    return os.getpid()


def test_a_dask_array_is_scored_by_blocks(client, blobs):
    X = blobs(60)
    occ = CAE(max_epochs=2, channels=4, random_state=0).fit(X)
    blocks = array.from_array(X, chunks=(20, -1, -1))
    scores = blocks.map_blocks(occ.score_samples, drop_axis=(1, 2), dtype=float, meta=np.empty(0))
    assert scores.chunks == ((20, 20, 20),)
    np.testing.assert_array_equal(scores.compute(), occ.score_samples(X))
