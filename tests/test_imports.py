"""Imports run one way: each layer imports those below it, and no family another family's private parts."""

from conftest import module_of_docs

MAY_MEET = {("svm", "reconstruction"), ("density", "reconstruction")}  # default first stages, by their public names


layers = module_of_docs("make_layers")


def test_imports_run_downwards():
    wrong = []
    for importing, imported in layers.imports():
        (above, ours), (below, theirs) = layers.place(importing), layers.place(imported)
        if not importing or not imported or ours == theirs:  # the version is that of the package itself
            continue
        if above == below:
            fine = (ours in layers.OF_ENGINE and layers.OF_ENGINE.index(theirs) < layers.OF_ENGINE.index(ours)) or (
                ours,
                theirs,
            ) in MAY_MEET
        else:
            fine = below < above
        if not fine:
            wrong.append((importing, imported))
    assert wrong == []


def test_no_family_imports_private_parts_of_another():
    wrong = []
    for importing, imported in layers.imports():
        ours, theirs = importing.split(".")[0], imported.split(".")[0]
        if theirs in layers.FAMILIES and ours != theirs and "._" in imported:
            wrong.append((importing, imported))
    assert wrong == []


def test_every_module_has_a_layer():
    assert {
        module for module, _ in layers.imports() if module and layers.place(module)[0] == len(layers.LAYERS)
    } == set()


def test_the_picture_is_that_of_the_code():
    assert layers.PICTURE.read_text() == layers.text(), "run python docs/make_layers.py"


def test_the_picture_leaves_out_what_follows():
    edges = set(layers.edges())
    assert ("comparison", "nn") not in edges
    assert {name for edge in edges for name in edge} <= set(layers.boxes())
