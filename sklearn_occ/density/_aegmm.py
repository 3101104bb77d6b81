"""AEGMM: a Gaussian mixture on the codes of an autoencoder."""

from functools import partial

import numpy as np
from sklearn import config_context
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import HasMethods

from .._docstrings import with_shared_docs
from ..base._published import published
from ..base._two_stages import BaseTwoStages
from ..reconstruction import CAE

_N_MIXTURES = 4
_ROWS_OF_ONE = 5  # at least, for each component
_RIDGE = 1e-2  # of the variance of a code unit


@with_shared_docs
class AEGMM(BaseTwoStages):
    """AE-GMM: first an autoencoder on the majority, then a Gaussian mixture on its codes.

    ::

        score(x) = log sum_k phi_k N(E(x); mu_k, Sigma_k)        the logarithm of a density: any real number

    Parameters
    ----------
    {first stage}
    mixture : estimator with `score_samples`, default=None
        Second stage, which gets the codes in float64. Its `random_state`, if it is None, is set from this estimator's.
        None: codes scaled to mean 0 and variance 1, then scikit-learn's `GaussianMixture` of four components (one for
        every five rows where there are fewer than 20) with one covariance and `reg_covar=1e-2`. A covariance for each
        component follows single rows: fitted to the codes of 80 % of PneumoniaMNIST's normal training images (971, 196
        units), it gave the others a mean log-density of -0.46 a unit with one covariance, -0.68 with four, -1.23 with
        four diagonal ones (CAE of 16 channels, 30 epochs, one seed).
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {verbose of what is inside}

    Attributes
    ----------
    autoencoder_, mixture_ : estimators
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
    DAGMM : Autoencoder and mixture trained together.
    COCSVM : One-class SVM on the codes, in place of the mixture.
    CAE : The first stage.

    References
    ----------
    A baseline in Guo's thesis on novelty detection and shifts of medical images, section 4.1.3 ("AE GMM"), which gives
    no settings of the mixture. `DAGMM` trains both stages together.

    Examples
    --------
    >>> from sklearn_occ import AEGMM, CAE
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = AEGMM(autoencoder=CAE(max_epochs=5, channels=8), random_state=0).fit(digits.X_train)
    >>> occ.mixture_[-1].weights_.shape, occ.transform(digits.X_test).shape
    ((4,), (1708, 16))
    """

    _parameter_constraints: dict = {
        **BaseTwoStages._parameter_constraints,
        "mixture": [HasMethods(["fit", "score_samples"]), None],
    }
    _default_autoencoder = CAE
    from_paper = published(
        {"guo": {"autoencoder": CAE(channels=16, lr=1e-3, max_epochs=100, batch_size=32)}},
        departures="""Guo's thesis, section 4.1.3, a baseline: the autoencoder has the settings of all networks of
        section 4.1, of whose 50 to 150 epochs 100 are taken. It gives none of the mixture.""",
    )

    def __init__(
        self,
        *,
        autoencoder=None,
        mixture=None,
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
        self.mixture = mixture

    def _fit_codes(self, codes):
        mixture = self._stage(self.mixture, partial(default_mixture, len(codes)))
        with config_context(array_api_dispatch=False):  # with it scikit-learn's k-means start is refused
            self.mixture_ = mixture.fit(codes.astype(np.float64))

    def _score_codes(self, codes):
        return self.mixture_.score_samples(codes.astype(np.float64))


def default_mixture(n_rows):
    """Return an unfitted mixture of the scaled codes of so many rows."""
    n_mixtures = min(_N_MIXTURES, max(1, n_rows // _ROWS_OF_ONE))
    mixture = GaussianMixture(n_mixtures, covariance_type="tied", reg_covar=_RIDGE, max_iter=1000)
    return make_pipeline(StandardScaler(), mixture)
