"""At which line a warning points."""

import _thread
import warnings
from functools import partial

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_occ import CAE, COCSVM, OCSVM, SeedEnsemble
from sklearn_occ._warning import warn


def called_by(module, *functions):
    """A function in a module of that name, which calls others in line 2 of its file."""
    namespace = {"__name__": module, "functions": functions}
    exec(compile("def call():\n    for function in functions: function()", f"{module}.py", "exec"), namespace)
    return namespace["call"]


def through(*modules):
    """A function that warns from the first of the modules, called by the second, and so on."""
    function = partial(warn, "Take care.", ConvergenceWarning)
    for module in modules:
        function = called_by(module, function)
    return function


def users(function):
    function()


@pytest.mark.parametrize(
    ("modules", "place"),
    [
        (["sklearn_occ.a"], None),
        (["sklearn_occ.a", "sklearn_occ"], None),
        (["sklearn_occ.a", "skorch.net", "sklearn_occ.b", "sklearn.base", "joblib.parallel", "sklearn.pipeline"], None),
        (["sklearn_occ.a", "sklearn.base", "sklearn_occ_extras.b", "sklearn.base"], ("sklearn_occ_extras.b.py", 2)),
        (["sklearn_occ.a", "sklearn.base", "__main__", "runpy"], ("__main__.py", 2)),
        (["mine", "sklearn_occ.a"], ("mine.py", 2)),
    ],
)
def test_it_is_the_innermost_line_outside_what_calls_for_the_user(modules, place):
    with pytest.warns(ConvergenceWarning, match=r"^Take care\.$") as caught:
        users(through(*modules))
    assert [(one.filename, one.lineno) for one in caught] == [place or (__file__, users.__code__.co_firstlineno + 1)]


def test_it_is_the_outermost_line_where_all_are_passed_over():
    done = _thread.allocate_lock()
    done.acquire()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _thread.start_new_thread(called_by("sklearn.base", through("sklearn_occ.a"), done.release), ())
        assert done.acquire(timeout=60)
    assert [(one.filename, one.lineno) for one in caught] == [("sklearn.base.py", 2)]


UNFINISHED = OCSVM(solver="dual", max_iter=1, tol=1e-6)
CALLS = [
    lambda X: UNFINISHED.fit(X),
    lambda X: make_pipeline(StandardScaler(), UNFINISHED).fit(X),
    lambda X: cross_validate(UNFINISHED, X, scoring=lambda occ, X, y=None: 0.0),
    lambda X: SeedEnsemble(UNFINISHED, n_estimators=2).fit(X),
    lambda X: COCSVM(autoencoder=CAE(max_epochs=1), svm=UNFINISHED, random_state=0).fit(X),
]


@pytest.mark.parametrize("call", CALLS)
def test_of_a_detector_inside_another_it_is_the_line_that_fits_the_whole(call, rng):
    with pytest.warns(ConvergenceWarning, match="The solver of OCSVM was ended") as caught:
        call(rng.normal(size=(60, 3)))
    assert {(one.filename, one.lineno) for one in caught} == {(__file__, call.__code__.co_firstlineno)}
