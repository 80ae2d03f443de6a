"""Tensors to print, and how: what PyTorch makes of them is in printed.json.

`make_printed.py` writes that file anew.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def ramp(*shape: int, dtype: Any = np.float32, factor: float = 1.0) -> Array:
    """0, 1, 2, ... times a factor."""
    return np.asarray((np.arange(np.prod(shape)) * factor).reshape(shape), dtype)


def floats(*values: float, dtype: Any = np.float32) -> Array:
    """A vector."""
    return np.array(values, dtype)


INF, NAN = float("inf"), float("nan")

ARRAYS: dict[str, Array] = {
    "number": np.array(1.5, np.float32),
    "whole number": np.array(3.0, np.float32),
    "negative zero": np.array(-0.0, np.float32),
    "great number": np.array(1e10, np.float32),
    "small number": np.array(1e-5, np.float32),
    "nan": np.array(NAN, np.float32),
    "inf": np.array(-INF, np.float32),
    "integer": np.array(-7),
    "truth": np.array(True),
    "empty": np.zeros(0, np.float32),
    "empty float64": np.zeros(0, np.float64),
    "empty integers": np.zeros(0, np.int64),
    "empty matrix": np.zeros((0, 3), np.float32),
    "empty bools": np.zeros((2, 0), np.bool_),
    "whole": floats(1, 2, -3),
    "fractions": floats(1.5, 2.25, -3.125),
    "rounded": floats(0.99999, 1.00005, 123.456789),
    "ratio of 1000": floats(0.1, 100),
    "ratio above 1000": floats(0.1, 100.1),
    "whole and great": floats(1, 1e8),
    "whole and greater": floats(1, 2e8),
    "least of the fixed": floats(1.00001e-4, 0.05),
    "below the fixed": floats(0.99e-4, 0.05),
    "zeros do not count": floats(0, 0, 1.5),
    "zeros alone": floats(0, -0.0, 0),
    "nan among whole": floats(1, NAN, 3),
    "nan among fractions": floats(0.5, NAN, -INF),
    "nan alone": floats(NAN, INF),
    "nan among great": floats(NAN, 1e12, -1),
    "extremes": floats(1e38, 1e-45, -1e-38),
    "float64": floats(1, 2, dtype=np.float64),
    "float64 extremes": floats(1e300, -1e-300, dtype=np.float64),
    "float16": floats(1.5, 65504, dtype=np.float16),
    "integers": np.array([1, -20, 300]),
    "int32": np.array([1, 2], np.int32),
    "uint8": np.array([0, 255], np.uint8),
    "bools": np.array([[True, False], [False, False]]),
    "matrix": ramp(2, 3, factor=0.5),
    "three dimensions": ramp(2, 2, 2),
    "four dimensions": ramp(2, 1, 2, 2, dtype=np.int64),
    "a row that breaks": ramp(30, factor=0.37),
    "rows that break": ramp(2, 25, dtype=np.int64, factor=7),
    "column": ramp(5, 1),
    "as many as are shown": ramp(1000),
    "one too many": ramp(1001),
    "summary of a matrix": ramp(40, 30, factor=-0.01),
    "summary with a short dimension": ramp(2, 600, dtype=np.int64),
    "summary of a long column": ramp(1100, 1),
    "summary of three dimensions": ramp(9, 8, 20),
    "summary that hides the great": np.where(np.arange(1200) == 600, 1e9, 1.5).astype(np.float32),
    "long note": ramp(7, dtype=np.float64, factor=1.1),
}

OPTIONS: dict[str, dict[str, Any]] = {
    "two digits": {"precision": 2},
    "ten digits": {"precision": 10},
    "no digits": {"precision": 0},
    "short": {"profile": "short"},
    "full": {"profile": "full", "linewidth": 120},
    "narrow": {"linewidth": 20},
    "few": {"threshold": 4, "edgeitems": 1},
    "no ends": {"threshold": 4, "edgeitems": 0},
    "scientific": {"sci_mode": True},
    "never scientific": {"sci_mode": False},
}
WITH_OPTIONS = ("extremes", "fractions", "matrix", "integers", "summary of a matrix", "whole")
SUFFIXES = {"none": [], "leaf": ["requires_grad=True"], "made": ["grad_fn=<MulBackward0>"]}

Case = tuple[str, str, str]  # array, options, suffixes

CASES: list[Case] = [
    *[(name, "", "none") for name in ARRAYS],
    *[(name, options, "none") for name in WITH_OPTIONS for options in OPTIONS],
    *[(name, "", suffix) for name in ("number", "long note", "matrix") for suffix in SUFFIXES],
]
