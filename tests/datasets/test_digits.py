import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_occ.datasets import load_one_class_digits


def rows(images):
    return sorted(image.tobytes() for image in images)


@pytest.mark.parametrize("majority", [0, 7])
def test_every_digit_is_in_exactly_one_set(majority):
    data = load_one_class_digits(majority)
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)
    assert rows(np.concatenate([data.X_train, data.X_test])) == rows(images)
    is_majority = digits.target == majority
    train_and_test_majority = np.concatenate([data.X_train, data.X_test[data.y_test == 1]])
    assert rows(train_and_test_majority) == rows(images[is_majority])
    assert rows(data.X_test[data.y_test == -1]) == rows(images[~is_majority])
    assert set(data.y_test) == {1, -1}


def test_types_and_description():
    data = load_one_class_digits(3)
    assert data.X_train.dtype == data.X_test.dtype == np.float32
    assert (data.X_test.min(), data.X_test.max()) == (0, 1)
    assert data.image_shape == (1, 8, 8)
    assert data.y_test.dtype.kind == "i"
    assert "Licence" in data.DESCR
    assert f"{len(data.X_train)} training images, all of them the digit 3" in data.DESCR


def test_the_share_of_test_images_and_the_seed_count():
    small = load_one_class_digits(test_size=0.25)
    assert (small.y_test == 1).sum() == 45  # ceil of 178 / 4
    assert len(small.X_train) == 133
    np.testing.assert_array_equal(small.X_train, load_one_class_digits(test_size=0.25).X_train)
    other = load_one_class_digits(test_size=0.25, random_state=1)
    assert not np.array_equal(small.X_train, other.X_train)


@pytest.mark.parametrize(
    "parameters",
    [{"majority": 10}, {"majority": "0"}, {"test_size": 0.0}, {"test_size": 1.0}, {"random_state": "x"}],
)
def test_bad_parameters_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        load_one_class_digits(**parameters)


def test_a_split_without_training_images_is_an_error():
    with pytest.raises(ValueError, match="train set will be empty"):
        load_one_class_digits(test_size=0.999)
