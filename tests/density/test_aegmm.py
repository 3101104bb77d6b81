"""AEGMM against the Pipeline of its parts, and its default mixture against the density written out."""

import numpy as np
import pytest
from conftest import CtrlC, quick
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.pipeline import Pipeline

from sklearn_occ import AEGMM, CAE
from sklearn_occ.datasets import load_one_class_digits


@pytest.fixture
def X(blobs):
    return blobs(60)


def test_it_is_the_pipeline_of_its_parts(X, blobs):
    autoencoder = CAE(max_epochs=5, lr=1e-3, channels=4, random_state=7)
    mixture = GaussianMixture(2, reg_covar=1e-3, random_state=0)
    ours = AEGMM(autoencoder=autoencoder, mixture=mixture).fit(X)
    pipeline = Pipeline([("autoencoder", autoencoder), ("mixture", mixture)]).fit(X)
    new = blobs(40, seed=1)
    np.testing.assert_allclose(ours.score_samples(new), pipeline.score_samples(new), rtol=1e-3)  # codes in float32
    np.testing.assert_array_equal(ours.transform(new), pipeline["autoencoder"].transform(new))
    assert ours.reconstruct(new).shape == new.shape


def test_the_default_is_a_mixture_with_one_covariance(X):
    occ = quick("AEGMM").fit(X)
    codes = occ.transform(X).astype(float)
    z = (codes - codes.mean(0)) / codes.std(0)
    mixture = occ.mixture_[-1]
    log_densities = [multivariate_normal(mean, mixture.covariances_).logpdf(z) for mean in mixture.means_]
    expected = logsumexp(np.log(mixture.weights_)[:, None] + log_densities, axis=0)
    np.testing.assert_allclose(occ.score_samples(X), expected, rtol=1e-6)
    within = sum(
        (share[:, None] * (z - mean)).T @ (z - mean)
        for share, mean in zip(mixture.predict_proba(z).T, mixture.means_, strict=True)
    )
    np.testing.assert_allclose(mixture.covariances_, within / 60 + 1e-2 * np.eye(z.shape[1]), atol=0.02)


def test_few_rows_have_few_components(blobs):
    sizes = [len(quick("AEGMM").fit(blobs(n)).mixture_[-1].weights_) for n in (3, 12, 19, 20, 60)]
    assert sizes == [1, 2, 3, 4, 4]


def test_other_stages(X):
    stages = {"autoencoder": PCA(5), "mixture": BayesianGaussianMixture(n_components=2, max_iter=500)}
    first, second = (AEGMM(**stages, random_state=0).fit(X) for _ in range(2))
    assert first.mixture_.random_state is not None and first.autoencoder_.random_state is not None
    assert first.n_components_ == 5
    expected = first.mixture_.score_samples(first.transform(X).astype(float))
    np.testing.assert_allclose(first.score_samples(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(first.score_samples(X), second.score_samples(X))


def test_it_has_no_threshold_of_its_own(X):
    with pytest.raises(ValueError, match="'contamination' parameter of AEGMM"):
        quick("AEGMM", contamination="auto").fit(X)


def test_ctrl_c_in_the_first_stage_is_raised(X):
    occ = AEGMM(autoencoder=quick("CAE", callbacks=[CtrlC(2)]))
    with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt, match="first stage"):
        occ.fit(X)
    assert not hasattr(occ, "offset_")


def test_the_mixture_is_of_use():
    """On digits the codes of untrained networks do as well as trained ones; the mixture of them is what matters."""
    digits = load_one_class_digits(majority=8)
    occ = AEGMM(autoencoder=CAE(channels=8, max_epochs=100), random_state=0).fit(digits.X_train)
    distance = ((occ.mixture_[0].transform(occ.transform(digits.X_test).astype(float))) ** 2).sum(1)
    aucs = [roc_auc_score(digits.y_test, scores) for scores in (-distance, occ.score_samples(digits.X_test))]
    assert aucs[1] > aucs[0] + 0.02 and aucs[1] > 0.85
