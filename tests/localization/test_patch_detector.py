"""PatchDetector: images in, one score, map and table of regions out, whatever scores the patches."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_param_validation

from sklearn_occ import PatchAutoencoder, PatchDetector
from sklearn_occ.localization._images import Images

DETECTORS = ["PatchAutoencoder", "CAE", "DeepSVDD", "OCSVM", "HOG-OCSVM", "SeedEnsemble"]


@pytest.mark.parametrize("name", DETECTORS)
def test_any_detector_scores_patches(name, images, quick):
    occ = quick(name).fit(images)
    scores = occ.score_samples(images)
    assert scores.shape == (6,)
    assert scores.dtype == np.float64
    patches = occ.score_patches(images)
    np.testing.assert_array_equal(scores, [of_one.scores.min() for of_one in patches])
    corners, of_patches = patches[3]
    crops = np.stack([images[3][top : top + 16, left : left + 16] for top, left in corners])
    np.testing.assert_allclose(of_patches, occ.estimator_.score_samples(crops), rtol=1e-5)
    assert [found.shape for found in occ.anomaly_map(images)] == [image.shape for image in images]


def test_the_default_is_the_papers_architecture(images, monkeypatch):
    monkeypatch.setitem(PatchAutoencoder.__init__.__kwdefaults__, "max_epochs", 1)
    occ = PatchDetector(patch_size=16, foreground=None, random_state=0).fit(images)
    assert type(occ.estimator_) is PatchAutoencoder
    assert occ.estimator_.channels == 8
    assert PatchDetector.from_paper().estimator.channels == 2
    assert PatchDetector().patch_size == 128


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("max", np.min),
        ("mean", np.mean),
        ("top", lambda scores: np.sort(scores)[: round(0.3 * len(scores))].mean()),
    ],
)
def test_pooling(pooling, pool, images, quick):
    occ = quick(pooling=pooling, top_fraction=0.3).fit(images)
    expected = [pool(of_one.scores) for of_one in occ.score_patches(images)]
    np.testing.assert_allclose(occ.score_samples(images), expected, rtol=1e-12)


def test_top_takes_at_least_one_patch(images, quick):
    occ = quick(pooling="top", top_fraction=1e-6).fit(images)
    np.testing.assert_array_equal(occ.score_samples(images), quick().fit(images).score_samples(images))


def test_maps_of_patches_are_their_scores_blended(images, quick):
    occ = quick("OCSVM", stride=16).fit(images)
    image = images[0][:48, :64]  # patches side by side: no overlap, each pixel has one patch
    (found,), ((corners, scores),) = occ.anomaly_map([image]), occ.score_patches([image])
    for (top, left), score in zip(corners, scores, strict=True):
        np.testing.assert_allclose(found[top : top + 16, left : left + 16], -score, rtol=1e-5)


def test_maps_of_reconstructions_show_pixels(images, quick):
    occ = quick("CAE", stride=16).fit(images)
    image = images[0][:48, :64]
    (found,) = occ.anomaly_map([image])
    for top, left in occ.score_patches([image])[0].corners:
        crop = image[top : top + 16, left : left + 16]
        expected = occ.estimator_.anomaly_map(crop[np.newaxis])[0]
        np.testing.assert_allclose(found[top : top + 16, left : left + 16], expected, rtol=1e-4, atol=1e-7)


def test_what_a_map_shows_by_default_and_on_request(images, quick):
    image = images[0][:48, :64]
    occ = quick("CAE", stride=16).fit(images)
    (found,), ((corners, scores),) = occ.anomaly_map([image], resolution="patches"), occ.score_patches([image])
    for (top, left), score in zip(corners, scores, strict=True):
        np.testing.assert_allclose(found[top : top + 16, left : left + 16], -score, rtol=1e-5)
    assert occ.find_regions([image], resolution="patches")["score"].max() == pytest.approx(-scores.min(), rel=1e-5)
    assert (occ.anomaly_map([image])[0] != found).any()
    svdd = quick("DeepSVDD", stride=16).fit(images)  # its gradients are no reconstruction's errors
    by_default, patches, pixels = (svdd.anomaly_map([image], resolution=r)[0] for r in ("auto", "patches", "pixels"))
    np.testing.assert_array_equal(by_default, patches)
    assert (pixels != patches).any()
    with pytest.raises(ValueError, match="resolution='pixels', but OCSVM has no anomaly_map"):
        quick("OCSVM").fit(images).anomaly_map([image], resolution="pixels")


def test_kinds_of_the_patch_scorers_map(images, quick):
    occ = quick("CAE", stride=16).fit(images)
    one = images[:1]
    (usual,), (squared,), (brighter,), (darker,) = (
        occ.anomaly_map(one, kind=kind) for kind in (None, "squared_error", "brighter", "darker")
    )
    np.testing.assert_array_equal(usual, squared)
    np.testing.assert_allclose(brighter + darker, squared, rtol=1e-5)
    scores = [occ.find_regions(one, kind=kind)["score"].max() for kind in ("brighter", "darker")]
    np.testing.assert_allclose(scores, [brighter.max(), darker.max()], rtol=1e-6)
    with pytest.raises(ValueError, match="kind='brighter' is of a map in pixels, but .* set resolution='pixels'"):
        occ.anomaly_map(one, kind="brighter", resolution="patches")
    with pytest.raises(ValueError, match="'kind' parameter"):
        occ.anomaly_map(one, kind="louder")
    with pytest.raises(ValueError, match="kind='brighter', but the map of DeepSVDD is of one kind"):
        quick("DeepSVDD", stride=16).fit(images).anomaly_map(one, kind="brighter", resolution="pixels")


def test_a_spot_lights_up(tissue, quick):
    images = [tissue((48, 64), k) for k in range(8)]
    occ = quick("PatchAutoencoder", stride=8).set_params(estimator__max_epochs=100).fit(images)
    marked = images[0].copy()
    marked[20:24, 30:34] = 1.5
    before, after = occ.anomaly_map([images[0], marked])
    assert after[20:24, 30:34].mean() > 3 * before[20:24, 30:34].mean()
    assert np.unravel_index(after.argmax(), after.shape)[0] in range(20, 24)
    table = occ.find_regions([images[0], marked], n_regions=3, smoothing=1.0)
    assert table.columns.tolist() == ["file", "x", "y", "width", "height", "score", "rank"]
    first = table.iloc[0]
    assert (first["file"], first["rank"]) == ("image 1", 1)
    assert first.x < 34 and first.x + first.width > 30 and first.y < 24 and first.y + first.height > 20
    assert table["score"].is_monotonic_decreasing
    assert table["rank"].tolist() == [1, 2, 3]


def test_smoothing_is_a_gaussian(images, quick):
    from scipy import ndimage

    occ = quick().fit(images)
    plain, smooth = (occ.anomaly_map(images[:1], smoothing=s)[0] for s in (0, 2.0))
    np.testing.assert_allclose(smooth, ndimage.gaussian_filter(plain, 2.0))
    with pytest.raises(ValueError, match="'smoothing' parameter"):
        occ.anomaly_map(images, smoothing=-1)


def test_of_each_image_only_what_is_asked_for_is_kept(images, quick, monkeypatch):
    kept, results = [], Images.results

    def watched(self, work):
        kept.append(results(self, work))
        return kept[-1]

    occ = quick("OCSVM").fit(images)
    every = occ.find_regions(images, n_regions=10**6, top_fraction=0.3, resolution="patches")
    assert every["file"].value_counts().max() > 2
    monkeypatch.setattr(Images, "results", watched)
    few = occ.find_regions(images, n_regions=2, top_fraction=0.3, resolution="patches")
    assert few.equals(every[:2])
    occ.score_samples(images)
    regions, scores = kept
    assert max(map(len, regions)) == 2
    assert {np.ndim(score) for score in scores} == {0}


@pytest.mark.parametrize(("name", "value"), [("n_regions", 0), ("top_fraction", 1.0)])
def test_regions_that_cannot_be(name, value, images, quick):
    with pytest.raises(ValueError, match=f"{name!r} parameter"):
        quick("OCSVM").fit(images).find_regions(images, **{name: value})


def test_same_seed_same_bits(images, quick):
    one, two = (quick(n_patches=30).fit(images) for _ in range(2))
    np.testing.assert_array_equal(one.score_samples(images), two.score_samples(images))
    other = quick(n_patches=30, random_state=1).fit(images)
    assert (other.score_samples(images) != one.score_samples(images)).any()


def test_an_image_scores_the_same_in_any_company(images, quick):
    occ = quick("PatchAutoencoder").fit(images)
    np.testing.assert_allclose(occ.score_samples(images[2:3]), occ.score_samples(images)[2], rtol=1e-6)


def test_what_was_fitted_is_kept(images, quick):
    occ = quick(pooling="mean", contamination=None).fit(images)
    scores = occ.score_samples(images)
    occ.set_params(pooling="max", patch_size=8, stride=3)
    np.testing.assert_array_equal(occ.score_samples(images), scores)
    assert (occ.predict(images) == 1).all()


def test_images_labelled_minority_are_never_trained_on(images, quick):
    y = np.array([1, 1, 1, 1, -1, 1])
    changed = [*images[:4], np.ones((30, 30), np.float32), images[5]]
    one, two = quick().fit(images, y), quick().fit(changed, y)
    np.testing.assert_array_equal(one.score_samples(images), two.score_samples(images))
    assert len(one.calibration_scores_) == 5


def test_thresholds(images, quick):
    occ = quick(contamination=None).fit(images)
    scores = occ.score_samples(images)
    assert occ.offset_ == scores.min()
    np.testing.assert_array_equal(occ.calibration_scores_, np.sort(scores))
    assert occ.predict(images).tolist() == [1] * 6
    assert (occ.set_contamination(0.5).predict(images) == -1).sum() == 3
    np.testing.assert_allclose(occ.p_value(images), (1 + scores.argsort().argsort() + 1) / 7)


def test_images_held_out_are_held_out_whole(images, quick):
    held_out = quick(validation_fraction=0.34, threshold_data="validation").fit(images)
    assert len(held_out.calibration_scores_) == 2
    everywhere = held_out.score_samples(images)
    rows = np.flatnonzero(np.isin(everywhere, held_out.calibration_scores_))
    changed = [image if k not in rows else np.sqrt(image) for k, image in enumerate(images)]
    again = quick(validation_fraction=0.34, threshold_data="validation").fit(changed)
    np.testing.assert_array_equal(again.score_samples(images), everywhere)  # what is held out teaches nothing
    on_train = quick(validation_fraction=0.34, threshold_data="train").fit(images)
    assert len(on_train.calibration_scores_) == 4
    assert not set(on_train.calibration_scores_) & set(held_out.calibration_scores_)


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(images, quick):
    on_cpu, on_cuda = (
        quick("PatchAutoencoder", n_patches=40).set_params(estimator__device=device).fit(images)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_cuda.score_samples(images), on_cpu.score_samples(images), rtol=1e-2)
    for one, other in zip(on_cuda.anomaly_map(images), on_cpu.anomaly_map(images), strict=True):
        np.testing.assert_allclose(one, other, rtol=0.1, atol=1e-2 * other.max())


def test_a_failed_fit_leaves_the_estimator_as_it_was(images, quick):
    occ = quick().fit(images)
    scores = occ.score_samples(images)
    with pytest.raises(ValueError, match="image 1"):
        occ.fit([images[0], np.zeros((2, 2), np.float32)])
    np.testing.assert_array_equal(occ.score_samples(images), scores)


def test_scikit_learns_conventions(images, quick):
    occ = quick()
    with pytest.raises(NotFittedError):
        occ.score_samples(images)
    given = clone(occ).get_params()
    occ.fit(images)
    assert {k: v for k, v in occ.get_params(deep=False).items() if k != "estimator"} == {
        k: v for k, v in given.items() if "__" not in k and k != "estimator"
    }
    assert not hasattr(occ.estimator, "net_")  # it was cloned
    copies = pickle.loads(pickle.dumps(occ)), occ
    np.testing.assert_array_equal(*(one.score_samples(images) for one in copies))
    np.testing.assert_array_equal(occ.fit_predict(images), occ.predict(images))
    with pytest.raises(ValueError, match="pooling"):
        quick(pooling="median").fit(images)
    assert np.isfinite(clone(occ).set_params(estimator__lr=1e-2).fit(images).offset_)


def test_its_tags_say_images_not_tables():
    tags = get_tags(PatchDetector())
    assert tags.input_tags.three_d_array and not tags.input_tags.two_d_array


def test_parameters_are_checked(quick):
    check_param_validation("PatchDetector", quick())
