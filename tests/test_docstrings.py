"""Docstrings follow numpydoc, name every default as the signature has it, and have their shared texts filled in."""

import ast
import builtins
import contextlib
import importlib
import inspect
import operator
import pkgutil
import re
import sys

import pytest
import torch
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import ERROR_MSGS, validate

import sklearn_occ
from sklearn_occ import CAE, VAE, PatchDetector
from sklearn_occ._docstrings import with_shared_docs
from sklearn_occ.metrics import aupro_score

# The codes of numpydoc that no public docstring may have. Left out: ES01 (an extended summary is not always needed),
# RT02 (the value that is returned has a name, as in scikit-learn), GL09 and GL10 (nothing is deprecated).
EVERYWHERE = {
    "GL01": "the text begins beside or below the opening quotes",
    "GL02": "the closing quotes stand below the last line",
    "GL03": "no two blank lines",
    "GL05": "no tabs",
    "GL06": "no section that numpydoc does not know",
    "GL07": "sections in numpydoc's order",
    "GL08": "there is a docstring",
    "SS01": "a summary",
    "SS02": "which begins with a capital",
    "SS03": "ends with a full stop",
    "SS04": "is not indented",
    "SS05": "says what a function does: 'Return', not 'Returns'",
    "SS06": "and fits on one line",
    "PR01": "every parameter is documented",
    "PR02": "and nothing else",
    "PR03": "in the order of the signature",
    "PR04": "with a type",
    "PR05": "without a full stop",
    "PR06": "by its name in Python",
    "PR07": "with a description",
    "PR08": "which begins with a capital",
    "PR09": "and ends with a full stop",
    "PR10": "a space before the colon",
    "RT01": "what is returned is documented",
    "RT03": "with a description",
    "RT04": "which begins with a capital",
    "RT05": "and ends with a full stop",
    "YD01": "what is yielded is documented",
}
# Of classes and functions: a method is found from its class, which has the links and the example.
SEE_ALSO = {
    "SA01": "related classes and functions",
    "SA02": "a full stop behind each",
    "SA03": "a capital before each",
    "SA04": "a word on each",
}
EXAMPLE = {"EX01": "a class has an example"}


def public_modules():
    yield sklearn_occ
    for module in pkgutil.walk_packages(sklearn_occ.__path__, "sklearn_occ."):
        if not re.search(r"\._", module.name):
            yield importlib.import_module(module.name)


def public_name(thing):
    return f"{re.sub(r'[.]_.*', '', thing.__module__)}.{thing.__qualname__}"


def exported():
    """Each class and function that a public module exports, by its name."""
    things = [getattr(module, name) for module in public_modules() for name in getattr(module, "__all__", ())]
    return {public_name(thing): thing for thing in things if inspect.isclass(thing) or inspect.isfunction(thing)}


def members():
    """Each public method and property that this package gives to what it exports, once, by its name."""
    found = {}
    for cls in filter(inspect.isclass, EXPORTED.values()):
        for base in cls.__mro__:
            if base.__module__.partition(".")[0] != "sklearn_occ":
                continue
            for name, member in vars(base).items():
                if name.startswith("_"):
                    continue
                if not isinstance(member, property):
                    member = getattr(base, name)
                    if not callable(member) or not member.__module__.startswith("sklearn_occ"):
                        continue  # an attribute of the class, or scikit-learn's set_..._request
                found[f"{public_name(base)}.{name}"] = member
    return found


EXPORTED = exported()
MEMBERS = members()
PUBLIC = {**EXPORTED, **MEMBERS}


def documented():
    for module in pkgutil.walk_packages(sklearn_occ.__path__, "sklearn_occ."):
        if module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            yield name, thing
            if inspect.isclass(thing):
                yield from vars(thing).items()


def codes_of(name):
    codes, thing = set(EVERYWHERE), PUBLIC[name]
    if name in EXPORTED:
        codes |= set(SEE_ALSO)
    if inspect.isclass(thing):
        codes |= set(EXAMPLE)
        if thing.__init__ is torch.nn.Module.__init__:
            codes.remove("PR01")  # its (*args, **kwargs) stands for no parameters
    elif get_doc_object(thing)["Yields"]:
        codes.remove("RT01")  # a generator, though made by another function
    return codes


