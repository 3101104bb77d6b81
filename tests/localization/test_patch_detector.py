"""PatchDetector: images in, one score, map and table of regions out, whatever scores the patches."""

import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_param_validation
from skorch.callbacks import Callback

from sklearn_occ import CAE, OCSVM, DeepSVDD, PatchAutoencoder, PatchDetector, SeedEnsemble
from sklearn_occ.datasets import nifti_slices, read_image
from sklearn_occ.preprocessing import HOG

QUICK = {
    "PatchAutoencoder": PatchAutoencoder(max_epochs=2),
    "CAE": CAE(max_epochs=2, channels=2),
    "DeepSVDD": DeepSVDD(pretrain_epochs=1, max_epochs=1, channels=2),
    "OCSVM": OCSVM(),
    "HOG-OCSVM": make_pipeline(HOG(), OCSVM()),
    "SeedEnsemble": SeedEnsemble(CAE(max_epochs=1, channels=2), n_estimators=2),
}
SETTINGS = {"patch_size": 16, "foreground": None, "random_state": 0}


def quick(name="CAE", **params):
    return PatchDetector(clone(QUICK[name]), **{**SETTINGS, **params})


@pytest.mark.parametrize("name", QUICK)
def test_any_detector_scores_patches(name, images):
    occ = quick(name).fit(images)
    scores = occ.score_samples(images)
    assert scores.shape == (6,)
    assert scores.dtype == np.float64
    patches = occ.score_patches(images)
    np.testing.assert_array_equal(scores, [of_one.scores.min() for of_one in patches])
    corners, of_patches = patches[3]
    crops = np.stack([images[3][top : top + 16, left : left + 16] for top, left in corners])
    inputs = crops.reshape(len(crops), -1) if name == "flat" else crops
    np.testing.assert_allclose(of_patches, occ.estimator_.score_samples(inputs), rtol=1e-5)
    assert [found.shape for found in occ.anomaly_map(images)] == [image.shape for image in images]


def test_the_default_is_the_papers_network(images, monkeypatch):
    monkeypatch.setitem(PatchAutoencoder.__init__.__kwdefaults__, "max_epochs", 1)
    occ = PatchDetector(patch_size=16, foreground=None, random_state=0).fit(images)
    assert type(occ.estimator_) is PatchAutoencoder
    assert occ.estimator_.channels == 2
    assert PatchDetector().patch_size == 128


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("max", np.min),
        ("mean", np.mean),
        ("top", lambda scores: np.sort(scores)[: round(0.3 * len(scores))].mean()),
    ],
)
def test_pooling(pooling, pool, images):
    occ = quick(pooling=pooling, top_fraction=0.3).fit(images)
    expected = [pool(of_one.scores) for of_one in occ.score_patches(images)]
    np.testing.assert_allclose(occ.score_samples(images), expected, rtol=1e-12)


def test_top_takes_at_least_one_patch(images):
    occ = quick(pooling="top", top_fraction=1e-6).fit(images)
    np.testing.assert_array_equal(occ.score_samples(images), quick().fit(images).score_samples(images))


def test_maps_of_patches_are_their_scores_blended(images):
    occ = quick("OCSVM", stride=16).fit(images)
    image = images[0][:48, :64]  # patches side by side: no overlap, each pixel has one patch
    (found,), ((corners, scores),) = occ.anomaly_map([image]), occ.score_patches([image])
    for (top, left), score in zip(corners, scores, strict=True):
        np.testing.assert_allclose(found[top : top + 16, left : left + 16], -score, rtol=1e-5)


def test_maps_of_reconstructions_show_pixels(images):
    occ = quick("CAE", stride=16).fit(images)
    image = images[0][:48, :64]
    (found,) = occ.anomaly_map([image])
    for top, left in occ.score_patches([image])[0].corners:
        crop = image[top : top + 16, left : left + 16]
        expected = occ.estimator_.anomaly_map(crop[np.newaxis])[0]
        np.testing.assert_allclose(found[top : top + 16, left : left + 16], expected, rtol=1e-4, atol=1e-7)


def test_what_a_map_shows_by_default_and_on_request(images):
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


def test_a_spot_lights_up(tissue):
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


