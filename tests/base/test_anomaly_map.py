"""anomaly_map on every estimator that has it: layout, unit, what it shows, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ONE_NETWORK, QUICK, quick
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_occ import OCSVM, AlignedDetector, AnoGAN, DeepSVDD, PCAReconstruction, SeedEnsemble
from sklearn_occ.base import _anomaly_map
from sklearn_occ.preprocessing import ImageScaler

WITH_MAP = [name for name, occ in QUICK.items() if hasattr(occ, "anomaly_map")]
RECONSTRUCTING = [name for name in WITH_MAP if hasattr(QUICK[name], "reconstruct")]
IN_FLOAT64 = (PCAReconstruction, AlignedDetector, AnoGAN, DeepSVDD)
SCORED_BY_SQUARED_ERROR = [
    "PCAReconstruction",
    "CAE",
    "SAE",
    "ConOCC-joint",
    "DenoisingAutoencoder",
    "VAE",
    "CascadeVAE",
]


@pytest.fixture(params=WITH_MAP)
def make(request):
    return lambda **params: quick(request.param, **params)


@pytest.fixture(params=RECONSTRUCTING)
def make_reconstructing(request):
    return lambda **params: quick(request.param, **params)


def assert_close(maps, expected):
    """Equal but for rounding, which in a small square error is that of what was subtracted."""
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_which_estimators_have_it():
    assert {name for name in ONE_NETWORK if hasattr(QUICK[name], "reconstruct")} < set(WITH_MAP)
    others = {"PCAReconstruction", "DeepSVDD", "DeepSVDD-soft", "SeedEnsemble", "SeedEnsemble-score", "AlignedDetector"}
    assert others < set(WITH_MAP)
    assert not {"OCSVM", "COCSVM", "AEGMM", "TEND", "IntraClassSplitting"} & set(WITH_MAP)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (28, 28)], ids=str)
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_one_float64_map_for_each_image(make, blobs, size, channels):
    X = blobs(12, size=size, channels=channels)
    occ = make().fit(X)
    maps = occ.anomaly_map(X)
    assert maps.shape == (12, *size)
    assert maps.dtype == np.float64
    assert (maps >= 0).all() or isinstance(occ, AlignedDetector)  # whose maps are differences from what is usual
    assert (np.ptp(maps, axis=(1, 2)) > 0).all()


def test_layouts_and_bytes(make, blobs):
    X = blobs(20, size=(9, 13), channels=2)
    expected = make().fit(X).anomaly_map(X[:5])
    shape = {"image_shape": (2, 9, 13)}
    flat = X.reshape(20, -1)
    as_floats = X.astype(np.float32) / np.float32(255)
    # Integers in a table are not divided by 255, but a flattened image of bytes is.
    for rows, params in ((flat, shape), (as_floats, {}), (as_floats.reshape(20, -1), shape), (torch.from_numpy(X), {})):
        np.testing.assert_array_equal(make(**params).fit(rows).anomaly_map(rows[:5]), expected)
    framed = pd.DataFrame(as_floats.reshape(20, -1)).add_prefix("pixel")
    np.testing.assert_array_equal(make(**shape).fit(framed).anomaly_map(framed[:5]), expected)


@pytest.mark.parametrize("smoothing", [0.0, 1.5])
def test_a_map_is_the_same_in_any_company(make, blobs, rng, smoothing):
    X = blobs(150, size=(9, 13))
    occ = make().fit(X)
    maps = occ.anomaly_map(X, smoothing=smoothing)
    order = rng.permutation(150)
    assert_close(occ.anomaly_map(X[order], smoothing=smoothing), maps[order])
    assert_close(np.concatenate([occ.anomaly_map(X[i : i + 1], smoothing=smoothing) for i in range(5)]), maps[:5])


def test_work_in_blocks(make, blobs, monkeypatch):
    X = blobs(41, channels=2)
    occ = make().fit(X)
    maps = occ.anomaly_map(X, smoothing=1)
    monkeypatch.setattr(_anomaly_map, "_BLOCK_VALUES", 10 * X[0].size)  # blocks of 8
    assert_close(occ.anomaly_map(X, smoothing=1), maps)
    monkeypatch.setattr(_anomaly_map, "_BLOCK_VALUES", 1)
    assert_close(occ.anomaly_map(X[:3], smoothing=1), maps[:3])


def test_same_seed_same_bits(make, blobs):
    X = blobs(30)
    maps = make().fit(X).anomaly_map(X)
    occ = make().fit(X)
    torch_state = torch.get_rng_state()
    np.testing.assert_array_equal(occ.anomaly_map(X), maps)
    np.testing.assert_array_equal(occ.anomaly_map(X), maps)
    assert torch.equal(torch_state, torch.get_rng_state())


@pytest.mark.filterwarnings("ignore:The codes of ConOCC:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("channels", [None, 3])
def test_what_was_changed_lights_up(make, blobs, channels):
    X = blobs(60, channels=channels)
    trained = {"max_epochs": 60, "batch_size": 10, "lr": 3e-3, "search_steps": 100}
    trained |= {"pretrain_epochs": 60, "pretrain_lr": 3e-3}
    trained |= {f"estimator__{name}": value for name, value in trained.items()}
    occ = make()
    occ.set_params(**{name: value for name, value in trained.items() if name in occ.get_params()}).fit(X[:40])
    changed = X[40:].copy()
    changed[..., 8:11, 1:4] = 255
    inside = np.zeros((12, 12), dtype=bool)
    inside[8:11, 1:4] = True
    for smoothing in (0.0, 1.0):
        before, after = (occ.anomaly_map(rows, smoothing=smoothing) for rows in (X[40:], changed))
        assert (after[:, inside].mean(1) > 1.5 * after[:, ~inside].mean(1)).all()
        assert (after[:, inside].mean(1) > 2 * before[:, inside].mean(1)).all()


def test_what_is_refused(make, blobs, rng):
    X = blobs(20)
    with pytest.raises(NotFittedError):
        make().anomaly_map(X)
    with pytest.raises(ValueError, match=r"was fitted on a table, but anomaly_map .* set image_shape"):
        make().fit(rng.normal(size=(20, 6))).anomaly_map(rng.normal(size=(3, 6)))
    occ = make().fit(X)
    with pytest.raises(ValueError, match=r"images of shape \(1, 9, 9\)"):
        occ.anomaly_map(blobs(2, size=9))
    with pytest.raises(ValueError, match="'smoothing' parameter"):
        occ.anomaly_map(X, smoothing=-1.0)
    with pytest.raises(ValueError, match="0 sample"):
        occ.anomaly_map(X[:0])


def test_what_is_not_finite_is_named(make, blobs):
    X = blobs(20) / 1e3
    occ = make().fit(X)
    X[3, 4, 5] = 1e200 if isinstance(occ, IN_FLOAT64) else 1e39
    with pytest.raises(ValueError, match="The anomaly map of row 3 is (nan|inf)"):
        occ.anomaly_map(X)


def test_the_squared_error_is_that_of_the_reconstruction(make_reconstructing, blobs):
    X = blobs(30, channels=2) / 255
    occ = make_reconstructing().fit(X)
    squared = occ.anomaly_map(X, kind="squared_error")
    assert_close(squared, ((occ.reconstruct(X) - X) ** 2).mean(1))
    np.testing.assert_allclose(occ.anomaly_map(X, kind="root_squared_error") ** 2, squared, rtol=1e-12)
    with pytest.raises(ValueError, match="'kind' parameter"):
        occ.anomaly_map(X, kind="absolute")


def test_what_is_brighter_and_what_is_darker_make_the_squared_error(make_reconstructing, blobs):
    X = blobs(30, channels=2) / 255
    occ = make_reconstructing().fit(X)
    difference = X - occ.reconstruct(X)
    brighter, darker = (occ.anomaly_map(X, kind=kind) for kind in ("brighter", "darker"))
    assert_close(brighter, (np.where(difference > 0, difference, 0) ** 2).mean(1))
    assert_close(darker, (np.where(difference < 0, difference, 0) ** 2).mean(1))
    np.testing.assert_allclose(brighter + darker, occ.anomaly_map(X, kind="squared_error"), rtol=1e-12)


@pytest.mark.parametrize("name", SCORED_BY_SQUARED_ERROR)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("channels", [None, 3])
def test_the_mean_of_the_map_is_minus_the_score(name, dtype, channels, blobs):
    X = blobs(60, channels=channels).astype(dtype)
    if dtype is not np.uint8:
        X /= 100  # above 1 too
    occ = quick(name).fit(X[:40])
    for smoothing in (0, 0.7, 9):
        mean = occ.anomaly_map(X, smoothing=smoothing).mean(axis=(1, 2))
        np.testing.assert_allclose(mean, -occ.score_samples(X), rtol=1e-5 if dtype is np.float64 else 1e-12)


def ssim(a, b, data_range):
    """Wang et al. (2004), equation 13, with the windows of section III.B, pixel by pixel."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    found = np.empty_like(a)
    padded_a, padded_b = np.pad(a, 5, mode="symmetric"), np.pad(b, 5, mode="symmetric")
    for i, j in np.ndindex(a.shape):
        p, q = padded_a[i : i + 11, j : j + 11], padded_b[i : i + 11, j : j + 11]
        p0, q0 = (window * p).sum(), (window * q).sum()
        vp, vq = (window * (p - p0) ** 2).sum(), (window * (q - q0) ** 2).sum()
        covariance = (window * (p - p0) * (q - q0)).sum()
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        found[i, j] = (2 * p0 * q0 + c1) * (2 * covariance + c2) / ((p0**2 + q0**2 + c1) * (vp + vq + c2))
    return found


