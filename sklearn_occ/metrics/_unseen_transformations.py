"""How many of the majority's images are called minority once they are changed in ways that were not trained on."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from ..base._input import as_array, as_taken_by
from ..datasets import transform_images
from ..datasets._transformations import DEFAULT_STRENGTHS
from ._labelled_scores import finite_scores


@validate_params(
    {
        "estimator": [HasMethods("score_samples")],
        "images": ["array-like"],
        "threshold": [Interval(Real, None, None, closed="both")],  # no NaN
        "strengths": [dict, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def unseen_transformation_rates(estimator, images, threshold, *, strengths=None, random_state=0):
    """Share of the majority's images below a threshold, as they are and after each of four transformations.

    Every transformed image counts as an outlier, so that the share is the accuracy on them; "none", of the images as
    they are, is what was called minority before, and a detector that calls everything minority has 1 throughout: read
    the others beside it.

    Parameters
    ----------
    estimator : fitted estimator with `score_samples`
        Any detector, higher = more like the majority. One of another library, or behind a first step of another, gets
        the images flattened, floats in [0, 1].
    images : array-like of shape (n, H, W) or (n, C, H, W)
        Majority images that were not trained on; uint8, or float in [0, 1].
    threshold : float
        A score below it says minority. The thesis takes that of `g_mean_threshold` on the labelled test set, so that
        the shares are figures of an evaluation; with `offset_` they are those of the detector as it is used.
    strengths : dict of str to float or None, default=None
        The transformations and their strengths, see `sklearn_occ.datasets.transform_images`; None stands for its
        default. None altogether: all four with their defaults.
    random_state : int, RandomState instance or None, default=0
        Seeds the transformations.

    Returns
    -------
    rates : dict of str to float
        "none", then each transformation, between 0 and 1.

    Raises
    ------
    ValueError
        If a transformation is unknown, a parameter is out of its range, or a score is not finite.
    ImportError
        For "crop", if scikit-image is absent.

    See Also
    --------
    sklearn_occ.datasets.transform_images : The transformations.
    g_mean_threshold : The threshold that the thesis takes.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), section 4.1.3 and tables
    4.5 and 4.6, which transform the images trained on as well.

    Examples
    --------
    >>> from sklearn_occ import PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.metrics import unseen_transformation_rates
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = PCAReconstruction(random_state=0).fit(digits.X_train)
    >>> images = digits.X_test[digits.y_test == 1]
    >>> rates = unseen_transformation_rates(occ, images, occ.offset_, strengths={"noise": 0.2, "cut": None})
    >>> list(rates), rates["none"] < rates["noise"]
    (['none', 'noise', 'cut'], True)
    """
    images = as_array(images)
    rates = {"none": _share_below(threshold, estimator, images)}
    for kind, strength in (DEFAULT_STRENGTHS if strengths is None else strengths).items():
        transformed = transform_images(images, kind=kind, strength=strength, random_state=random_state)
        rates[kind] = _share_below(threshold, estimator, transformed)
    return rates


def _share_below(threshold, estimator, images):
    scores = finite_scores(estimator.score_samples(as_taken_by(estimator, images)))
    return float(np.mean(scores < threshold))
