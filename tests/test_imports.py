"""Imports run one way: each layer imports those below it, and no family another family's private parts."""

import ast
from pathlib import Path

import sklearn_occ

ROOT = Path(sklearn_occ.__file__).parent
SMALL = ("_docstrings", "_optional", "_progress", "_warning", "_device")  # single files that import nothing of ours
FAMILIES = (
    "reconstruction",
    "hypersphere",
    "density",
    "adversarial",
    "self_supervised",
    "splitting",
    "variational",
    "svm",
)
LAYERS = [  # from below
    SMALL,
    ("nn",),
    ("base",),
    ("_engine._seeding", "_engine.rows", "_engine._processes", "_engine.steps", "_engine.nets", "_engine.estimators"),
    ("_engine",),
    FAMILIES,
    ("preprocessing", "model_selection"),
    ("datasets",),
    ("metrics", "pipelines", "localization", "ensemble"),
    ("plotting",),
    ("_detectors",),
    ("comparison",),
    ("__main__",),
]
OF_ENGINE = LAYERS[3]
MAY_MEET = {("svm", "reconstruction"), ("density", "reconstruction")}  # default first stages, by their public names


def imports():
    """Yield (importing module, imported module), relative to the package, of all imports within it."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        package = parts[:-1]
        module = ".".join(package if parts[-1] == "__init__" else parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                above = package[: len(package) - node.level + 1]
                yield module, ".".join([*above, *(node.module or "").split(".")]).strip(".")


def place(module):
    """Number of the layer of a module, and the entry in it that it belongs to; the package itself is above all."""
    for number, names in enumerate(LAYERS):
        for name in names:
            if module == name or module.startswith(name + "."):
                return (number, name) if name != "_engine" or module == "_engine" else (3, module)
    return len(LAYERS), ""


def test_imports_run_downwards():
    wrong = []
    for importing, imported in imports():
        (above, ours), (below, theirs) = place(importing), place(imported)
        if not importing or not imported or ours == theirs:  # the version is that of the package itself
            continue
        if above == below:
            fine = (ours in OF_ENGINE and OF_ENGINE.index(theirs) < OF_ENGINE.index(ours)) or (ours, theirs) in MAY_MEET
        else:
            fine = below < above
        if not fine:
            wrong.append((importing, imported))
    assert wrong == []


def test_no_family_imports_private_parts_of_another():
    wrong = []
    for importing, imported in imports():
        ours, theirs = importing.split(".")[0], imported.split(".")[0]
        if theirs in FAMILIES and ours != theirs and "._" in imported:
            wrong.append((importing, imported))
    assert wrong == []


def test_every_module_has_a_layer():
    assert {module for module, _ in imports() if module and place(module)[0] == len(LAYERS)} == set()