@pytest.mark.parametrize("values", ["bytes", "within [0, 1]", "any"])
@pytest.mark.parametrize("size", [(8, 9), (10, 10), (16, 11)], ids=str)
def test_ssim_is_the_formula(make_reconstructing, blobs, size, values):
    X = blobs(20, size=size, channels=2)
    if values != "bytes":
        X = X / 255 if values == "within [0, 1]" else X / 10.0 - 7
    occ = make_reconstructing().fit(X)
    maps = occ.anomaly_map(X[:3], kind="ssim")
    assert ((maps >= 0) & (maps <= 2)).all()
    data_range = X.max() - X.min() if values == "any" else 1
    rows = X / 255 if values == "bytes" else X
    pairs = zip(occ.reconstruct(X[:3]).astype(float), rows, strict=False)
    expected = [1 - np.mean([ssim(*channel, data_range) for channel in zip(*pair, strict=True)], 0) for pair in pairs]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)


def test_ssim_sees_structure_where_the_squared_error_sees_brightness(blobs):
    X = blobs(60, size=16) / 255
    occ = PCAReconstruction(n_components=0).fit(X)  # reconstructs the mean of X
    mean = X.mean(0)
    structure = np.clip(mean + 0.05 * np.where(np.indices((16, 16)).sum(0) % 2, 1, -1), 0, None)
    both = np.stack([structure, mean + 0.05])
    assert np.ptp(occ.anomaly_map(both).mean(axis=(1, 2))) < 1e-3
    fine, bright = occ.anomaly_map(both, kind="ssim").mean(axis=(1, 2))
    assert fine > 2 * bright > 0


