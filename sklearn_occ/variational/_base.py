"""BaseVariational: what the detectors made of variational autoencoders have in common."""

from numbers import Real

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .._docstrings import with_shared_docs
from .._engine import BaseCodes, DrawingNet, reconstructed_variance, total_variance
from .._warning import warn
from ..base._input import as_array, float_dtype
from ..nn._variational import kl_divergence

_LEAST_DIVERGENCE = 1e-3  # nats, of the codes of a row from the prior
_VARIANCE_FLOOR = 1e-3  # of the variance of the rows


class BaseVariational(BaseCodes):
    """Detector whose module begins what it gives by a row's reconstruction and its code's mean and log-variance."""

    _parameter_constraints: dict = {
        **BaseCodes._parameter_constraints,
        "kl_weight": [Interval(Real, 0, None, closed="left")],
    }
    _net_class = DrawingNet

    def __init__(self, *, kl_weight, **codes_and_engine):
        super().__init__(**codes_and_engine)
        self.kl_weight = kl_weight

    def _codes(self, rows):
        return self._evaluate(rows, lambda outputs, x: outputs[1])

    def _check_trained(self, net, X):
        divergence = sum(float(kl_divergence(*outputs[1:3]).double().sum()) for outputs, _ in net.sweep(X)) / len(X)
        if divergence > _LEAST_DIVERGENCE:
            return
        variance, of_rows = reconstructed_variance(net, X), total_variance(x for x, _ in net.get_iterator(X))
        if variance < _VARIANCE_FLOOR * of_rows:
            warn(
                f"The codes of {type(self).__name__} have collapsed onto the prior: they tell {divergence:.1g} nats of "
                f"a training row, below {_LEAST_DIVERGENCE:g}, and reconstructions have {variance / of_rows:.1g} of "
                f"the rows' variance, below {_VARIANCE_FLOOR:g}, so that the score is little more than the distance to "
                f"the mean row. Lower kl_weight, now {self.kl_weight:g}, or scale the rows up.",
                ConvergenceWarning,
            )


class BaseCascade(BaseVariational):
    """Detector with a cascade of two variational autoencoders, which it names as its `_cascade`."""

    @property
    def _decoder(self):
        return self._cascade.decoder

    @with_shared_docs
    def reconstruct_parts(self, X):
        """What each of the two autoencoders makes of the rows by itself.

        Their mean before the output's activation gives what `reconstruct` returns.

        {rows as fitted}

        Returns
        -------
        primary, branch : ndarray of the shape of X
            `x1` of the deep code and `x2` of the branch's, in the precision of X; float32 in [0, 1] for uint8 images.
        """
        check_is_fitted(self)
        rows = self._read_X(X, reset=False)
        parts = self._evaluate(
            rows, lambda outputs, x: torch.stack([outputs.primary, outputs.branch], 1), module=self._cascade
        ).astype(float_dtype(rows), copy=False)
        shape = as_array(X).shape
        return parts[:, 0].reshape(shape), parts[:, 1].reshape(shape)
