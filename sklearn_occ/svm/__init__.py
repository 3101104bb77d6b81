"""One-class support vector machines, on pixels or on codes."""

from ._cocsvm import COCSVM
from ._ocsvm import OCSVM

__all__ = ["COCSVM", "OCSVM"]