def test_smoothing_is_a_gaussian(make, blobs):
    X = blobs(20, size=(9, 13))
    occ = make().fit(X)
    offsets = np.arange(-8, 9)
    kernel = np.exp(-(offsets**2) / (2 * 2.0**2))
    kernel /= kernel.sum()
    expected = np.pad(occ.anomaly_map(X), ((0, 0), (8, 8), (8, 8)), mode="symmetric")
    for axis in (1, 2):
        expected = np.apply_along_axis(np.convolve, axis, expected, kernel, mode="valid")
    np.testing.assert_allclose(occ.anomaly_map(X, smoothing=2), expected, rtol=1e-9)


class LinearEncoder(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight, dtype=torch.float32))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_of_a_linear_encoder(blobs, rng, channels):
    X = blobs(30, channels=channels)
    encoder = LinearEncoder(rng.normal(size=(5, X[0].size)) / 10)
    occ = quick("DeepSVDD", encoder=encoder).fit(X[:20])
    W = occ.net_.module_.encoder.weight.detach().numpy().astype(float)
    rows = X.reshape(30, -1) / 255
    gradient = 2 * (rows @ W.T - occ.center_) @ W
    expected = np.abs(gradient * (rows - rows[:20].mean(0))).reshape(X.shape).sum(1)
    np.testing.assert_allclose(occ.anomaly_map(X), expected, rtol=1e-3, atol=1e-5 * expected.max())


