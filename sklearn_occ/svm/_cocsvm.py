"""COCSVM (C-OCSVM): a one-class support vector machine on the codes of an autoencoder."""

import numpy as np
from sklearn.utils._param_validation import HasMethods, StrOptions

from .._docstrings import with_shared_docs
from ..base._published import published
from ..base._two_stages import BaseTwoStages
from ..reconstruction import CAE
from ._ocsvm import OCSVM


@with_shared_docs
class COCSVM(BaseTwoStages):
    """C-OCSVM: first an autoencoder on the majority, then a one-class SVM on its codes.

    ::

        score(x) = sum_i alpha_i K(E(x), E(x_i))

    The same as `Pipeline([("autoencoder", CAE()), ("svm", OCSVM())])` with one `random_state`, plus labels
    that are kept out of both stages and rows held out of both.

    Parameters
    ----------
    {first stage}
    svm : estimator with `score_samples`, default=None
        Second stage; None is `OCSVM()`.
    contamination : "auto", float in (0, 0.5] or None, default=0.1
        A float: that share of the calibration rows lies below the threshold. None: the lowest of them is the threshold.
        "auto": the threshold is that of the second stage, `svm_.offset_`; with the `nu` of `OCSVM()`, 0.5, half of the
        training rows are then labelled -1.
    {threshold parameters}
    {verbose of what is inside}

    Attributes
    ----------
    autoencoder_, svm_ : estimators
        The fitted stages.
    n_components_ : int
        Width of the code.
    {threshold attributes}

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C ends the first stage, since the second would start on a half-trained one.

    See Also
    --------
    OCSVM : The second stage.
    CAE : The first stage.
    AEGMM : Mixture of Gaussians on the codes, in place of the SVM.

    References
    ----------
    Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images,
    section 3.1, where C-OCSVM is a baseline.

    Examples
    --------
    >>> from sklearn_occ import CAE, COCSVM
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = COCSVM(autoencoder=CAE(max_epochs=5, channels=8), random_state=0).fit(digits.X_train)
    >>> occ.transform(digits.X_test).shape
    (1708, 16)
    """

    _parameter_constraints: dict = {
        **BaseTwoStages._parameter_constraints,
        "svm": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [StrOptions({"auto"}), *BaseTwoStages._parameter_constraints["contamination"]],
    }
    _default_autoencoder = CAE
    from_paper = published(
        {"conocc": {"autoencoder": CAE.from_paper(), "svm": OCSVM(kernel="rbf"), "contamination": "auto"}},
        departures="""Gao et al., section 3.1, which gives no `nu`, no width of the kernel and no threshold: they are
        those of scikit-learn.""",
    )

    def __init__(
        self,
        *,
        autoencoder=None,
        svm=None,
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
        verbose="auto",
    ):
        super().__init__(
            autoencoder=autoencoder,
            contamination=contamination,
            threshold_data=threshold_data,
            validation_fraction=validation_fraction,
            image_shape=image_shape,
            random_state=random_state,
            verbose=verbose,
        )
        self.svm = svm

    def _fit_codes(self, codes):
        self.svm_ = self._stage(self.svm, OCSVM).fit(codes)

    def _score_codes(self, codes):
        return self.svm_.score_samples(codes)

    def _own_offset(self):
        if not hasattr(self.svm_, "offset_"):
            raise ValueError(
                f"contamination='auto' takes the threshold of the second stage, but {type(self.svm_).__name__} has no "
                "offset_; set contamination, for example to 0.1."
            )
        return float(np.ravel(self.svm_.offset_)[0])