def test_the_walk_finds_what_is_public():
    assert {"sklearn_occ.reconstruction.CAE", "sklearn_occ.metrics.aupr_score"} <= set(EXPORTED)
    assert {"sklearn_occ.reconstruction.CAE.__init__", "sklearn_occ.nn.UNet.train"}.isdisjoint(
        MEMBERS
    )  # private, torch's
    assert {"sklearn_occ.nn.UNet.forward", "sklearn_occ.plotting.CodeMapDisplay.from_codes"} <= set(MEMBERS)
    assert {"sklearn_occ.base.BaseDetector.predict", "sklearn_occ.model_selection.MajorityOnly.offset_"} <= set(MEMBERS)
    assert set(EVERYWHERE) | set(SEE_ALSO) | set(EXAMPLE) <= set(ERROR_MSGS)


@pytest.mark.parametrize("name", PUBLIC)
def test_numpydoc_finds_nothing_wrong(name):
    codes = codes_of(name)
    errors = [f"{code}: {text}" for code, text in validate(get_doc_object(PUBLIC[name]))["errors"] if code in codes]
    assert not errors, "\n".join([name, *errors])


def defaults_documented(thing):
    """`{parameter: what stands behind "default=", or None}` of the section Parameters."""
    found = {}
    for entry in get_doc_object(thing)["Parameters"]:
        default = re.search(r"default=(.*)$", entry.type)
        found |= dict.fromkeys(entry.name.split(", "), default and default[1])
    return found


def is_written(default, text, names):
    """Whether `text` is how one writes the default: a literal, or a name in the module."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text in names | vars(builtins) and (names | vars(builtins))[text] is default
    return type(value) is type(default) and value == default


@pytest.mark.parametrize("name", [name for name, thing in PUBLIC.items() if not isinstance(thing, property)])
def test_documented_defaults_are_those_of_the_signature(name):
    documented, wrong = defaults_documented(PUBLIC[name]), []
    if isinstance(PUBLIC[name], type) and issubclass(PUBLIC[name], Warning):  # has no signature
        return
    for parameter, has in inspect.signature(PUBLIC[name]).parameters.items():
        if parameter not in documented:
            continue  # PR01 above finds it, unless it is self
        text = documented[parameter]
        if has.default is inspect.Parameter.empty:
            if text is not None:
                wrong.append(f"{parameter}: has no default, documented is {text}")
        elif text is None or not is_written(has.default, text, vars(sys.modules[PUBLIC[name].__module__])):
            wrong.append(f"{parameter}: the default is {has.default!r}, documented is {text}")
    wrong += [f"{entry.name}: 'optional' stands for no default, write default=" for entry in optional(PUBLIC[name])]
    assert not wrong, "\n".join([name, *wrong])


def optional(thing):
    return [entry for entry in get_doc_object(thing)["Parameters"] if re.search(r"\boptional\b", entry.type)]


@pytest.mark.parametrize(
    ("default", "text", "right"),
    [
        (None, "None", True),
        (0.001, "1e-3", True),
        ((0, 1), "(0, 1)", True),
        ("a", '"a"', True),
        (len, "len", True),
        (EVERYWHERE, "EVERYWHERE", True),
        (1.0, "1", False),
        (True, "1", False),
        (None, "", False),
        ("a", "a", False),
    ],
)
def test_how_a_default_is_written(default, text, right):
    assert is_written(default, text, globals()) is right


@pytest.mark.parametrize("name", EXPORTED)
def test_what_see_also_names_exists_and_is_another_thing(name):
    thing, home = EXPORTED[name], importlib.import_module(name.rpartition(".")[0])
    for names, _ in get_doc_object(thing)["See Also"]:
        for other, _ in names:
            assert named(other, thing, home) is not thing, (name, other)


def named(name, thing, home):
    """What `name` is, seen from a class or function: a member, a neighbour, or a thing with its full name."""
    for place in (thing, home, sklearn_occ):
        with contextlib.suppress(AttributeError):
            return operator.attrgetter(name)(place)
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(module), last)


def test_no_name_of_a_shared_text_is_left():
    left = re.compile(r"^ *\{[a-z ]+\}", re.MULTILINE)
    assert not [name for name, thing in documented() if callable(thing) and left.search(thing.__doc__ or "")]


def test_formulas_are_in_the_math_role():
    literal = re.compile(r"^(?! *[.][.] ).*::$", re.MULTILINE)  # a paragraph that announces a literal block
    assert [name for name, thing in PUBLIC.items() if literal.search(thing.__doc__)] == [
        "sklearn_occ.datasets.load_image_folder"  # a tree of folders
    ]


def test_shared_texts_leave_the_braces_of_a_formula():
    class Documented:
        r""":math:`\frac{default}{n_{k}}`

        .. math:: {decoder} \{x \in \text{steps of}\ x\}
        {output activation}
        """

    before, after = Documented.__doc__.splitlines(), with_shared_docs(Documented).__doc__.splitlines()
    assert after[:3] == before[:3]
    assert after[3].lstrip().startswith("output_activation : ")


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