def test_smoothing_is_a_gaussian(images):
    from scipy import ndimage

    occ = quick().fit(images)
    plain, smooth = (occ.anomaly_map(images[:1], smoothing=s)[0] for s in (0, 2.0))
    np.testing.assert_allclose(smooth, ndimage.gaussian_filter(plain, 2.0))
    with pytest.raises(ValueError, match="'smoothing' parameter"):
        occ.anomaly_map(images, smoothing=-1)


@pytest.mark.parametrize(("name", "value"), [("n_regions", 0), ("share", 1.0)])
def test_regions_that_cannot_be(name, value, images):
    with pytest.raises(ValueError, match=f"{name!r} parameter"):
        quick("OCSVM").fit(images).find_regions(images, **{name: value})


def test_same_seed_same_bits(images):
    one, two = (quick(n_patches=30).fit(images) for _ in range(2))
    np.testing.assert_array_equal(one.score_samples(images), two.score_samples(images))
    other = quick(n_patches=30, random_state=1).fit(images)
    assert (other.score_samples(images) != one.score_samples(images)).any()


def test_an_image_scores_the_same_in_any_company(images):
    occ = quick("PatchAutoencoder").fit(images)
    np.testing.assert_allclose(occ.score_samples(images[2:3]), occ.score_samples(images)[2], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_are_shares_of_the_largest(dtype, images):
    occ = quick().fit(images)
    largest = np.iinfo(dtype).max
    whole = [np.rint(image * largest).astype(dtype) for image in images]
    floats = [(image / np.float32(largest)) for image in whole]
    np.testing.assert_allclose(occ.score_samples(whole), occ.score_samples(floats), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">u2", ">f8"])
def test_any_floats_and_byte_order(dtype, images):
    occ = PatchDetector(clone(QUICK["CAE"]), patch_size=16, min_foreground=0.1, random_state=0)  # with Otsu's rule
    scale = 65535 if dtype == ">u2" else 1
    given = [np.rint(scale * image).astype(dtype) if scale > 1 else image.astype(dtype) for image in images]
    floats = [np.asarray(image, np.float64) / scale for image in given]
    np.testing.assert_allclose(occ.fit(given).score_samples(given), occ.fit(floats).score_samples(floats), rtol=1e-5)


def test_whole_numbers_and_floats_beyond_one_are_not_mixed(images):
    whole = [np.rint(255 * image).astype(np.uint8) for image in images]
    floats = [image.astype(np.float32) for image in whole]
    occ = quick().fit(whole)
    with pytest.raises(ValueError, match="image 0 holds floats above 1, but .* whole numbers"):
        occ.score_samples(floats)
    np.testing.assert_array_equal(occ.score_samples([image / 255 for image in floats]), occ.score_samples(whole))
    with pytest.raises(ValueError, match="image 0 holds whole numbers, .* floats above 1"):
        quick().fit(floats).score_samples(whole)
    with pytest.raises(ValueError, match="image 1 holds floats above 1"):
        quick().fit([whole[0], floats[1]])


def test_what_was_fitted_is_kept(images):
    occ = quick(pooling="mean", contamination=None).fit(images)
    scores = occ.score_samples(images)
    occ.set_params(pooling="max", patch_size=8, stride=3)
    np.testing.assert_array_equal(occ.score_samples(images), scores)
    assert (occ.predict(images) == 1).all()


def test_arrays_tensors_and_colour(tissue):
    stack = np.stack([tissue((3, 40, 48), k) for k in range(4)])
    occ = quick().fit(stack)
    scores = occ.score_samples(stack)
    np.testing.assert_array_equal(scores, occ.score_samples(list(stack)))
    np.testing.assert_array_equal(scores, occ.score_samples(torch.from_numpy(stack)))
    np.testing.assert_array_equal(scores, occ.score_samples(list(torch.from_numpy(stack))))
    with pytest.raises(ValueError, match="image 0 has no axis of channels, expected 3 channels"):
        occ.score_samples(stack[:, 0])
    with pytest.raises(ValueError, match="image 0 has shape .* channels last"):
        occ.score_samples(np.moveaxis(stack, 1, -1))


def test_images_labelled_minority_are_never_trained_on(images):
    y = np.array([1, 1, 1, 1, -1, 1])
    changed = [*images[:4], np.ones((30, 30), np.float32), images[5]]
    one, two = quick().fit(images, y), quick().fit(changed, y)
    np.testing.assert_array_equal(one.score_samples(images), two.score_samples(images))
    assert len(one.calibration_scores_) == 5


