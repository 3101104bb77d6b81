"""What an estimator hands to those inside: `verbose`; and threads for several fits."""

import numpy as np
import pytest
from conftest import quick
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_occ import AEGMM, CAE, COCSVM, AlignedDetector, PatchDetector, SeedEnsemble
from sklearn_occ.base._inner import hand_verbose

NETWORK = CAE(max_epochs=1, channels=2, random_state=0)
WITH_A_NETWORK_INSIDE = {
    "COCSVM": lambda inner, **params: COCSVM(autoencoder=inner, **params),
    "AEGMM": lambda inner, **params: AEGMM(autoencoder=inner, **params),
    "SeedEnsemble": lambda inner, **params: SeedEnsemble(inner, n_estimators=2, **params),
    "AlignedDetector": lambda inner, **params: AlignedDetector(inner, cv=2, **params),
    "PatchDetector": lambda inner, **params: PatchDetector(inner, patch_size=8, foreground=None, **params),
}


@pytest.fixture(params=list(WITH_A_NETWORK_INSIDE))
def make(request):
    return WITH_A_NETWORK_INSIDE[request.param]


def epochs_printed(capsys):
    return sum("train_loss" in line for line in capsys.readouterr().out.splitlines())


def test_verbose_reaches_the_networks_inside(make, X, capsys):
    n_networks = {COCSVM: 1, AEGMM: 1, SeedEnsemble: 2, AlignedDetector: 3, PatchDetector: 1}
    loud = make(clone(NETWORK), random_state=0, verbose=1).fit(X)
    assert epochs_printed(capsys) == n_networks[type(loud)]
    quiet = make(clone(NETWORK), random_state=0, verbose=0).fit(X)
    assert not capsys.readouterr().out
    np.testing.assert_array_equal(loud.score_samples(X), quiet.score_samples(X))


def test_what_was_set_inside_stays(make, X, capsys):
    inner = clone(NETWORK).set_params(verbose=2)
    make(inner, random_state=0, verbose=0).fit(X)
    assert epochs_printed(capsys)
    assert inner.verbose == 2


def test_it_goes_to_all_depths_and_to_detectors_of_this_package_alone():
    nested = SeedEnsemble(make_pipeline(StandardScaler(), COCSVM(autoencoder=clone(NETWORK), svm=OneClassSVM())))
    hand_verbose(nested, 1)
    inner = nested.estimator[-1]
    assert (nested.verbose, inner.verbose, inner.autoencoder.verbose, inner.svm.verbose) == (1, 1, 1, False)
    mixture = AEGMM(mixture=GaussianMixture())
    assert hand_verbose(mixture, 1).mixture.verbose == 0
    frozen = FrozenEstimator(clone(NETWORK))
    assert hand_verbose(frozen, 1).estimator.verbose == "auto"


def test_folds_in_threads_give_the_same_bits(X):
    one, three = (AlignedDetector(quick("CAE"), cv=3, n_jobs=n, random_state=0).fit(X) for n in (None, 3))
    np.testing.assert_array_equal(one.map_mean_, three.map_mean_)
    np.testing.assert_array_equal(one.map_scale_, three.map_scale_)
    np.testing.assert_array_equal(one.score_samples(X), three.score_samples(X))


def test_folds_are_fitted_in_as_many_threads_as_n_jobs_says(X):
    import threading

    seen, both = set(), threading.Barrier(2, timeout=60)

    class Meeting(type(quick("PCAReconstruction"))):
        def _fit(self, rows, held_out):
            if threading.current_thread() is not threading.main_thread():
                both.wait()  # which one thread alone would never leave
                seen.add(threading.get_ident())
            return super()._fit(rows, held_out)

    AlignedDetector(Meeting(), cv=2, n_jobs=2, random_state=0).fit(X)
    assert len(seen) == 2
