"""Tensors as text, letter for letter as PyTorch prints them.

All elements of a tensor are written in one style and width, which its finite elements decide:

    whole       1.  2.  nan           every one is a whole number
    fixed       1.5000  -0.2500       otherwise
    scientific  1.0000e+00            greatest / least > 1000, greatest > 1e8 or least < 1e-4

with greatest and least over the magnitudes that are not 0. A tensor of more than `threshold`
elements is summarised: `edgeitems` from both ends of each dimension, which then decide the style.

Source: PyTorch, torch/_tensor_str.py.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

__all__ = ["Options", "get_printoptions", "printoptions", "set_printoptions", "text"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """How tensors are printed; see `set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


class Style(NamedTuple):
    """How one number is written, and how many columns it takes."""

    write: Callable[[Any], str]
    width: int

    def pad(self, value: Any) -> str:
        """The number, right-aligned."""
        return self.write(value).rjust(self.width)


PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}

_current = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is None stays, except `sci_mode`: None chooses by value.

    precision: digits after the point;  threshold: more elements than this are summarised;
    edgeitems: how many a summary shows at each end;  linewidth: columns of a line;
    profile: "default", "short" or "full", to start from.
    """
    global _current
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    start = PROFILES.get(profile or "", _current)
    _current = replace(start, **changes, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """The options in force, as `set_printoptions` takes them."""
    return asdict(_current)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Inside, tensors are printed with these options of `set_printoptions`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def text(
    array: Array,
    suffixes: Sequence[str] = (),
    *,
    prefix: str = "tensor(",
    default_float: Any = np.float32,
    options: Options | None = None,
) -> str:
    """The text of a tensor: "tensor([1., 2.], dtype=torch.float64, requires_grad=True)".

    suffixes       what follows size and dtype, such as "requires_grad=True"
    default_float  the dtype that goes without saying, as do int64 and bool
    options        those in force unless given
    """
    options = _current if options is None else options
    notes = [*_notes(array, np.dtype(default_float), options), *suffixes]
    return _with_notes(prefix + _body(array, len(prefix), options), notes, len(prefix), options)


def _notes(array: Array, default_float: np.dtype[Any], options: Options) -> Iterator[str]:
    """Size and dtype, where the elements do not show them."""
    if not array.size:
        if array.ndim != 1:
            yield f"size={array.shape}"
        plain = array.dtype == default_float
    else:
        if not options.edgeitems:
            yield f"size={array.shape}"
        plain = array.dtype in (default_float, np.int64, np.bool_)
    if not plain:
        yield f"dtype=torch.{array.dtype.name}"


def _with_notes(body: str, notes: Sequence[str], indent: int, options: Options) -> str:
    """The notes after the elements, each on a new line where the old one is full."""
    column = len(body) - body.rfind("\n") + 1
    for note in notes:
        if column + len(note) + 2 > options.linewidth:
            body += ",\n" + " " * indent + note
            column = indent + len(note)
        else:
            body += ", " + note
            column += len(note) + 2
    return body + ")"


def _body(array: Array, indent: int, options: Options) -> str:
    if not array.size:
        return "[]"
    if array.size <= options.threshold:
        return _nested(array, indent, style_of(array, options), None, options)
    style = style_of(_ends(array, options.edgeitems), options)
    return _nested(array, indent, style, options.edgeitems, options)


def _ends(array: Array, edge: int) -> Array:
    """What a summary shows, without the gaps; of a vector its ends even where they are none."""
    for axis, size in enumerate(array.shape):
        if size > 2 * edge:
            kept = [*range(edge), *range(size - edge, size)]
            array = array.take(kept, axis=axis)
    return array


def _nested(array: Array, indent: int, style: Style, edge: int | None, options: Options) -> str:
    """`edge` is how many elements to show at each end of a dimension; None: all of them."""
    if array.ndim == 0:
        return style.pad(array.item())
    if array.ndim == 1:
        return _vector(array, indent, style, edge, options)
    size = len(array)
    cut = edge is not None and size > 2 * edge
    rows = [*range(edge or 0), *range(size - (edge or 0), size)] if cut else range(size)
    parts = [_nested(array[row], indent + 1, style, edge, options) for row in rows]
    if cut:
        parts.insert(edge or 0, "...")
    gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def _vector(array: Array, indent: int, style: Style, edge: int | None, options: Options) -> str:
    if edge == 0:
        parts = ["..."]
    elif edge is not None and len(array) > 2 * edge:
        first, last = array[:edge].tolist(), array[-edge:].tolist()
        parts = [*map(style.pad, first), " ...", *map(style.pad, last)]
    else:
        parts = [*map(style.pad, array.tolist())]
    per_line = max(1, math.floor((options.linewidth - indent) / (style.width + 2)))
    lines = [", ".join(parts[at : at + per_line]) for at in range(0, len(parts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def style_of(array: Array, options: Options) -> Style:
    """The style that these elements are written in."""
    if array.dtype.kind != "f":
        return Style(str, max(map(len, map(str, array.ravel().tolist())), default=1))
    finite = array[np.isfinite(array) & (array != 0)]
    if not finite.size:
        return Style(_whole, 1)
    write = _writer(finite, options)
    return Style(write, max(map(len, map(write, finite.tolist()))))


def _writer(finite: Array, options: Options) -> Callable[[Any], str]:
    if _is_scientific(finite, options.sci_mode):
        return f"{{:.{options.precision}e}}".format
    if (finite == np.ceil(finite)).all():
        return _whole
    return f"{{:.{options.precision}f}}".format


def _is_scientific(finite: Array, wanted: bool | None) -> bool:
    if wanted is not None:
        return wanted
    sizes = np.abs(finite).astype(np.float64)
    least, greatest = float(sizes.min()), float(sizes.max())
    return greatest / least > 1000.0 or greatest > 1.0e8 or least < 1.0e-4


def _whole(value: float) -> str:
    """The point says that it is a float; nan and inf say so themselves."""
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