@pytest.mark.parametrize("objective", ["one-class", "soft-boundary"])
def test_a_pixel_counts_by_what_the_mean_in_its_place_would_change(objective, blobs):
    X = blobs(40) / 255
    occ = quick("DeepSVDD", objective=objective, max_epochs=5).fit(X)
    x, mean, step = X[0], X.mean(0), 1e-3
    d2 = occ.net_.criterion_.distances
    encoder = occ.net_.module_.encoder.double().eval()
    changed = np.repeat(x[None], 145, axis=0)
    for k, at in enumerate(np.ndindex(12, 12)):
        changed[k][at] += step * (mean[at] - x[at])
    with torch.no_grad():
        distances = d2(encoder(torch.from_numpy(changed)[:, None])).numpy()
    expected = np.abs(distances[:144] - distances[144]).reshape(12, 12) / step
    found = occ.anomaly_map(X)[0]
    assert np.median(np.abs(found - expected)) < 1e-2 * np.median(expected)  # but for kinks of leaky ReLU


def test_the_mean_image_outlives_a_checkpoint(blobs, tmp_path):
    X = blobs(30)
    expected = quick("DeepSVDD").fit(X).anomaly_map(X)
    for _ in range(2):
        occ = quick("DeepSVDD", checkpoint=tmp_path / "fit.pt").fit(X)
        np.testing.assert_array_equal(occ.anomaly_map(X), expected)


def test_a_network_in_place_and_in_float32_alone(blobs):
    class InPlace(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = torch.nn.Linear(144, 3)

        def forward(self, x):
            return self.dense(x.mul_(2).flatten(1).float())

    X = blobs(20)
    maps = DeepSVDD(encoder=InPlace(), pretrain_epochs=0, max_epochs=1, random_state=0, contamination=0.1).fit(X)
    assert np.isfinite(maps.anomaly_map(X)).all()


@pytest.mark.parametrize("combination", ["rank", "score"])
def test_an_ensemble_has_the_mean_of_its_members(combination, blobs):
    X = blobs(40)
    member = quick("CAE")
    occ = SeedEnsemble(member, n_estimators=3, combination=combination, random_state=0).fit(X)
    params = {"kind": "ssim", "smoothing": 1.0}
    maps = [one.anomaly_map(X, **params) for one in occ.estimators_]
    assert not np.allclose(maps[0], maps[1])
    np.testing.assert_allclose(occ.anomaly_map(X, **params), np.mean(maps, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(occ.set_params(n_jobs=2).anomaly_map(X, **params), np.mean(maps, axis=0))


def test_an_ensemble_names_a_kind_that_its_members_do_not_have(blobs):
    X = blobs(20)
    occ = SeedEnsemble(quick("DeepSVDD"), n_estimators=2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="kind='ssim', but the map of DeepSVDD is of one kind; set kind=None"):
        occ.anomaly_map(X, kind="ssim")


def test_an_ensemble_without_maps_has_none():
    assert hasattr(SeedEnsemble(), "anomaly_map")
    for member in (OCSVM(), make_pipeline(ImageScaler(), quick("CAE")), make_pipeline(StandardScaler(), OCSVM())):
        assert not hasattr(SeedEnsemble(member), "anomaly_map")
