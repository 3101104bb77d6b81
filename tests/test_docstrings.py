"""Docs that several docstrings share are filled in everywhere."""

import importlib
import inspect
import pkgutil
import re

import sklearn_occ
from sklearn_occ import CAE, VAE, PatchDetector
from sklearn_occ.metrics import aupro_score


def documented():
    for module in pkgutil.walk_packages(sklearn_occ.__path__, "sklearn_occ."):
        if module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            yield name, thing
            if inspect.isclass(thing):
                yield from vars(thing).items()


def test_no_name_of_a_shared_text_is_left():
    left = re.compile(r"^ *\{[a-z ]+\}", re.MULTILINE)
    assert not [name for name, thing in documented() if callable(thing) and left.search(thing.__doc__ or "")]


def test_shared_texts_stand_where_they_belong():
    for thing, lines in [
        (CAE, ["decoder : torch.nn.Module", '    "sgd" has momentum 0.9.', '    "auto" is a sigmoid']),
        (VAE, ["optimizer : {", '    "sgd" has momentum 0.9.']),
        (aupro_score, ["masks : array-like", "    Finite values, higher", "    If shapes differ, a mask"]),
        (PatchDetector.find_regions, ["X : list of arrays or of paths", "    Images as in `fit`."]),
    ]:
        found = inspect.getdoc(thing).splitlines()
        for line in lines:
            assert any(one.startswith(line) for one in found), (thing, line)
