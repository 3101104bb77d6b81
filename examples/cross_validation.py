"""Choose a parameter by one-class cross-validation: only the majority is trained on, in the last fit too."""

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_occ import ConOCC
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.metrics import aupr_minority_scorer
from sklearn_occ.model_selection import MajorityOnly, OneClassKFold
from sklearn_occ.preprocessing import ImageScaler


def main():
    digits = load_one_class_digits(majority=8)
    X = np.concatenate([digits.X_train, digits.X_test])
    y = np.concatenate([np.ones(len(digits.X_train), dtype=int), digits.y_test])

    pipeline = make_pipeline(ImageScaler("l2"), ConOCC(max_epochs=200, channels=16, random_state=0))
    search = GridSearchCV(
        MajorityOnly(pipeline),
        {"estimator__conocc__n_components": [4, 16, 64]},
        cv=OneClassKFold(4, shuffle=True, random_state=0),
        scoring={"auc": "roc_auc", "aupr_min": aupr_minority_scorer},
        refit="auc",
    ).fit(X, y)
    for width, auc, aupr in zip(
        search.cv_results_["param_estimator__conocc__n_components"],
        search.cv_results_["mean_test_auc"],
        search.cv_results_["mean_test_aupr_min"],
        strict=True,
    ):
        print(f"code of {width:2}: AUC {auc:.3f}, AUPR-min {aupr:.3f}")
    print(f"chosen: {search.best_params_}, fitted on {(y == 1).sum()} majority rows")


if __name__ == "__main__":
    main()
