"""Draw docs/layers.svg: which part of the package imports which, read from the code.

    python docs/make_layers.py

`LAYERS` says what may import what: each entry those of the layers below it. `tests/test_imports.py` holds the code to
it, and the picture to the code.
"""

import ast
from pathlib import Path

import sklearn_occ

ROOT = Path(sklearn_occ.__file__).parent
PICTURE = Path(__file__).with_name("layers.svg")

# single files that import nothing of ours
SMALL = ("_docstrings", "_optional", "_progress", "_warning", "_device", "exceptions")
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
OF_ENGINE = (
    "_engine._seeding",
    "_engine.rows",
    "_engine._processes",
    "_engine.steps",
    "_engine.nets",
    "_engine.estimators",
)
LAYERS = [  # from below
    SMALL,
    ("nn",),
    ("base",),
    OF_ENGINE,  # each may import those before it
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

WIDTH, BOX_HEIGHT, GAP, LAYER_HEIGHT, MARGIN = 1180, 30, 14, 78, 20
LETTER = 7.4  # width of one at the size of the text
INK, LINE, FILL, PAPER = "#1b2733", "#8a99a8", "#e8eef4", "#ffffff"


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
                return (number, name) if name != "_engine" or module == "_engine" else (LAYERS.index(OF_ENGINE), module)
    return len(LAYERS), ""


def edges():
    """Pairs of entries of which one imports the other, without those that follow from others."""
    below = {}
    for importing, imported in imports():
        (_, ours), (_, theirs) = place(importing), place(imported)
        if ours and theirs and drawn(ours) != drawn(theirs):
            below.setdefault(drawn(ours), set()).add(drawn(theirs))

    def reach(name):
        return set().union(*({other} | reach(other) for other in below.get(name, ())))

    return [
        (name, other)
        for name, others in sorted(below.items())
        for other in sorted(others)
        if not any(other in reach(between) for between in others - {other})
    ]


def drawn(entry):
    """The box of an entry: small files share one."""
    return "small files" if entry in SMALL else entry


def boxes():
    """`{box: (x, y, width)}`, the lowest layer at the bottom."""
    found = {}
    rows = [["small files"], *LAYERS[1:]]
    for number, names in enumerate(rows):
        y = MARGIN + (len(rows) - 1 - number) * LAYER_HEIGHT
        widths = [len(name) * LETTER + 20 for name in names]
        gap = GAP if len(names) > 6 else 3 * GAP
        x = (WIDTH - sum(widths) - gap * (len(names) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            found[name] = (x, y, width)
            x += width + gap
    return found


def text():
    """The picture as SVG."""
    at = boxes()
    height = 2 * MARGIN + (len(LAYERS) - 1) * LAYER_HEIGHT + BOX_HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="12">',
        "<title>Imports of sklearn_occ: each part imports those that its lines lead down to</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
    ]
    for name, other in edges():
        (x1, y1, width1), (x2, y2, width2) = at[name], at[other]
        start, end = x1 + width1 / 2, x2 + width2 / 2
        if y1 == y2:  # within the engine: an arc below the row
            drop = y1 + BOX_HEIGHT + 24
            path = f"M{start:.0f},{y1 + BOX_HEIGHT} C{start:.0f},{drop} {end:.0f},{drop} {end:.0f},{y2 + BOX_HEIGHT}"
        else:
            middle = (y1 + BOX_HEIGHT + y2) / 2
            path = f"M{start:.0f},{y1 + BOX_HEIGHT} C{start:.0f},{middle:.0f} {end:.0f},{middle:.0f} {end:.0f},{y2}"
        lines.append(f'<path d="{path}" fill="none" stroke="{LINE}"/>')
    for name, (x, y, width) in at.items():
        lines.append(
            f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="4" fill="{FILL}" stroke="{INK}"/>'
        )
        lines.append(f'<text x="{x + width / 2:.0f}" y="{y + 19}" text-anchor="middle" fill="{INK}">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(text())
