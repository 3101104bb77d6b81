"""ReconstructionDisplay: images, and what a detector makes of them."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from .._input import as_array
from ._axes import axes_grid, require_matplotlib
from ._classes import classes_in
from ._images import as_picture, of_shape, read_images, show, value_range


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
    reconstructions : ndarray of the shape of `images`
        In the unit of the images, or in [0, 1] for uint8.
    rows : ndarray of int
        Which images are shown.
    parts : dict of str to ndarray of the shape of `images`, default=None
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
    @validate_params({"estimator": [HasMethods("reconstruct")]}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, n_samples=4, names=None, ax=None, **plot_kw):
        """Reconstruct images and draw them.

        Parameters
        ----------
        estimator : fitted estimator with `reconstruct`
            Its `reconstruct_parts` is used where it has one.
        X : array-like of shape (n, H, W) or (n, C, H, W)
            What the estimator takes.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        n_samples, names, ax, **plot_kw
            As in `from_predictions`.

        Returns
        -------
        display : ReconstructionDisplay
        """
        require_matplotlib(cls)
        images = read_images(as_array(X))
        parts = None
        if hasattr(estimator, "reconstruct_parts"):
            parts = dict(zip(("primary", "branch"), estimator.reconstruct_parts(images), strict=True))
        return cls.from_predictions(
            images, estimator.reconstruct(images), y, parts=parts, n_samples=n_samples, names=names, ax=ax, **plot_kw
        )

    @classmethod
    @validate_params(
        {
            "parts": [dict, None],
            "n_samples": [Interval(Integral, 1, None, closed="left")],
            "names": ["array-like", None],
        },
        prefer_skip_nested_validation=False,
    )
    def from_predictions(
        cls, X, reconstructions, y_true=None, *, parts=None, n_samples=4, names=None, ax=None, **plot_kw
    ):
        """Draw reconstructions that are there.

        Parameters
        ----------
        X : array-like of shape (n, H, W) or (n, C, H, W)
            The images.
        reconstructions : array-like of the shape of X
            See the class.
        y_true : array-like of shape (n,), default=None
            1 majority, -1 minority.
        parts : dict of str to array-like of the shape of X, default=None
            A column of pictures each, under its name.
        n_samples : int, default=4
            So many images are shown, the first ones; of each class so many where there are classes.
        names : list of n str, default=None
            See the class.
        ax, **plot_kw
            As in `plot`.

        Returns
        -------
        display : ReconstructionDisplay
        """
        require_matplotlib(cls)
        images = read_images(as_array(X))
        made = {"reconstructions": reconstructions, **(parts or {})}
        made = {name: of_shape(array, images.shape, name) for name, array in made.items()}
        if names is not None and len(names) != len(images):
            raise ValueError(f"There are {len(names)} names, but {len(images)} images: give one name for each.")
        rows = [np.flatnonzero(of_class)[:n_samples] for _, of_class in classes_in(y_true, len(images))]
        display = cls(
            images=images,
            reconstructions=made.pop("reconstructions"),
            rows=np.concatenate(rows),
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
        """
        require_matplotlib(type(self))
        columns = {"image": self.images, **(self.parts or {}), "reconstruction": self.reconstructions}
        size = (1.5 * len(columns) + 0.5, 1.5 * len(self.rows) + 0.4)
        self.axes_ = axes_grid(ax, len(self.rows), len(columns), size=size)
        self.figure_ = self.axes_[0, 0].figure
        low, high = value_range(self.images)
        classes = [] if self.y_true is None else classes_in(self.y_true, len(self.images))
        self.images_ = []
        for line, row in zip(self.axes_, self.rows, strict=True):
            pictures = [as_picture(images[row], low, high) for images in columns.values()]
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
