"""The shallow baselines of the paper on intra-class splitting."""

from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline

from ..preprocessing import HOG, ImageFlattener
from ..svm import OCSVM


def make_hog_ocsvm(*, image_shape=None, random_state=None):
    r"""`OCSVM` on histograms of oriented gradients: ``make_pipeline(HOG(...), OCSVM(nu=0.15, gamma="auto", ...))``.

    HOG has nine orientations, 8 x 8 pixels a cell and 3 x 3 cells a block; the kernel is
    :math:`\exp(-\|v - v'\|^2 / d)`, v the d features of HOG. Steps are called ``hog`` and ``ocsvm``, so that
    ``set_params(ocsvm__nu=0.05)`` and a grid search reach their parameters. A row of a table is read as an image one
    pixel high, which says little about it: for tables take `OCSVM` itself.

    The paper does not tell how a block is normalised. On MNIST, each digit against the others, its mean area under the
    ROC curve of 83.7 % is near that of "L1", the default of scikit-image until 0.14: 84.3 % with
    ``set_params(hog__block_norm="L1")``, 92.4 % with the default of `HOG`.

    Parameters
    ----------
    image_shape : tuple (H, W) or (C, H, W), default=None
        Shape of the images when `X` is flattened, (n, C*H*W). None reads a 2-D `X` as a table.
    random_state : int, RandomState instance or None, default=None
        Draws rows to hold out, where ``ocsvm__threshold_data="validation"``.

    Returns
    -------
    pipeline : :class:`~sklearn.pipeline.Pipeline`
        Unfitted; takes tables and images, (n, H, W) or (n, C, H, W). Its scores are higher for rows more like the
        majority.

    See Also
    --------
    make_fine_hog_ocsvm : The same with settings for small grey images.
    sklearn_occ.preprocessing.HOG : The features.
    sklearn_occ.OCSVM : The detector.

    References
    ----------
    Schlachter, Liao, Yang (2019), Deep one-class classification using intra-class splitting, section 3.1, "HOG".

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.pipelines import make_hog_ocsvm
    >>> digits = load_one_class_digits(majority=3)
    >>> occ = make_hog_ocsvm().fit(digits.X_train)
    >>> print(f"{roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)):.2f}")
    0.98
    """
    return make_pipeline(
        HOG(orientations=9, pixels_per_cell=8, cells_per_block=3, image_shape=image_shape),
        OCSVM(nu=0.15, gamma="auto", random_state=random_state),
    )


def make_fine_hog_ocsvm(*, image_shape=None, random_state=None):
    r"""`make_hog_ocsvm` with cells of 4 x 4 pixels and ``gamma=1.0``: the preset for small grey images.

    The kernel, :math:`\exp(-\|v - v'\|^2)`, is narrower than the paper's, which divides by the number of features. Cell
    and width were chosen on the 8 x 8 digits and PneumoniaMNIST's validation images; on MNIST, each digit against the
    others, the mean area under the ROC curve is 98.9 %. On chest X-rays of 64 and more pixels it is behind
    `PCAReconstruction` on `HOG`; docs/benchmarks.md has the figures.

    Parameters
    ----------
    image_shape : tuple (H, W) or (C, H, W), default=None
        As in `make_hog_ocsvm`.
    random_state : int, RandomState instance or None, default=None
        As in `make_hog_ocsvm`.

    Returns
    -------
    pipeline : :class:`~sklearn.pipeline.Pipeline`
        Unfitted, as `make_hog_ocsvm` gives it.

    See Also
    --------
    make_hog_ocsvm : The settings of the paper.
    sklearn_occ.preprocessing.HOG : The features.
    sklearn_occ.OCSVM : The detector.

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.pipelines import make_fine_hog_ocsvm
    >>> digits = load_one_class_digits(majority=3)
    >>> occ = make_fine_hog_ocsvm().fit(digits.X_train)
    >>> print(f"{roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)):.3f}")
    0.991
    """
    pipeline = make_hog_ocsvm(image_shape=image_shape, random_state=random_state)
    return pipeline.set_params(hog__pixels_per_cell=4, ocsvm__gamma=1.0)


def make_isolation_forest(*, random_state=None):
    r"""Isolation forest of scikit-learn on pixels: ``make_pipeline(ImageFlattener(), IsolationForest(...))``.

    .. math:: \mathrm{score}(x) = -2^{-E\, h(x) / c}

    :math:`h` is the number of random cuts that set x apart from the other rows of a tree, :math:`E` its mean over 100
    trees of 256 rows each (fewer where there are fewer), :math:`c` what is expected of 256 rows: scikit-learn's
    defaults, and the settings of the method's authors. Steps are called ``imageflattener`` and ``isolationforest``. A
    forest does not know labels: wrap the pipeline in :class:`~sklearn_occ.model_selection.MajorityOnly` where some rows
    are labelled -1.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the trees.

    Returns
    -------
    pipeline : :class:`~sklearn.pipeline.Pipeline`
        Unfitted; takes tables and images, (n, H, W) or (n, C, H, W). Its scores are higher for rows more like the
        majority.

    See Also
    --------
    make_hog_ocsvm : The other baseline without a network.
    sklearn.ensemble.IsolationForest : The forest.
    sklearn_occ.model_selection.MajorityOnly : Wrapper that keeps rows labelled -1 out of the fit.

    References
    ----------
    Liu, Ting, Zhou (2008), Isolation forest.
    Schlachter, Liao, Yang (2019), Deep one-class classification using intra-class splitting, section 3.1, "IF".

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.pipelines import make_isolation_forest
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = make_isolation_forest(random_state=0).fit(digits.X_train)
    >>> print(f"{roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)):.2f}")
    1.00
    """
    return make_pipeline(ImageFlattener(), IsolationForest(random_state=random_state))


BASELINES = {  # by the names that a comparison and the benchmarks give them
    "HOG-OCSVM": make_hog_ocsvm,
    "FineHOG-OCSVM": make_fine_hog_ocsvm,
    "IsolationForest": make_isolation_forest,
}
