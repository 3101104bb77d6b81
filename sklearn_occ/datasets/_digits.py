"""The 8 x 8 digits that come with scikit-learn, one digit against the nine others."""

from numbers import Integral, Real

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from ..model_selection import one_vs_rest_split

_DESCR = """\
One-class digits: {majority} against the rest
{underline}
Source: the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI Machine
Learning Repository, 1998), as in sklearn.datasets.load_digits. Nothing is downloaded.
Licence: CC BY 4.0.
Images: 8 x 8, float32 in [0, 1] (the 17 grey levels 0 to 16, divided by 16).
Counts: {n_train} training images, all of them the digit {majority}; {n_test} test images, {n_majority} of the
digit {majority} (label 1) and {n_minority} of the nine other digits (label -1).
Protocol: the majority digit's images are split at random, test_size={test_size}; every other image is a
test image.
"""


@validate_params(
    {
        "majority": [Interval(Integral, 0, 9, closed="both")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def load_one_class_digits(majority=0, *, test_size=0.5, random_state=0):
    """Load scikit-learn's 1797 digits of 8 x 8 pixels, one digit as the majority.

    The majority digit's images are split at random into training and test images. All images of the nine
    other digits are minority test images.

    Parameters
    ----------
    majority : int in [0, 9], default=0
        The digit that is the majority.
    test_size : float in (0, 1), default=0.5
        Share of the majority digit's images that go into the test set.
    random_state : int, RandomState instance or None, default=0
        Decides the split. None gives another split at every call.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (n_train, 8, 8), float32
            Majority images, in [0, 1].
        X_test : ndarray of shape (n_test, 8, 8), float32
            Majority images first, then all minority images.
        y_test : ndarray of shape (n_test,), int
            1 for the majority digit, -1 for the others.
        image_shape : tuple
            ``(1, 8, 8)``.
        DESCR : str
            Source, licence, counts and protocol.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or `test_size` leaves no training image.

    See Also
    --------
    fetch_mnist : Digits of 28 x 28 pixels.
    sklearn_occ.model_selection.one_vs_rest_split : The same split of other labelled rows.

    Examples
    --------
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=3)
    >>> digits.X_train.shape, digits.X_test.shape, int((digits.y_test == 1).sum())
    ((91, 8, 8), (1706, 8, 8), 92)
    """
    digits = load_digits()
    images = digits.images.astype(np.float32) / 16
    X_train, X_test, y_test = one_vs_rest_split(
        images, digits.target, majority, test_size=test_size, random_state=random_state
    )
    title = f"One-class digits: {majority} against the rest"
    return Bunch(
        X_train=X_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(1, 8, 8),
        DESCR=_DESCR.format(
            majority=majority,
            underline="-" * len(title),
            n_train=len(X_train),
            n_test=len(X_test),
            n_majority=int((y_test == 1).sum()),
            n_minority=int((y_test == -1).sum()),
            test_size=test_size,
        ),
    )
