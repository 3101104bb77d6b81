"""scikit-learn's own checks, on every estimator, with no failure excused."""

import pytest
from conftest import NAMES, PARTICULAR, WITH_NETWORK_INSIDE, quick, short
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

import sklearn_occ
from sklearn_occ import COCSVM, PCAReconstruction


def with_defaults(name):
    """With its defaults, only the numbers of epochs and of the steps of a search lowered."""
    particular = PARTICULAR.get(name, {})
    return short(name, **{key: particular[key] for key in WITH_NETWORK_INSIDE if key in particular})


ESTIMATORS = [with_defaults(name) for name in NAMES]

# The checks pass labels 0 and 1, and fit data on which two epochs teach nothing.
EXPECTED_WARNINGS = pytest.mark.filterwarnings(
    "ignore::sklearn_occ.exceptions.LabelsIgnoredWarning",
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