def test_thresholds(images):
    occ = quick(contamination=None).fit(images)
    scores = occ.score_samples(images)
    assert occ.offset_ == scores.min()
    np.testing.assert_array_equal(occ.calibration_scores_, np.sort(scores))
    assert occ.predict(images).tolist() == [1] * 6
    assert (occ.set_contamination(0.5).predict(images) == -1).sum() == 3
    np.testing.assert_allclose(occ.p_value(images), (1 + scores.argsort().argsort() + 1) / 7)


def test_images_held_out_are_held_out_whole(images):
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


class Rows(Callback):
    """Keep the rows of each epoch, for all copies of the callback."""

    seen: list = []

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        self.seen.append(dataset_train.clone())


def test_a_network_gets_new_patches_in_each_epoch(images, rng):
    Rows.seen.clear()
    occ = quick(n_patches=13).set_params(estimator__max_epochs=3, estimator__callbacks=[Rows()]).fit(images)
    first, second, third = Rows.seen
    assert first.shape == (13, 1, 16, 16)
    assert not torch.equal(first, second) and not torch.equal(second, third)
    windows = {
        image[top : top + 16, left : left + 16].tobytes()
        for image in images
        for top in range(image.shape[0] - 15)
        for left in range(image.shape[1] - 15)
    }
    assert all(patch.numpy().tobytes() in windows for patch in torch.cat(Rows.seen)[:, 0])
    assert len(pickle.dumps(occ)) < len(pickle.dumps(quick().fit(images))) + 2**12  # no images
    again = clone(occ.estimator_).fit(images[0][np.newaxis, :16, :16].repeat(4, axis=0) + rng.normal(size=(4, 16, 16)))
    assert [type(callback) for callback in again.callbacks] == [Rows]  # no images of the detector's
    assert not torch.equal(Rows.seen[-1], Rows.seen[0])
    assert torch.equal(Rows.seen[-1], Rows.seen[-2])


def test_random_patches_are_spread_over_images_and_need_tissue(tissue):
    images = [tissue((40, 40), k) * 0.1 + k for k in range(3)]
    Rows.seen.clear()

    def right_half(image):
        return np.arange(image.shape[1]) * np.ones((image.shape[0], 1)) >= 20

    quick(n_patches=20, foreground=right_half, min_foreground=1.0).set_params(
        estimator__max_epochs=1, estimator__callbacks=[Rows()]
    ).fit(images)
    counts = np.bincount(Rows.seen[0].mean(dim=(1, 2, 3)).int().numpy(), minlength=3)
    assert sorted(counts.tolist()) == [6, 7, 7]
    right = {image[:, 20:].tobytes() for image in images}
    windows = {
        np.frombuffer(half, np.float32).reshape(40, 20)[top : top + 16, left : left + 16].tobytes()
        for half in right
        for top in range(25)
        for left in range(5)
    }
    assert all(patch.numpy().tobytes() in windows for patch in Rows.seen[0][:, 0])


def test_fewer_patches_than_images_come_from_others_in_each_epoch(tissue):
    images = [tissue((20, 20), k) * 0.1 + k for k in range(6)]
    Rows.seen.clear()
    quick(n_patches=2).set_params(estimator__max_epochs=8, estimator__callbacks=[Rows()]).fit(images)
    of_epochs = [frozenset(rows.mean(dim=(1, 2, 3)).int().tolist()) for rows in Rows.seen]
    assert all(len(of_epoch) == 2 for of_epoch in of_epochs)
    assert len(set(of_epochs)) > 3


def test_a_file_that_vanishes_while_a_network_trains_ends_the_fit(tissue, tmp_path):
    paths = files_of([tissue((40, 48), k) for k in range(4)], tmp_path)

    class Remove(Callback):
        def on_epoch_end(self, net, **kwargs):
            (tmp_path / "2.png").unlink(missing_ok=True)

    occ = quick(n_patches=9, on_error="skip").set_params(estimator__max_epochs=3, estimator__callbacks=[Remove()])
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match="of 9 patches are missing"):
        occ.fit(paths)


