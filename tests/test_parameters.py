"""One vocabulary: the order of parameters, their names, and the page in the docs that lists them."""

import inspect
import re

import pytest
from conftest import module_of_docs

import sklearn_occ

ESTIMATORS = [getattr(sklearn_occ, name) for name in sklearn_occ.__all__]


page = module_of_docs("make_parameters")


def parameters_of(estimator):
    return list(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_shared_parameters_come_last_and_in_one_order(estimator):
    names = parameters_of(estimator)
    shared = [name for name in names if name in page.ORDER]
    assert shared == names[len(names) - len(shared) :]
    assert shared == sorted(shared, key=page.ORDER.index)
    own = names[: len(names) - len(shared)]
    assert "pretrain_lr" not in own or own[-2:] == ["pretrain_epochs", "pretrain_lr"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_docstring_has_the_order_of_the_signature(estimator):
    section = re.search(r"Parameters\n-+\n(.*?)\n\n[A-Z]\w+\n-+\n", inspect.getdoc(estimator), re.DOTALL)[1]
    documented = [name for line in re.findall(r"^(\w[\w, ]*) : ", section, re.MULTILINE) for name in line.split(", ")]
    assert documented == parameters_of(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_parameter_looks_like_a_fitted_attribute(estimator):
    assert not [name for name in parameters_of(estimator) if name.endswith("_")]


def test_the_page_is_that_of_the_signatures():
    assert page.TABLE.read_text() == page.text(), "run python docs/make_parameters.py"


def test_a_parameter_without_a_meaning_or_a_reason_is_refused():
    found = page.defaults()
    found["unheard_of"]["1"].append("CAE")
    with pytest.raises(ValueError, match=r"no meaning for \['unheard_of'\]"):
        page.check(found)
    found = page.defaults()
    found["precision"]["'float64'"].append("CAE")
    with pytest.raises(ValueError, match=r"no reason for \['precision'\]"):
        page.check(found)
    found = page.defaults()
    del found["alpha"]
    with pytest.raises(ValueError, match=r"one too many for \['alpha'\]"):
        page.check(found)
