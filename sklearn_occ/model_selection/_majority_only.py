"""MajorityOnly: no step of a pipeline sees a row labelled -1."""

from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from .._docstrings import with_shared_docs
from ..base._inner import LARGEST_SEED, seed_unset
from ..base._input import as_array
from ..base._labels import majority_rows


def _has(method):
    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), method)  # its AttributeError says what is missing
        return True

    return available_if(check)


class MajorityOnly(MetaEstimatorMixin, BaseEstimator):
    """Fit an estimator, or every step of a pipeline, on the rows labelled 1 alone.

    A detector of this package drops the rows labelled -1 itself, but a `StandardScaler` in front of it
    would still learn from them: in the last fit of `GridSearchCV`, which gets all rows, the model would
    differ from the one that was validated. Wrapped as the outermost estimator, the minority is dropped
    before the first step.

    Parameters
    ----------
    estimator : estimator with `fit`
        A detector, or a pipeline that ends in one. It is cloned.
    random_state : int, RandomState or None, default=None
        Seeds every `random_state` of `estimator` and its steps that is None; None leaves them as they are.

    Attributes
    ----------
    estimator_ : estimator
        The fitted clone.
    n_features_in_, feature_names_in_, offset_
        Those of `estimator_`.

    See Also
    --------
    OneClassKFold : Folds that train on the majority alone.
    sklearn_occ.pipelines.make_isolation_forest : Pipeline that does not know labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_occ import OCSVM
    >>> from sklearn_occ.model_selection import MajorityOnly
    >>> X, y = np.array([[1.0], [2.0], [3.0], [99.0]]), [1, 1, 1, -1]
    >>> occ = MajorityOnly(make_pipeline(StandardScaler(), OCSVM())).fit(X, y)
    >>> float(occ.estimator_[0].mean_[0])
    2.0
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"])],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, *, random_state=None):
        self.estimator = estimator
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit on the majority rows.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            Whatever `estimator` takes.
        y : array-like of shape (n,), default=None
            If every label is 1 or -1, rows labelled -1 are dropped. Other whole numbers without a -1 are handed on with
            all rows and a `LabelsIgnoredWarning`; any other `y` is refused.

        Returns
        -------
        self
            The fitted estimator.
        """
        rows = majority_rows(y, _num_samples(X)).nonzero()[0]
        self._columns = None
        if len(rows) < _num_samples(X):
            X, y = _safe_indexing(as_array(X), rows), _safe_indexing(y, rows)
            if get_tags(self.estimator).input_tags.pairwise:  # a kernel has a column for each row
                self._columns = rows
                X = self._select(X)
        estimator = clone(self.estimator)
        if self.random_state is not None:
            random = check_random_state(self.random_state)
            seed_unset(estimator, lambda: random.randint(LARGEST_SEED))
        self.estimator_ = estimator.fit(X, y)
        return self

    @_has("predict")
    @with_shared_docs
    def fit_predict(self, X, y=None):
        """Fit on the majority rows, then label every row.

        {rows and labels as in fit}

        Returns
        -------
        labels : ndarray of shape (n,)
            Of all rows of `X`.
        """
        return self.fit(X, y).predict(X)

    @_has("transform")
    @with_shared_docs
    def fit_transform(self, X, y=None):
        """Fit on the majority rows, then transform every row.

        {rows and labels as in fit}

        Returns
        -------
        X_new : array-like
            What the fitted estimator makes of all rows of `X`.
        """
        return self.fit(X, y).transform(X)

    @_has("predict")
    @with_shared_docs
    def predict(self, X):
        """Return `estimator_.predict(X)`.

        {what the estimator takes}

        Returns
        -------
        labels : ndarray of shape (n,)
            As the estimator gives them.
        """
        return self._fitted().predict(self._select(X))

    @_has("decision_function")
    @with_shared_docs
    def decision_function(self, X):
        """Return `estimator_.decision_function(X)`.

        {what the estimator takes}

        Returns
        -------
        decision : ndarray of shape (n,)
            As the estimator gives it.
        """
        return self._fitted().decision_function(self._select(X))

    @_has("score_samples")
    @with_shared_docs
    def score_samples(self, X):
        """Return `estimator_.score_samples(X)`.

        {what the estimator takes}

        Returns
        -------
        scores : ndarray of shape (n,)
            As the estimator gives them.
        """
        return self._fitted().score_samples(self._select(X))

    @_has("transform")
    @with_shared_docs
    def transform(self, X):
        """Return `estimator_.transform(X)`.

        {what the estimator takes}

        Returns
        -------
        X_new : array-like
            As the estimator gives it.
        """
        return self._fitted().transform(self._select(X))

    @_has("inverse_transform")
    def inverse_transform(self, X):
        """Return `estimator_.inverse_transform(X)`.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            What `transform` returns.

        Returns
        -------
        rows : array-like
            As the estimator gives them.
        """
        return self._fitted().inverse_transform(X)

    @_has("get_feature_names_out")
    def get_feature_names_out(self, input_features=None):
        """Return `estimator_.get_feature_names_out(input_features)`.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of `X`; None takes those of the fit.

        Returns
        -------
        feature_names_out : ndarray of str
            Names of the columns that `transform` gives.
        """
        return self._fitted().get_feature_names_out(input_features)

    @property
    def n_features_in_(self):
        """Values of one row, as the fitted estimator has it."""
        return self._fitted_attribute("n_features_in_")

    @property
    def feature_names_in_(self):
        """Column names, as the fitted estimator has them."""
        return self._fitted_attribute("feature_names_in_")

    @property
    def offset_(self):
        """Threshold on the score, of the fitted estimator or of the last step of a pipeline."""
        if isinstance(self.estimator, Pipeline):
            return self._fitted_attribute("steps")[-1][1].offset_
        return self._fitted_attribute("offset_")

    def _select(self, X):
        """Leave out the columns of a kernel that belong to rows not trained on."""
        return X if self._columns is None else _safe_indexing(X, self._columns, axis=1)

    def _fitted(self):
        check_is_fitted(self, "estimator_")
        return self.estimator_

    def _fitted_attribute(self, name):
        if "estimator_" not in vars(self):
            raise AttributeError(f"MajorityOnly has no {name} before it is fitted; call fit first.")
        return getattr(self.estimator_, name)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.input_tags = inner.input_tags
        tags.transformer_tags = inner.transformer_tags
        return tags
