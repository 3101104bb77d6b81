"""CAE and SAE: formulas, codes, activations, and that training teaches something."""

import numpy as np
import pytest
import torch
from conftest import quick
from sklearn.metrics import roc_auc_score

from sklearn_occ import CAE, SAE, ConOCC
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn._losses import ReconstructionLoss
from sklearn_occ.reconstruction._sae import SparseReconstructionLoss

METHODS = ["CAE", "SAE", "ConOCC"]


def test_loss_and_score_of_cae(rng):
    reconstruction, x = rng.normal(size=(2, 5, 3, 4))
    outputs = torch.from_numpy(reconstruction), None
    criterion = ReconstructionLoss()
    errors = ((reconstruction - x) ** 2).sum((1, 2))
    assert criterion(outputs, torch.from_numpy(x)).item() == pytest.approx(errors.mean(), rel=1e-12)
    np.testing.assert_allclose(criterion.score(outputs, torch.from_numpy(x)), -errors / 12, rtol=1e-12)


def test_loss_of_sae(rng):
    reconstruction, x = rng.normal(size=(2, 5, 3, 4))
    code = np.abs(rng.normal(size=(5, 6)))
    outputs = torch.from_numpy(reconstruction), torch.from_numpy(code)
    expected = (((reconstruction - x) ** 2).sum((1, 2)) + 0.3 * code.sum(1)).mean()
    assert SparseReconstructionLoss(0.3)(outputs, torch.from_numpy(x)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["CAE", "SAE", "ConOCC", "PatchAutoencoder", "GANomaly"])
def test_trained_networks_are_what_another_detector_takes(name, blobs):
    X = blobs(50, size=16)
    occ = quick(name).fit(X)
    again = quick(name, encoder=occ.encoder_, decoder=occ.decoder_, n_components=None)
    again.fit(X[:10])  # makes the networks anew around them
    again.net_.module_.load_state_dict(occ.net_.module_.state_dict())
    np.testing.assert_array_equal(again.reconstruct(X), occ.reconstruct(X))
    np.testing.assert_array_equal(again.transform(X), occ.transform(X))


def test_scores_are_errors_of_the_reconstruction(make_deep, X):
    occ = make_deep().fit(X)
    if not isinstance(occ, CAE | SAE):
        return
    errors = ((occ.reconstruct(X) - X.astype(np.float32) / 255) ** 2).mean((1, 2))
    np.testing.assert_allclose(occ.score_samples(X), -errors, rtol=1e-4)


