"""`score_parts` of every method that has parts: they make the score as its docstring says, with the score's sign."""

import numpy as np
import pytest
from conftest import QUICK, quick
from sklearn.exceptions import NotFittedError

from sklearn_occ import CVAD, TEND, AnoGAN, ConOCC, FAnoGAN


def combined(occ, parts, n_values):
    """The score from its parts, by the formulas of the docstrings."""
    if isinstance(occ, ConOCC):
        return parts["reconstruction"] + occ.gamma * parts["distance"] / n_values
    if isinstance(occ, TEND):
        share = occ.probability_share
        return share * parts["probability"] + (1 - share) * parts["distance"]
    if isinstance(occ, AnoGAN):
        return (1 - occ.feature_share) * parts["reconstruction"] + occ.feature_share * parts["feature"]
    if isinstance(occ, FAnoGAN):
        return parts["reconstruction"] + occ.feature_weight * parts["feature"]
    if isinstance(occ, CVAD) and occ.score_function == "average":
        least, greatest = occ.error_range_
        return ((parts["reconstruction"] + least) / (greatest - least) + parts["probability"]) / 2
    return sum(parts.values())


COMBINATIONS = [
    ("ConOCC", {"score_function": "sum"}),
    ("TEND", {"probability_share": 0.2}),
    ("AnoGAN", {"feature_share": 0.3}),
    ("FAnoGAN", {"feature_weight": 0.3}),
    ("CVAD", {}),
    ("CVAD", {"score_function": "sum"}),
]
CHOSEN = ["CAE", "ConOCC", "AnoGAN", "CVAD"]  # which have `score_function`
WITH_PARTS = {"CAE", "ConOCC", "ConOCC-joint", "TEND", "AnoGAN", "FAnoGAN", "CVAD"}


def test_which_estimators_have_it(table):
    assert {name for name, occ in QUICK.items() if hasattr(occ, "score_parts")} == WITH_PARTS
    assert WITH_PARTS - {"TEND", "FAnoGAN"} == {name for name in QUICK if "score_function" in quick(name).get_params()}
    with pytest.raises(NotFittedError):
        quick("ConOCC").score_parts(table)


@pytest.mark.parametrize("kind", ["images", "table"])
@pytest.mark.parametrize(("name", "params"), COMBINATIONS, ids=str)
def test_the_parts_make_the_score(name, params, kind, X, table):
    rows = X if kind == "images" else table
    occ = quick(name, **params).fit(rows)
    parts = occ.score_parts(rows)
    assert len(parts) == 2
    for part in parts.values():
        assert part.shape == (50,) and part.dtype == np.float64 and np.ptp(part) > 0
    np.testing.assert_allclose(occ.score_samples(rows), combined(occ, parts, rows[0].size), rtol=1e-12)


@pytest.mark.parametrize("kind", ["images", "table"])
@pytest.mark.parametrize("name", CHOSEN)
def test_a_part_that_is_named_is_the_score(name, kind, X, table):
    rows = X if kind == "images" else table
    parts = quick(name).fit(rows).score_parts(rows)
    assert list(parts) == (["reconstruction"] if (name, kind) == ("CAE", "table") else list(parts))
    for part, expected in parts.items():
        occ = quick(name, score_function=part).fit(rows)
        np.testing.assert_array_equal(occ.score_samples(rows), expected)
        np.testing.assert_array_equal(occ.score_parts(rows)[part], expected)


@pytest.mark.parametrize("name", sorted(WITH_PARTS - {"TEND"}))
def test_the_part_named_reconstruction_is_minus_its_error(name, X):
    occ = quick(name).fit(X)
    errors = np.abs(occ.reconstruct(X) - X.astype(np.float32) / 255)
    of_rows = (errors if isinstance(occ, AnoGAN) else errors**2).mean((1, 2))
    np.testing.assert_allclose(occ.score_parts(X)["reconstruction"], -of_rows, rtol=1e-4)


def test_a_part_that_is_not_finite_names_the_row(table):
    occ = quick("ConOCC").fit(table)
    with pytest.raises(ValueError, match="The reconstruction score of row 1 is -inf"):
        occ.score_parts(np.stack([table[0], np.full(6, 1e200)]))
