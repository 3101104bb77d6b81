"""Image, reconstruction, map and outline; whole-image and patch detectors."""

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from PIL import Image

from sklearn_occ import PatchDetector, PCAReconstruction
from sklearn_occ.plotting import AnomalyMapDisplay
from sklearn_occ.plotting._anomaly_map import outline


class WholeImages:
    """Maps of a batch as one array, and reconstructions."""

    def anomaly_map(self, X):
        assert X.ndim in (3, 4)
        return np.abs(self.reconstruct(X) - X).astype(float).reshape(len(X), -1, *X.shape[-2:]).mean(1)

    def reconstruct(self, X):
        return np.flip(X, axis=-1)


class Patches:
    """Maps of images of any size, as a list."""

    def anomaly_map(self, X):
        return [image.astype(float) ** 2 for image in X]


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (6, 8), dtype=np.uint8)


def test_panels_of_an_estimator_that_reconstructs(image):
    display = AnomalyMapDisplay.from_estimator(WholeImages(), image)
    assert [ax.get_title() for ax in display.axes_] == ["image", "reconstruction", "anomaly map"]
    np.testing.assert_array_equal(display.image_.get_array(), image)
    np.testing.assert_array_equal(display.reconstruction_.get_array(), image[:, ::-1])
    np.testing.assert_array_equal(display.map_.get_array(), WholeImages().anomaly_map(image[None])[0])
    assert display.outlines_ == []
    below = display.axes_[-1].images[0].get_array()
    np.testing.assert_array_equal(below, (0.6 * image).astype(np.uint8))


def test_panels_of_an_estimator_that_does_not(image):
    display = AnomalyMapDisplay.from_estimator(Patches(), image)
    assert [ax.get_title() for ax in display.axes_] == ["image", "anomaly map"]
    assert display.reconstruction_ is None
    np.testing.assert_array_equal(display.map_.get_array(), image.astype(float) ** 2)


@pytest.mark.parametrize("name", ["PCAReconstruction", "CAE"])
def test_reconstruction_of_bytes_is_drawn_in_their_range(name, blobs):
    X = blobs(20)
    occ = quick(name).fit(X)
    occ.anomaly_map = lambda X: (occ.reconstruct(X) - X / 255.0) ** 2
    first = AnomalyMapDisplay.from_estimator(occ, X[3])
    reconstruction = occ.reconstruct(X[3:4])[0]
    np.testing.assert_array_equal(
        first.reconstruction_.get_array(), np.rint(255 * np.clip(reconstruction.astype(float), 0, 1))
    )
    second = AnomalyMapDisplay.from_predictions(X[3], occ.anomaly_map(X[3:4])[0], reconstruction=reconstruction)
    for one in ("image_", "reconstruction_", "map_"):
        np.testing.assert_array_equal(getattr(first, one).get_array(), getattr(second, one).get_array())


def test_float_image_beyond_the_unit_interval():
    image = np.array([[-1.0, 0.0], [1.0, 3.0]])
    display = AnomalyMapDisplay.from_predictions(image, np.eye(2), reconstruction=image + 1)
    np.testing.assert_array_equal(display.image_.get_array(), [[0, 64], [128, 255]])
    np.testing.assert_array_equal(display.reconstruction_.get_array(), [[64, 128], [191, 255]])


def test_colour_image(rng):
    image = rng.random((3, 5, 4))
    display = AnomalyMapDisplay.from_estimator(WholeImages(), image)
    np.testing.assert_array_equal(display.image_.get_array(), np.rint(255 * np.moveaxis(image, 0, -1)))
    assert display.map_.get_array().shape == (5, 4)
    assert display.axes_[-1].images[0].get_array().shape == (5, 4, 3)


def test_colour_bar_has_the_values_of_the_map(image):
    display = AnomalyMapDisplay.from_predictions(image, image * 1e3)
    assert display.map_.get_clim() == (image.min() * 1e3, image.max() * 1e3)
    assert display.colorbar_.mappable is display.map_
    assert display.colorbar_.ax.get_ylabel() == "anomaly score"
    colours = display.map_.get_cmap()(np.linspace(0, 1, 256))
    assert colours[0, 3] == 0
    assert (np.diff(colours[:, 3]) > 0).all()
    own = AnomalyMapDisplay.from_predictions(
        image, image, map_kw={"vmin": 0, "vmax": 500, "cmap": "cividis"}, colorbar_kw={"label": "squared error"}
    )
    assert own.map_.get_clim() == (0, 500)
    assert own.map_.get_cmap().name == "cividis"
    assert own.colorbar_.ax.get_ylabel() == "squared error"


def test_nan_is_left_out():
    display = AnomalyMapDisplay.from_predictions(np.eye(2), [[np.nan, 1.0], [2.0, 3.0]])
    assert display.map_.get_clim() == (1, 3)
    assert display.map_.to_rgba(display.map_.get_array())[0, 0, 3] == 0


