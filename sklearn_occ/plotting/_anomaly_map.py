"""AnomalyMapDisplay: where in an image the anomaly lies."""

import numpy as np
from sklearn.utils._param_validation import HasMethods, validate_params

from ..base._input import as_array
from ..datasets import read_image
from ..datasets._reading import FILE_TYPES
from ._axes import axes_grid, require_matplotlib, with_defaults
from ._images import as_picture, check_image, of_shape, show, value_range

_BAR = 0.07  # width of the colour bar, in panels
_DIMMED = 0.6  # the image under the map, whose colours are bright


class AnomalyMapDisplay:
    """An image, its reconstruction where there is one, and the anomaly map laid over it.

    The map's colours are as transparent as its values are low, so that the image, darkened here, is seen where nothing
    is wrong. The colour bar has the values of the map as they are, in its unit.

    `from_estimator` and `from_predictions` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (C, H, W)
        Three channels are red, green and blue; of any other number the first is shown. Black and white are 0 and 1
        where these hold all values (uint8 is read as value / 255), else the extremes of the image; the same for the
        reconstruction. Both have finite values.
    anomaly_map : ndarray of shape (H, W)
        Higher = more anomalous; NaN is left transparent.
    reconstruction : ndarray of the shape of `image`, default=None
        In the unit of the image, or in [0, 1] for a uint8 image.
    mask : ndarray of shape (H, W), default=None
        Nonzero where the anomaly is known to be; outlined.

    Attributes
    ----------
    image_, reconstruction_, map_ : matplotlib AxesImage
        What is drawn in each panel; `reconstruction_` is None where there is none.
    outlines_ : list of matplotlib PathPatch
        Outline of the mask, on the image and on the map; empty without a mask.
    colorbar_ : matplotlib Colorbar
        Of the map.
    axes_ : ndarray of matplotlib Axes, shape (2,) or (3,)
        The panels.
    figure_ : matplotlib Figure
        Where it was drawn.

    See Also
    --------
    ReconstructionDisplay : Several images and what is made of them.
    sklearn_occ.localization.save_overlay : The map over the image as a file.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_occ import PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import AnomalyMapDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = PCAReconstruction(random_state=0).fit(digits.X_train)
    >>> image = digits.X_test[0]
    >>> reconstruction = occ.reconstruct(image[np.newaxis])[0]
    >>> display = AnomalyMapDisplay.from_predictions(
    ...     image, (image - reconstruction) ** 2, reconstruction=reconstruction
    ... )
    >>> len(display.axes_)
    3
    """

    def __init__(self, *, image, anomaly_map, reconstruction=None, mask=None):
        self.image = image
        self.anomaly_map = anomaly_map
        self.reconstruction = reconstruction
        self.mask = mask

    @classmethod
    @validate_params({"estimator": [HasMethods("anomaly_map")]}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, image, mask=None, *, ax=None, **plot_kw):
        """Compute the map of one image and draw it.

        Parameters
        ----------
        estimator : fitted estimator with `anomaly_map`
            Its `reconstruct` is used where it has one.
        image : array-like of shape (H, W) or (C, H, W), or path
            One image, as the estimator takes them, or a file that `sklearn_occ.datasets.read_image` reads.
        mask : array-like of shape (H, W), default=None
            See the class.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : AnomalyMapDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        image = read_image(image) if isinstance(image, FILE_TYPES) else as_array(image)
        check_image(image)
        batch = image[np.newaxis]
        reconstruction = estimator.reconstruct(batch)[0] if hasattr(estimator, "reconstruct") else None
        return cls.from_predictions(
            image, estimator.anomaly_map(batch)[0], reconstruction=reconstruction, mask=mask, ax=ax, **plot_kw
        )

    @classmethod
    def from_predictions(cls, image, anomaly_map, *, reconstruction=None, mask=None, ax=None, **plot_kw):
        """Draw a map that is there.

        Parameters
        ----------
        image : array-like of shape (H, W) or (C, H, W)
            See the class.
        anomaly_map : array-like of shape (H, W)
            See the class.
        reconstruction : array-like of the shape of `image`, default=None
            See the class.
        mask : array-like of shape (H, W), default=None
            See the class.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : AnomalyMapDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        image = as_array(image)
        check_image(image)
        anomaly_map = of_shape(anomaly_map, image.shape[-2:], "anomaly_map")
        if reconstruction is not None:
            reconstruction = of_shape(reconstruction, image.shape, "reconstruction")
        if mask is not None:
            mask = of_shape(mask, image.shape[-2:], "mask")
        return cls(image=image, anomaly_map=anomaly_map, reconstruction=reconstruction, mask=mask).plot(ax, **plot_kw)

    def plot(self, ax=None, *, image_kw=None, map_kw=None, mask_kw=None, colorbar_kw=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            An Axes or cell of a grid is divided, an array has one for each panel: two, or three with a reconstruction.
            None makes a figure.
        image_kw : dict, default=None
            Passed to `Axes.imshow` for image and reconstruction.
        map_kw : dict, default=None
            Passed to `Axes.imshow` for the map: `vmin` and `vmax` give several images the same colours.
        mask_kw : dict, default=None
            Passed to `PathPatch`; `color` is that of the edge.
        colorbar_kw : dict, default=None
            Passed to `Figure.colorbar`: `label` can name the unit.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        from matplotlib.image import AxesImage

        low, high = value_range(self.image)
        titles = ["image", "anomaly map"] if self.reconstruction is None else ["image", "reconstruction", "anomaly map"]
        self.axes_, bar = self._panels(ax, len(titles))
        self.figure_ = self.axes_[0].figure
        for panel, title in zip(self.axes_, titles, strict=True):
            panel.set_title(title, fontsize=11)
        picture = as_picture(self.image, low, high)
        self.image_ = show(self.axes_[0], picture, **image_kw or {})
        self.reconstruction_ = None
        if self.reconstruction is not None:
            drawn = as_picture(self.reconstruction, low, high)
            self.reconstruction_ = show(self.axes_[1], drawn, **image_kw or {})
        show(self.axes_[-1], (_DIMMED * picture).astype(np.uint8), **image_kw or {})
        defaults = {"cmap": _fading()}
        self.map_ = self.axes_[-1].imshow(self.anomaly_map, **with_defaults(defaults, map_kw, AxesImage))
        self.outlines_ = [] if self.mask is None else [self._outline(self.axes_[k], mask_kw) for k in (0, -1)]
        self.colorbar_ = self.figure_.colorbar(self.map_, **bar | {"label": "anomaly score"} | (colorbar_kw or {}))
        self.colorbar_.ax.set_facecolor("black")
        return self

    def _panels(self, place, n):
        """The panels, and where the colour bar goes: beside them, as high as they are."""
        if isinstance(place, list | tuple | np.ndarray):
            panels = axes_grid(place, 1, n, size=None)[0]
            return panels, {"ax": list(panels)}
        widths = [*[1] * n, _BAR]
        axes = axes_grid(place, 1, n + 1, size=(2.9 * n + 0.8, 3.2), width_ratios=widths)[0]
        height, width = self.anomaly_map.shape
        axes[-1].set_box_aspect(height / width / _BAR)
        axes[-1].set_anchor("W")
        return axes[:-1], {"cax": axes[-1]}

    def _outline(self, panel, mask_kw):
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path
        from matplotlib.patheffects import withStroke

        mask_kw = dict(mask_kw or {})
        defaults = {
            "fill": False,
            "edgecolor": mask_kw.pop("color", "#56b4e9"),
            "linewidth": 1.5,
            "capstyle": "projecting",
            "path_effects": [withStroke(linewidth=3, foreground="black")],
        }
        sides = outline(self.mask)
        path = Path(sides.reshape(-1, 2), [Path.MOVETO, Path.LINETO] * len(sides))
        return panel.add_artist(PathPatch(path, **with_defaults(defaults, mask_kw, PathPatch)))


def outline(mask):
    """Sides of pixels between inside (nonzero) and outside of a mask.

    Parameters
    ----------
    mask : ndarray of shape (H, W)
        What lies beyond its border is outside.

    Returns
    -------
    sides : ndarray of shape (n_sides, 2, 2)
        From `(x, y)` to `(x, y)`; the centre of pixel (row, column) is at `(column, row)`.
    """
    inside = np.pad(np.asarray(mask) != 0, 1).astype(np.int8)
    row, column = np.nonzero(np.diff(inside, axis=1)[1:-1])  # to the left of each column, and right of the last
    upright = np.stack([[column, row], [column, row + 1]]).transpose(2, 0, 1)
    row, column = np.nonzero(np.diff(inside, axis=0)[:, 1:-1])
    level = np.stack([[column, row], [column + 1, row]]).transpose(2, 0, 1)
    return np.concatenate([upright, level]) - 0.5


def _fading():
    """Inferno without its darkest part, transparent at the low end."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = colormaps["inferno"](np.linspace(0.25, 1, 256))
    colours[:, 3] = np.linspace(0, 1, 256)
    return ListedColormap(colours, name="fading inferno")