def test_a_killed_fit_on_new_patches_goes_on(images, tmp_path):
    whole = quick(n_patches=12).set_params(estimator__max_epochs=4, estimator__random_state=1).fit(images)

    class Killed(Exception):
        pass

    class Kill(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if net.epochs_[net.stage_] == 2 and not (tmp_path / "again").exists():
                (tmp_path / "again").touch()
                raise Killed

    occ = quick(n_patches=12).set_params(
        estimator__max_epochs=4,
        estimator__random_state=1,
        estimator__checkpoint=str(tmp_path / "fit.pt"),
        estimator__callbacks=[Kill()],
    )
    with pytest.raises(Killed):
        occ.fit(images)
    assert not hasattr(occ, "estimator_")
    np.testing.assert_array_equal(occ.fit(images).score_samples(images), whole.score_samples(images))


def test_streamed_rows_are_renewed_too(images, monkeypatch):
    from sklearn_occ.engine import _streaming

    resident = quick(n_patches=12).fit(images).score_samples(images)
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: 0)
    np.testing.assert_array_equal(quick(n_patches=12).fit(images).score_samples(images), resident)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((10, 40), np.float32), "has 10 x 40 pixels, expected at least a patch of 16 x 16"),
        (np.full((40, 40), np.nan), "holds NaN, infinite values or some beyond float32"),
        (np.full((40, 40), 1e39), "holds NaN, infinite values or some beyond float32"),
        (np.zeros((3, 40, 40), np.float32), "has 3 channels, expected no axis of channels"),
        (np.zeros((40, 40), bool), "has dtype bool"),
        (np.zeros((40, 40), int), "has dtype int64, expected uint8, uint16 or floats"),
        (np.zeros(40), r"has shape \(40,\), expected \(H, W\)"),
    ],
)
def test_unusable_images_are_named_or_skipped_and_never_scored(bad, message, images):
    occ = quick().fit(images)
    given = [*images[:2], bad, images[3]]
    with pytest.raises(ValueError, match=f"image 2 {message}"):
        occ.score_samples(given)
    skipping = quick(on_error="skip").fit(images)
    with pytest.warns(UserWarning, match=f"1 of 4 images were skipped: image 2 {message}"):
        scores = skipping.score_samples(given)
    assert np.isnan(scores).tolist() == [False, False, True, False]
    np.testing.assert_array_equal(scores[[0, 1, 3]], occ.score_samples([*images[:2], images[3]]))
    with pytest.warns(UserWarning, match="skipped"):
        assert skipping.predict(given)[2] == 0
    with pytest.warns(UserWarning, match="skipped"):
        assert np.isnan(skipping.p_value(given)).tolist() == [False, False, True, False]
    with pytest.warns(UserWarning, match="skipped"):
        assert skipping.anomaly_map(given)[2] is None
    with pytest.warns(UserWarning, match="skipped"):
        assert "image 2" not in set(skipping.find_regions(given)["file"])


def test_unusable_images_are_not_trained_on(images):
    given = [*images[:2], np.zeros((3, 3), np.float32), *images[2:]]
    with pytest.warns(UserWarning, match="1 of 7 images were skipped"):
        occ = quick(on_error="skip").fit(given)
    np.testing.assert_array_equal(occ.score_samples(images), quick().fit(images).score_samples(images))
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match="None of 2 images can be used"):
        quick(on_error="skip").fit([np.zeros((3, 3)), np.zeros((4, 4))])


def test_what_is_no_set_of_images(images, tmp_path):
    with pytest.raises(ValueError, match="is one file, .* put it in a list"):
        quick().fit(str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=r"array of shape \(60, 80\), expected \(n, H, W\)"):
        quick().fit(images[0])
    with pytest.raises(ValueError, match="0 images"):
        quick().fit([])


