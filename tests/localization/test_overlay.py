import sys

import numpy as np
import pytest
from PIL import Image

from sklearn_occ.localization import save_overlay
from sklearn_occ.localization._overlay import _COLOURS, colours_of

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (7, 11), dtype=np.uint8)
MAP = RNG.random((7, 11))

# What dichromats see, from linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
DICHROMATS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.fixture
def drawn(tmp_path):
    """Write an overlay and return its pixels (H, W, 3)."""

    def drawn(image=IMAGE, anomaly_map=MAP, **parameters):
        path = tmp_path / "overlay.png"
        save_overlay(path, image, anomaly_map, **parameters)
        with Image.open(path) as written:
            assert (written.format, written.mode) == ("PNG", "RGB")
            return np.asarray(written)

    return drawn


def formula(image, anomaly_map, low, high, alpha):
    """The docstring's formula, pixel by pixel."""
    expected = np.empty((*image.shape, 3))
    for place, grey in np.ndenumerate(image.astype(float)):
        t = min(max((anomaly_map[place] - low) / (high - low), 0), 1)
        below = min(int(t * 4), 3)
        colour = _COLOURS[below] + (t * 4 - below) * (_COLOURS[below + 1] - _COLOURS[below])
        expected[place] = (1 - alpha * t) * grey + alpha * t * colour
    return expected


@pytest.mark.parametrize(("value_range", "alpha"), [(None, 0.6), ((0.3, 0.7), 1), ([-1, 2], 0.25)])
def test_the_formula_at_the_images_size(drawn, value_range, alpha):
    low, high = value_range or (MAP.min(), MAP.max())
    pixels = drawn(value_range=value_range, alpha=alpha)
    assert pixels.shape == (7, 11, 3)
    assert abs(pixels - formula(IMAGE, MAP, low, high, alpha)).max() <= 0.5 + 1e-9


def test_low_values_leave_the_image_as_it_is(drawn):
    np.testing.assert_array_equal(drawn(value_range=(1, 2)), np.repeat(IMAGE[..., None], 3, axis=2))
    high = drawn(value_range=(-2, -1), alpha=1)
    np.testing.assert_array_equal(high, np.broadcast_to(_COLOURS[-1], (7, 11, 3)))


def test_the_map_is_left_out_where_the_mask_is_false(drawn):
    mask = MAP > 0.5
    pixels = drawn(mask=mask)
    np.testing.assert_array_equal(pixels[~mask], np.repeat(IMAGE[~mask][:, None], 3, axis=1))
    np.testing.assert_array_equal(pixels[mask], drawn()[mask])
    assert (drawn(mask=np.zeros((7, 11), dtype=bool)) == IMAGE[..., None]).all()


def test_floats_and_colour_are_shown_as_grey(drawn):
    np.testing.assert_array_equal(drawn(IMAGE.astype(np.float32) / 255), drawn())
    np.testing.assert_array_equal(drawn(IMAGE[None]), drawn())
    np.testing.assert_array_equal(drawn(np.stack([IMAGE] * 3)), drawn())
    colour = RNG.integers(0, 256, (3, 7, 11), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(np.moveaxis(colour, 0, -1)).convert("L")).astype(float)
    assert abs(drawn(colour, value_range=(1, 2))[..., 0] - grey).max() <= 1


@pytest.mark.parametrize("eyes", DICHROMATS)
def test_colours_keep_their_order_for_all_eyes(eyes):
    colours = colours_of(np.linspace(0, 1, 50)) / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(DICHROMATS[eyes]), 0, 1)
    luminance = seen @ [0.2126, 0.7152, 0.0722]
    lightness = np.where(luminance > 0.008856, 116 * np.cbrt(luminance) - 16, 903.3 * luminance)
    assert np.diff(lightness).min() > 0.5
    assert np.ptp(colours, axis=1).min() > 0.25  # far from grey


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"anomaly_map": MAP[:6]}, r"anomaly_map has the shape \(6, 11\), and the image has \(7, 11\)"),
        ({"anomaly_map": MAP[None]}, r"anomaly_map has the shape \(1, 7, 11\)"),
        ({"anomaly_map": np.where(MAP > 0.9, np.nan, MAP)}, "anomaly_map holds NaN or infinity: replace them"),
        ({"anomaly_map": np.ones((7, 11))}, "anomaly_map has the value 1 throughout: give value_range="),
        ({"image": IMAGE[None, None]}, r"image has the shape \(1, 1, 7, 11\), expected"),
        ({"image": np.stack([IMAGE] * 2)}, r"image has the shape \(2, 7, 11\), expected"),
        ({"image": IMAGE.astype(float)}, r"image is float64 and not within \[0, 1\]: give uint8, or divide"),
        ({"image": np.full((7, 11), np.nan)}, r"image is float64 and not within \[0, 1\]"),
        ({"mask": MAP[:6] > 0}, r"mask has the shape \(6, 11\) and is bool, expected \(7, 11\) and bool"),
        ({"mask": MAP}, r"mask has the shape \(7, 11\) and is float64, expected"),
        ({"value_range": (1, 1)}, r"value_range=\(1, 1\), expected two finite numbers, the lower one first"),
        ({"value_range": (0, np.inf)}, "expected two finite numbers"),
        ({"value_range": (0, 1, 2)}, "expected two finite numbers"),
        ({"value_range": 1}, "The 'value_range' parameter"),
        ({"alpha": 0}, "The 'alpha' parameter"),
        ({"alpha": 1.5}, "The 'alpha' parameter"),
    ],
)
def test_bad_parameters_are_named(drawn, parameters, message):
    with pytest.raises(ValueError, match=message):
        drawn(**parameters)


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"PNG files needs PIL\.Image.*sklearn_occ\[images\]"):
        save_overlay(tmp_path / "a.png", IMAGE, MAP)
