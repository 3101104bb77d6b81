"""What is said of items that cannot be used, and that the error itself is raised where none may be skipped."""

import warnings

import pytest

from sklearn_occ.datasets._reading_ahead import Unusable, usable


def reciprocal(number):
    if number < 0:
        raise OSError(f"{number} is absent.")
    try:
        return 1 / number
    except ZeroDivisionError as error:
        raise ValueError("0 has none.") from error


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_unusable_items_are_left_out(n_jobs):
    unusable = Unusable("skip")
    found = dict(usable(reciprocal, [1, 0, 2, -1, 4, 0], n_jobs, unusable))
    assert found == {0: 1.0, 2: 0.5, 4: 0.25}
    assert unusable.names == ["0", "-1", "0"]
    assert unusable.sentences == ["0 has none.", "-1 is absent.", "0 has none."]


def test_the_error_itself_is_raised_with_its_cause():
    with pytest.raises(ValueError, match=r"0 has none\.") as caught:
        list(usable(reciprocal, [1, 0, -1], 2, Unusable("raise")))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(TypeError):
        list(usable(reciprocal, [1, "2"], 2, Unusable("skip")))


@pytest.mark.parametrize(
    ("n", "names", "sentences"),
    [
        (1, "'{0}'", "No 0."),
        (5, "'{0}', '{1}', '{2}', '{3}', '{4}'", "No 0. No 1. No 2. No 3. No 4."),
        (7, "'{0}', '{1}', '{2}', '{3}', '{4}' and 2 more", "No 0. No 1. No 2. No 3. No 4. (and 2 more)"),
    ],
)
def test_five_are_named(n, names, sentences):
    unusable = Unusable("skip")
    for number in range(n):
        unusable.add(f"{{{number}}}", ValueError(f"No {number}."))
    with pytest.warns(UserWarning) as caught:
        unusable.warn("{n} of {total}: {names}; {sentences}; {first}", 9)
    assert str(caught[0].message) == f"{n} of 9: {names}; {sentences}; No 0."
    assert caught[0].filename == __file__


def test_nothing_is_said_where_all_can_be_used():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Unusable("skip").warn("{n}", 3)