def files_of(images, folder):
    paths = [folder / f"{k}.png" for k in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray((255 * image).astype(np.uint8)).save(path)
    return paths


def test_files_are_read_when_they_are_needed(tissue, tmp_path):
    paths = files_of([tissue((40, 48 + k), k) for k in range(4)], tmp_path)
    arrays = [np.asarray(Image.open(path)) for path in paths]
    occ = quick(n_jobs=2).fit(np.array(paths))
    np.testing.assert_array_equal(occ.score_samples(paths), quick().fit(arrays).score_samples(arrays))
    np.testing.assert_array_equal(occ.score_samples(np.array([str(path) for path in paths])), occ.score_samples(paths))
    assert set(occ.find_regions(paths)["file"]) <= {str(path) for path in paths}
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    given = [paths[0], tmp_path / "bad.png", paths[1], tmp_path / "absent.png", np.zeros((3, 3), np.uint8)]
    with pytest.raises(ValueError, match="bad.png"):
        occ.score_samples(given)
    with pytest.raises(FileNotFoundError, match="absent.png"):
        occ.score_samples(given[3:])
    occ.set_params(on_error="skip")
    with pytest.warns(UserWarning, match=r"3 of 5 images were skipped: .*bad.png.*absent.png.*image 4 has 3 x 3"):
        scores = occ.score_samples(given)
    assert np.isnan(scores).tolist() == [False, True, False, True, True]


def test_a_broken_file_is_warned_of_once_in_a_fit(tissue, tmp_path):
    paths = files_of([tissue((40, 48), k) for k in range(4)], tmp_path)
    paths[1].write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.warns(UserWarning) as caught:
        occ = quick(on_error="skip").fit(paths)
    assert len(caught) == 1
    assert len(occ.calibration_scores_) == 3


def test_slices_of_volumes_and_dicom_files(tissue, tmp_path):
    import nibabel
    from pydicom.data import get_testdata_file

    volume = np.stack([tissue((40, 48), k) for k in range(4)], axis=-1)
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(tmp_path / "volume.nii")
    slices = nifti_slices(tmp_path / "volume.nii", value_range=(0, 1))
    occ = quick("OCSVM").fit(slices)
    arrays = [read_image(one) for one in slices]
    np.testing.assert_array_equal(occ.score_samples(slices), quick("OCSVM").fit(arrays).score_samples(arrays))
    assert str(slices[0]) in quick("OCSVM").fit(slices).find_regions(slices, n_regions=100)["file"].tolist()
    dicom = get_testdata_file("CT_small.dcm", download=False)
    assert np.isfinite(occ.score_samples([dicom, slices[0]])).all()


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu(images):
    on_cpu, on_cuda = (
        quick("PatchAutoencoder", n_patches=40).set_params(estimator__device=device).fit(images)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_cuda.score_samples(images), on_cpu.score_samples(images), rtol=1e-2)
    for one, other in zip(on_cuda.anomaly_map(images), on_cpu.anomaly_map(images), strict=True):
        np.testing.assert_allclose(one, other, rtol=0.1, atol=1e-2 * other.max())


def test_a_failed_fit_leaves_the_estimator_as_it_was(images):
    occ = quick().fit(images)
    scores = occ.score_samples(images)
    with pytest.raises(ValueError, match="image 1"):
        occ.fit([images[0], np.zeros((2, 2), np.float32)])
    np.testing.assert_array_equal(occ.score_samples(images), scores)


def test_scikit_learns_conventions(images):
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


def test_parameters_are_checked():
    check_param_validation("PatchDetector", quick())


def test_progress_is_said_every_ten_seconds(images, monkeypatch, capsys):
    from sklearn_occ.localization import _images

    clock = iter(range(0, 10**6, 4))
    monkeypatch.setattr(_images.time, "monotonic", lambda: next(clock))
    occ = quick("OCSVM", verbose=1).fit(images)
    capsys.readouterr()
    occ.score_samples(images)
    assert capsys.readouterr().out.splitlines() == ["3 of 6 images", "6 of 6 images"]


@pytest.mark.parametrize("foreground", [None, "otsu"])
def test_memory_is_bounded_by_a_block_of_patches(tissue, foreground):
    occ = quick("OCSVM", patch_size=32, stride=4, n_patches=20, foreground=foreground, min_foreground=0.0)
    image = np.tile(tissue((64, 64), 0), (20, 20))

    def peak(work):
        tracemalloc.start()
        work()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    occ.fit([image, image.T])
    few, block = 24 * image.size, 2**22 * 4  # bytes of some maps of the image, and of the patches in memory
    assert peak(lambda: occ.fit([image, image.T])) < few + 3 * block
    assert peak(lambda: occ.score_samples([image])) < few + 3 * block  # all patches are 400 MB
    assert peak(lambda: occ.anomaly_map([image])) < few + 3 * block
