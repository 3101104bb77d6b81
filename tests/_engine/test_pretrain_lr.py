"""`pretrain_lr` of every method with two stages."""

import inspect

import numpy as np
import pytest
from conftest import ONE_NETWORK, quick

TWO_STAGES = ["DeepSVDD", "TEND", "IntraClassSplitting", "FAnoGAN", "CVAD"]


def first_stage(occ):
    """What the first stage trains, as one vector."""
    module = occ.net_.module_
    part = {"IntraClassSplitting": "autoencoder", "FAnoGAN": "generator", "CVAD": "generator"}
    trained = getattr(module, part.get(type(occ).__name__, "decoder"))
    return np.concatenate([weight.detach().numpy().ravel() for weight in trained.parameters()])


def test_every_method_with_pretraining_has_it():
    with_stage = {name for name in ONE_NETWORK if "pretrain_epochs" in quick(name).get_params()}
    assert with_stage == {*TWO_STAGES, "DeepSVDD-soft"}
    for name in with_stage:
        parameters = list(inspect.signature(type(quick(name))).parameters)
        assert parameters[parameters.index("pretrain_epochs") + 1] == "pretrain_lr"


@pytest.mark.parametrize("name", TWO_STAGES)
def test_it_is_the_rate_of_the_first_stage_alone(name, table):
    params = {"pretrain_epochs": 2, "max_epochs": 2, "lr": 1e-3}
    still, moved = (quick(name, **params, pretrain_lr=lr).fit(table) for lr in (1e-30, 1e-2))
    untrained = quick(name, **{**params, "lr": 1e-30}, pretrain_lr=1e-30).fit(table)
    np.testing.assert_array_equal(first_stage(still), first_stage(untrained))
    assert not np.allclose(first_stage(moved), first_stage(untrained), atol=1e-4)
    assert not np.array_equal(still.score_samples(table), untrained.score_samples(table))  # the second stage has `lr`
    assert moved.net_.lr == 1e-3


@pytest.mark.parametrize("name", TWO_STAGES)
def test_none_is_lr(name, table):
    params = {"pretrain_epochs": 2, "max_epochs": 2, "lr": 3e-3}
    unset, equal = (quick(name, **params, pretrain_lr=lr).fit(table) for lr in (None, 3e-3))
    np.testing.assert_array_equal(unset.score_samples(table), equal.score_samples(table))


@pytest.mark.parametrize("name", TWO_STAGES)
@pytest.mark.parametrize(
    ("params", "named"),
    [({"pretrain_lr": 1e30}, "pretrain_lr"), ({"pretrain_lr": None, "lr": 1e30}, "lr")],
    ids=["its own", "that of both"],
)
def test_a_loss_that_is_not_finite_names_the_parameter(name, params, named, table):
    with pytest.raises(ValueError, match=rf"loss is (nan|inf|-inf) in epoch .* lower {named} \(now 1e\+30\)"):
        quick(name, **params, pretrain_epochs=5, max_epochs=5).fit(table)


def test_a_resumed_fit_has_it(table, tmp_path):
    params = {"pretrain_epochs": 3, "max_epochs": 2, "pretrain_lr": 1e-2}
    whole = quick("DeepSVDD", **params).fit(table)
    kept = quick("DeepSVDD", checkpoint=tmp_path / "fit.pt", **params).fit(table)
    again = quick("DeepSVDD", checkpoint=tmp_path / "fit.pt", **params).fit(table)
    for occ in (kept, again):
        np.testing.assert_array_equal(occ.score_samples(table), whole.score_samples(table))
