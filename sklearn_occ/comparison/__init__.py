"""Several detectors on one data set: fits that can be resumed, one table, one page."""

from ._compare import Comparison, compare
from ._data import DATA_SETS, load_data
from ._methods import DEFAULT_METHODS, METHODS, parse_methods
from ._table import text_table

__all__ = [
    "DATA_SETS",
    "DEFAULT_METHODS",
    "METHODS",
    "Comparison",
    "compare",
    "load_data",
    "parse_methods",
    "text_table",
]