@pytest.mark.parametrize("channels", [None, 3])
def test_the_ssim_score_is_the_mean_of_the_ssim_map(channels, blobs):
    X = blobs(30, size=(9, 14), channels=channels)
    occ, by_error = (quick("CAE", score_function=name).fit(X) for name in ("ssim", "reconstruction"))
    scores = occ.score_samples(X)
    inner = slice(None), slice(2, 7), slice(3, 11)  # a quarter of 9 and of 14 pixels is left out at either end
    np.testing.assert_allclose(scores, 1 - occ.anomaly_map(X, kind="ssim")[inner].mean((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(occ.reconstruct(X), by_error.reconstruct(X))  # the same training
    assert occ.history_[:, "train_loss"] == by_error.history_[:, "train_loss"]
    raw = X * np.float32(3)  # the range is that of the rows trained on
    occ = quick("CAE", score_function="ssim").fit(raw)
    np.testing.assert_allclose(
        occ.score_samples(raw),
        1 - occ.anomaly_map(raw, kind="ssim")[inner].mean((1, 2)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_the_ssim_score_wants_images(X, rng):
    with pytest.raises(ValueError, match="score_function='ssim' compares images, but X is a table"):
        quick("CAE", score_function="ssim").fit(rng.normal(size=(20, 6)))
    flat = quick("CAE", score_function="ssim", image_shape=(12, 12)).fit(X.reshape(50, -1))
    np.testing.assert_array_equal(
        flat.score_samples(X.reshape(50, -1)), quick("CAE", score_function="ssim").fit(X).score_samples(X)
    )


def test_codes_of_sae_are_rectified_and_the_penalty_makes_them_sparse(X):
    active = {}
    for alpha in (0.0, 3.0):
        codes = quick("SAE", alpha=alpha, max_epochs=60).fit_transform(X)
        assert codes.min() == 0
        active[alpha] = codes.sum()
    assert active[3.0] < 0.5 * active[0.0]


@pytest.mark.parametrize("name", METHODS)
def test_reconstruction_is_decoded_code(name, X):
    occ = quick(name).fit(X)
    np.testing.assert_allclose(occ.inverse_transform(occ.transform(X)), occ.reconstruct(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*METHODS, "COCSVM"])
def test_layout_and_dtype_of_codes_and_rows(name, X):
    for dtype in (np.float32, np.float64):
        rows = (X / 255).astype(dtype)
        occ = quick(name).fit(rows)
        assert occ.transform(rows).dtype == dtype
        assert occ.inverse_transform(occ.transform(rows)).shape == rows.shape
        assert occ.reconstruct(rows[:, None]).shape == (50, 1, 12, 12)
        assert occ.reconstruct(rows.reshape(50, -1)).shape == (50, 144)
        assert occ.reconstruct(rows).dtype == dtype
    assert quick(name).fit(X).transform(X).dtype == np.float32


@pytest.mark.parametrize("name", [*METHODS, "COCSVM"])
def test_feature_names_and_pandas_output(name, X):
    occ = quick(name).set_output(transform="pandas").fit(X)
    codes = occ.transform(X)
    prefix = type(occ).__name__.lower()
    assert list(codes.columns) == list(occ.get_feature_names_out()) == [f"{prefix}{k}" for k in range(36)]


@pytest.mark.parametrize("name", METHODS)
def test_codes_of_another_width_are_refused(name, X):
    occ = quick(name).fit(X)
    with pytest.raises(ValueError, match=r"X has 35 columns, but codes of this .* have 36"):
        occ.inverse_transform(np.zeros((2, 35)))


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(np.uint8(1), "sigmoid"), (1 / 255, "sigmoid"), (1.0, "linear"), (-1 / 255, "linear")],
)
def test_output_activation_follows_the_range(X, scale, expected):
    rows = X * scale
    occ = quick("CAE").fit(rows)
    assert occ.output_activation_ == expected
    made = occ.reconstruct(rows)
    assert (made.min() >= 0 and made.max() <= 1) or expected == "linear"
    assert quick("CAE", output_activation="linear").fit(rows).output_activation_ == "linear"


def test_output_of_a_table_is_linear(rng):
    assert CAE(max_epochs=1).fit(rng.uniform(size=(20, 4))).output_activation_ == "linear"


@pytest.mark.parametrize("name", METHODS)
def test_one_step_changes_every_weight(name, X):
    trained, untrained = (quick(name, max_epochs=1, batch_size=50, lr=lr).fit(X) for lr in (1e-2, 1e-30))
    before, after = (
        dict(untrained.net_.module_.named_parameters()),
        dict(trained.net_.module_.named_parameters()),
    )
    # A bias in front of batch normalisation has no effect, hence no gradient beyond rounding.
    assert all(not torch.equal(before[key], after[key]) for key in after)


@pytest.mark.parametrize("estimator", [CAE(lr=1e-3), SAE(), ConOCC(gamma=0.1)], ids=lambda e: type(e).__name__)
def test_training_finds_digits_better_than_the_untrained_network(estimator):
    auc = {}
    for epochs, lr in ((1, 1e-12), (60, 1e-3)):
        found = []
        for majority in (2, 5, 8):
            digits = load_one_class_digits(majority=majority)
            for seed in (0, 1):
                occ = estimator.set_params(max_epochs=epochs, lr=lr, channels=16, random_state=seed)
                found.append(roc_auc_score(digits.y_test, occ.fit(digits.X_train).score_samples(digits.X_test)))
        auc[epochs] = np.array(found)
    assert auc[60].mean() > auc[1].mean() + 2 * auc[1].std() / np.sqrt(6)
    assert auc[60].mean() > 0.9
