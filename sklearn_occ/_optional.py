"""Import of the packages that only images and downloads need."""

from importlib import import_module


def require(module, *, purpose, extra="images"):
    """Return the module named `module`, or say which extra installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{purpose} needs {module}, which cannot be imported: pip install "sklearn_occ[{extra}]".'
        ) from error
