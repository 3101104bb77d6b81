"""scikit-learn's own checks, on every estimator, with no failure excused."""

import pytest
from conftest import quick
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

import sklearn_occ
from sklearn_occ import (
    AEGMM,
    CAE,
    COCSVM,
    CVAD,
    DAGMM,
    OCSVM,
    SAE,
    TEND,
    VAE,
    AlignedDetector,
    AnoGAN,
    CascadeVAE,
    ConOCC,
    DeepSVDD,
    DenoisingAutoencoder,
    FAnoGAN,
    GANomaly,
    IntraClassSplitting,
    PatchAutoencoder,
    PCAReconstruction,
    SeedEnsemble,
)

# With their defaults, only the numbers of epochs and of AnoGAN's search steps lowered.
ESTIMATORS = [
    OCSVM(),
    COCSVM(autoencoder=CAE(max_epochs=2)),
    PCAReconstruction(),
    CAE(max_epochs=2),
    SAE(max_epochs=2),
    PatchAutoencoder(max_epochs=2),
    DenoisingAutoencoder(max_epochs=2),
    ConOCC(max_epochs=2),
    DeepSVDD(pretrain_epochs=1, max_epochs=2),
    DAGMM(max_epochs=2),
    TEND(pretrain_epochs=1, max_epochs=2),
    AEGMM(autoencoder=CAE(max_epochs=2)),
    IntraClassSplitting(pretrain_epochs=1, max_epochs=2),
    AnoGAN(max_epochs=2, search_steps=5),
    GANomaly(max_epochs=2),
    FAnoGAN(pretrain_epochs=1, max_epochs=2),
    VAE(max_epochs=2),
    CascadeVAE(max_epochs=2),
    CVAD(pretrain_epochs=1, max_epochs=2),
    SeedEnsemble(CAE(max_epochs=2), n_estimators=2),
    AlignedDetector(),
]

# The checks pass labels 0 and 1, and fit data on which two epochs teach nothing.
EXPECTED_WARNINGS = pytest.mark.filterwarnings(
    "ignore:y holds the two values:UserWarning",
    "ignore:The codes of ConOCC:sklearn.exceptions.ConvergenceWarning",
)


@EXPECTED_WARNINGS
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_parameters_are_checked(estimator):
    check_param_validation(type(estimator).__name__, estimator)


@EXPECTED_WARNINGS
@parametrize_with_checks(
    [
        quick("ConOCC-joint"),
        quick("DeepSVDD-soft"),
        quick("IntraClassSplitting", rho=None, constraints=False),
        quick("IntraClassSplitting", constraints=False),
        PCAReconstruction(n_components=0),
        COCSVM(autoencoder=PCA(), contamination=0.1),
        quick("SeedEnsemble-score"),
    ]
)
def test_scikit_learn_other_settings(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", sklearn_occ.__all__)
def test_an_estimator_is_read_in_nine_classes_of_ours_at_most(name):
    ours = [base.__name__ for base in getattr(sklearn_occ, name).__mro__ if base.__module__.startswith("sklearn_occ")]
    assert len(ours) <= 9, ours
    assert ours[0] == name


def test_a_way_back_is_there_where_the_decoder_stays():
    without = {"OCSVM", "DeepSVDD", "TEND", "IntraClassSplitting", "SeedEnsemble", "AlignedDetector"}
    for estimator in ESTIMATORS:
        name = type(estimator).__name__
        assert hasattr(estimator, "reconstruct") == (name not in without), name
        assert hasattr(estimator, "inverse_transform") == (name not in without | {"DenoisingAutoencoder"}), name