def test_colour_bar_is_as_high_as_the_map(image):
    display = AnomalyMapDisplay.from_predictions(image, image)
    display.figure_.canvas.draw()
    panel, bar = display.axes_[-1].get_window_extent(), display.colorbar_.ax.get_window_extent()
    np.testing.assert_allclose([bar.y0, bar.y1], [panel.y0, panel.y1], atol=2)
    assert bar.x0 > panel.x1


def test_outline_is_the_border_between_pixels():
    mask = np.zeros((4, 5), int)
    mask[0, 0] = 1
    sides = {tuple(map(tuple, side)) for side in outline(mask).tolist()}
    corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    assert sides == {
        (corners[0], corners[1]),
        (corners[3], corners[2]),
        (corners[0], corners[3]),
        (corners[1], corners[2]),
    }
    mask[1:4, 1:5] = 255
    mask[2, 2] = 0
    assert len(outline(mask)) == 4 + 2 * (3 + 4) + 4
    assert outline(np.zeros((3, 3))).shape == (0, 2, 2)


def test_mask_is_outlined_on_image_and_map(image):
    mask = np.zeros(image.shape, bool)
    mask[1:3, 2:6] = True
    display = AnomalyMapDisplay.from_estimator(WholeImages(), image, mask, mask_kw={"ec": "red"})
    assert [line.axes for line in display.outlines_] == [display.axes_[0], display.axes_[-1]]
    for line in display.outlines_:
        assert line.get_path().get_extents().bounds == (1.5, 0.5, 4, 2)
        assert line.get_edgecolor() == to_rgba("red")
    display.figure_.canvas.draw()
    assert display.axes_[0].get_xlim() == (-0.5, 7.5)
    empty = AnomalyMapDisplay.from_predictions(image, image, mask=np.zeros(image.shape))
    empty.figure_.canvas.draw()
    assert len(empty.outlines_[0].get_path().vertices) == 0


def test_places(image):
    figure, axes = pyplot.subplots(2, 2, layout="constrained")
    display = AnomalyMapDisplay.from_predictions(image, image, ax=axes[0])
    assert list(display.axes_) == list(axes[0])
    inside = AnomalyMapDisplay.from_predictions(image, image, ax=axes[1, 0])
    assert inside.figure_ is figure
    figure.canvas.draw()
    box = axes[1, 0].get_position()
    assert all(box.x0 <= ax.get_position().x0 and ax.get_position().x1 <= box.x1 for ax in inside.axes_)
    assert all(ax.get_position().y1 <= 0.5 for ax in inside.axes_)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"image": np.ones(9)}, r"A sample has shape \(9,\), but a picture needs"),
        ({"image": np.ones((8, 6, 3))}, r"shape \(8, 6, 3\), which looks like channels last"),
        ({"anomaly_map": np.ones((8, 6))}, r"anomaly_map has shape \(8, 6\), expected \(6, 8\) as the image has"),
        ({"mask": np.ones((1, 6, 8))}, r"mask has shape \(1, 6, 8\), expected \(6, 8\)"),
        ({"reconstruction": np.ones(48)}, r"reconstruction has shape \(48,\), expected \(6, 8\)"),
    ],
)
def test_errors(image, kwargs, message):
    with pytest.raises(ValueError, match=message):
        AnomalyMapDisplay.from_predictions(**{"image": image, "anomaly_map": image} | kwargs)


def test_a_batch_and_an_estimator_without_maps_are_refused(image):
    with pytest.raises(ValueError, match="implementing 'anomaly_map'"):
        AnomalyMapDisplay.from_estimator(quick("OCSVM"), image)
    with pytest.raises(ValueError, match=r"A sample has shape \(1, 1, 6, 8\)"):
        AnomalyMapDisplay.from_estimator(WholeImages(), image[None, None])


def test_a_file_and_a_detector_of_patches(tmp_path, rng):
    image = rng.integers(0, 256, size=(40, 50), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    scorer = PCAReconstruction(n_components=4)
    occ = PatchDetector(scorer, patch_size=16, foreground=None, random_state=0).fit([image, image[::-1]])
    display = AnomalyMapDisplay.from_estimator(occ, tmp_path / "image.png")
    np.testing.assert_array_equal(display.image, image)
    np.testing.assert_array_equal(display.anomaly_map, occ.anomaly_map([image])[0])
    assert display.reconstruction is None


def test_the_colour_of_the_outline(rng):
    image, mask = rng.random((2, 6, 7))
    display = AnomalyMapDisplay.from_predictions(image, image, mask=mask > 0.5, mask_kw={"color": "red"})
    assert {one.get_edgecolor() for one in display.outlines_} == {(1.0, 0.0, 0.0, 1.0)}


@pytest.mark.parametrize("name", ["image", "reconstruction"])
def test_what_is_drawn_has_to_be_finite(name, rng):
    pictures = {"image": rng.random((6, 7)), "reconstruction": rng.random((6, 7))}
    pictures[name][2, 3] = np.nan
    with pytest.raises(ValueError, match="An image holds NaN or infinity, expected finite values"):
        AnomalyMapDisplay.from_predictions(**pictures, anomaly_map=np.ones((6, 7)))
