"""ReconstructionDisplay: images, and what a detector makes of them."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_is_fitted

from ..base._input import as_array
from ._axes import axes_grid, require_matplotlib
from ._classes import classes_in
from ._fitted import owner_of, rows_seen_by
from ._images import as_picture, of_shape, read_images, show, value_range

_CHOICE = {"n_samples": [Interval(Integral, 1, None, closed="left")], "names": ["array-like", None]}


class ReconstructionDisplay:
    """Images in rows: each as it is, what each part of a detector makes of it, and the reconstruction.

    Only detectors made of two autoencoders (`CascadeVAE`, `CVAD`) have parts: what the deep code gives ("primary"),
    and what the shallow one adds ("branch"). Both together are the reconstruction.

    `from_estimator` and `from_predictions` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    images : ndarray of shape (n, H, W) or (n, C, H, W)
        Black and white are 0 and 1 where these hold all values (uint8 is read as value / 255), else the extremes of all
        images; the same for all pictures. Three channels are red, green and blue; of any other number the first is
        shown.
    reconstructions : ndarray of shape (n_shown, H, W) or (n_shown, C, H, W)
        Of the images that are shown; in their unit, or in [0, 1] for uint8.
    rows : ndarray of int, shape (n_shown,)
        Which images are shown.
    parts : dict of str to ndarray of the shape of `reconstructions`, default=None
        What the parts make of them.
    y_true : array-like of shape (n,), default=None
        1 majority, -1 minority; frames the images. None draws no frames.
    names : list of n str, default=None
        What stands beside the images; None is the class, or nothing.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The grid, an image in each line.
    images_ : list of lists of matplotlib AxesImage
        The pictures of each line.
    figure_ : matplotlib Figure
        Where it was drawn.

    See Also
    --------
    AnomalyMapDisplay : One image and its map.
    SampleGalleryDisplay : Images with the highest and the lowest scores.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), figure 4.11.

    Examples
    --------
    >>> from sklearn_occ import CascadeVAE
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import ReconstructionDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = CascadeVAE(max_epochs=5, random_state=0).fit(digits.X_train)
    >>> display = ReconstructionDisplay.from_estimator(occ, digits.X_test, digits.y_test, n_samples=2)
    >>> display.axes_.shape, list(display.parts)
    ((4, 4), ['primary', 'branch'])
    """

    def __init__(self, *, images, reconstructions, rows, parts=None, y_true=None, names=None):
        self.images = images
        self.reconstructions = reconstructions
        self.rows = rows
        self.parts = parts
        self.y_true = y_true
        self.names = names

    @classmethod
    @validate_params({"estimator": [HasMethods("fit")], **_CHOICE}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, n_samples=4, names=None, ax=None, **plot_kw):
        """Reconstruct the images that are shown, and draw them.

        Parameters
        ----------
        estimator : fitted estimator
            One with `reconstruct`, or a pipeline or search that ends in one. Its `reconstruct_parts` is used where it
            has one. Images are drawn as it gets them from the steps before it.
        X : array-like of shape (n, H, W) or (n, C, H, W)
            What the estimator takes.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        n_samples : int, default=4
            As in `from_predictions`.
        names : list of n str, default=None
            As in `from_predictions`.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : ReconstructionDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        owner = owner_of(estimator, "reconstruct")
        if owner is None:
            check_is_fitted(estimator)
            raise ValueError(
                f"{type(estimator).__name__} is no estimator implementing 'reconstruct', nor does it end in one: pass "
                "reconstructions to from_predictions."
            )
        images = read_images(rows_seen_by(owner, estimator, as_array(X)))
        rows = _shown(images, y, names, n_samples)
        made = {"reconstructions": owner.reconstruct(images[rows])}
        if hasattr(owner, "reconstruct_parts"):
            made |= zip(("primary", "branch"), owner.reconstruct_parts(images[rows]), strict=True)
        return cls._drawn(images, rows, made, y_true=y, names=names, ax=ax, **plot_kw)

    @classmethod
    @validate_params({"parts": [dict, None], **_CHOICE}, prefer_skip_nested_validation=False)
    def from_predictions(
        cls, X, reconstructions, y_true=None, *, parts=None, n_samples=4, names=None, ax=None, **plot_kw
    ):
        """Draw reconstructions that are there.

        Parameters
        ----------
        X : array-like of shape (n, H, W) or (n, C, H, W)
            The images.
        reconstructions : array-like of the shape of X
            In the unit of the images, or in [0, 1] for uint8.
        y_true : array-like of shape (n,), default=None
            1 majority, -1 minority.
        parts : dict of str to array-like of the shape of X, default=None
            A column of pictures each, under its name.
        n_samples : int, default=4
            So many images are shown, the first ones; of each class so many where there are classes.
        names : list of n str, default=None
            See the class.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : ReconstructionDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        images = read_images(as_array(X))
        made = {"reconstructions": reconstructions, **(parts or {})}
        made = {name: of_shape(array, images.shape, name) for name, array in made.items()}
        rows = _shown(images, y_true, names, n_samples)
        made = {name: array[rows] for name, array in made.items()}
        return cls._drawn(images, rows, made, y_true=y_true, names=names, ax=ax, **plot_kw)

    @classmethod
    def _drawn(cls, images, rows, made, *, y_true, names, ax, **plot_kw):
        made = {name: of_shape(array, images[rows].shape, name) for name, array in made.items()}
        display = cls(
            images=images,
            reconstructions=made.pop("reconstructions"),
            rows=rows,
            parts=made or None,
            y_true=y_true,
            names=names,
        )
        return display.plot(ax, **plot_kw)

    def plot(self, ax=None, *, image_kw=None, text_kw=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            An Axes or cell of a grid is divided, an array has one for each picture. None makes a figure.
        image_kw : dict, default=None
            Passed to `Axes.imshow`.
        text_kw : dict, default=None
            Properties of the text beside an image.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        columns = {"image": self.images[self.rows], **(self.parts or {}), "reconstruction": self.reconstructions}
        size = (1.5 * len(columns) + 0.5, 1.5 * len(self.rows) + 0.4)
        self.axes_ = axes_grid(ax, len(self.rows), len(columns), size=size)
        self.figure_ = self.axes_[0, 0].figure
        low, high = value_range(self.images)
        classes = [] if self.y_true is None else classes_in(self.y_true, len(self.images))
        self.images_ = []
        for line, row, *shown in zip(self.axes_, self.rows, *columns.values(), strict=True):
            pictures = [as_picture(image, low, high) for image in shown]
            self.images_.append(
                [show(panel, picture, **image_kw or {}) for panel, picture in zip(line, pictures, strict=True)]
            )
            for panel in line:
                panel.spines[:].set_visible(False)
            look = next((look for look, of_class in classes if of_class[row]), None)
            if look is not None:
                line[0].spines[:].set(visible=True, color=look.colour, linestyle=look.line, linewidth=2)
            text = self.names[row] if self.names is not None else look.name if look else ""
            line[0].set_ylabel(text, **{"fontsize": 9} | (text_kw or {}))
        for panel, title in zip(self.axes_[0], columns, strict=True):
            panel.set_title(title, fontsize=10)
        return self


def _shown(images, y, names, n_samples):
    """The first rows of each class; a ValueError for another number of labels or names than of images."""
    if names is not None and len(names) != len(images):
        raise ValueError(f"There are {len(names)} names, but {len(images)} images: give one name for each.")
    return np.concatenate([np.flatnonzero(of_class)[:n_samples] for _, of_class in classes_in(y, len(images))])
