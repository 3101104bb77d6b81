"""`from_paper`: the settings of the papers, one line away."""

import inspect
import re

import pytest
from conftest import FEW
from sklearn.base import clone

from sklearn_occ import CAE, COCSVM, TEND, ConOCC
from sklearn_occ._detectors import all_detectors

PUBLISHED = {name: detector for name, detector in all_detectors().items() if hasattr(detector, "from_paper")}
OF_THE_PACKAGE = {"AlignedDetector", "PCAReconstruction", "SeedEnsemble"}  # no paper's method
SETTINGS = [
    (name, setting)
    for name, detector in PUBLISHED.items()
    for setting in re.findall(r"^    - '(.+?)':", inspect.getdoc(detector.from_paper), re.MULTILINE)
]


def test_each_method_of_a_paper_has_its_settings():
    assert set(all_detectors()) - set(PUBLISHED) == OF_THE_PACKAGE
    assert len(SETTINGS) >= len(PUBLISHED)


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_the_documented_settings_are_those_returned(name, setting):
    detector = PUBLISHED[name]
    doc = inspect.getdoc(detector.from_paper)
    line = re.search(rf"^    - '{re.escape(setting)}': (.*)$", doc, re.MULTILINE)[1]
    occ = detector.from_paper(setting)
    params = occ.get_params(deep=False)
    said = dict(re.findall(r"`(\w+)=(.*?)`", line))
    assert said == {key: repr(params[key]) for key in said}
    differing = {
        key for key, default in detector().get_params(deep=False).items() if repr(params[key]) != repr(default)
    }
    assert differing <= set(said)


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_published_settings_are_valid(name, setting, X):
    occ = PUBLISHED[name].from_paper(setting, random_state=0)
    few = {key: value for key, value in FEW.items() if key in occ.get_params(deep=False)}
    few |= {key: 4 for key in occ.get_params() if key.split("__")[-1] == "channels"}
    few |= {key: 1 for key in occ.get_params() if key.endswith("__max_epochs")}
    few |= {"patch_size": 8} if name == "PatchDetector" else {}
    assert occ.set_params(**few).fit(X).score_samples(X).shape == (len(X),)


def test_main_experiment_is_the_first():
    assert repr(ConOCC.from_paper()) == repr(ConOCC.from_paper("experiments"))
    paper = ConOCC.from_paper()
    assert (paper.channels, paper.max_epochs, paper.update_interval, paper.lr) == (64, 1000, 60, 1e-3)


def test_overrides_reach_what_is_inside():
    occ = COCSVM.from_paper(autoencoder__max_epochs=3, contamination=0.2)
    assert (occ.autoencoder.max_epochs, occ.autoencoder.channels, occ.contamination) == (3, 64, 0.2)
    assert COCSVM.from_paper().autoencoder.max_epochs == 1000  # an override stays with its estimator
    assert repr(clone(occ)) == repr(occ)


def test_a_subclass_gets_its_own_class():
    class Mine(CAE):
        pass

    assert type(Mine.from_paper()) is Mine


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match=r"setting='R=100' is no published setting of TEND: choose among 'R=150'"):
        TEND.from_paper("R=100")
    with pytest.raises(ValueError, match="Invalid parameter 'margins'"):
        TEND.from_paper(margins=3)
