"""Which functions are part of PyTorch's surface, and as what: `torch.f`, `Tensor.f`, `Tensor.f_`.

    @public(in_place=True)
    def clamp(input, min=None, max=None): ...

makes `dtrain.clamp`, `Tensor.clamp` and `Tensor.clamp_`. The name must be in the file's `__all__`
too, which is how it gets into `dtrain`; a test compares the two. All take `out=`, and `axis` and
`keepdims` where PyTorch says `dim` and `keepdim`.
"""

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from dtrain.autograd.functions.outputs import into
from dtrain.autograd.inplace import in_place as changing

FUNCTIONS: dict[str, Callable[..., Any]] = {}
METHODS: dict[str, Any] = {}

F = TypeVar("F", bound=Callable[..., Any])


def public(
    *, function: bool = True, method: bool = True, in_place: bool = False, name: str | None = None
) -> Callable[[F], F]:
    """Declare a function of PyTorch's surface. `in_place` adds the method `name_`."""

    def declare(declared: F) -> F:
        known = name or declared.__name__
        declared = _with_keywords(declared)
        if function:
            _add(FUNCTIONS, known, declared)
        if method:
            _add(METHODS, known, declared)
        if in_place:
            _add(METHODS, f"{known}_", changing(declared))
        return declared

    return declare


def _with_keywords(declared: F) -> F:
    """Keywords that PyTorch takes everywhere: `out`, and NumPy's names of its arguments."""
    if not isinstance(declared, FunctionType):
        return declared
    code = declared.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    names = {theirs: ours for theirs, ours in _NUMPY.items() if ours in own and theirs not in own}

    @functools.wraps(declared)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return declared(*args)
        out = kwargs.pop("out", None)
        result = declared(*args, **{names.get(key, key): each for key, each in kwargs.items()})
        return result if out is None else into(out, result, declared.__name__)

    return function  # type: ignore[return-value]  # of the same signature


_NUMPY = {
    "axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other",
}  # fmt: skip


def _add(table: dict[str, Any], name: str, declared: Any) -> None:
    if name in table:
        raise ValueError(f"there are two functions named {name}")
    table[name] = declared


def alias(name: str, of: str) -> None:
    """Another name for a function and its method forms."""
    if of in FUNCTIONS:
        _add(FUNCTIONS, name, FUNCTIONS[of])
    for end in ("", "_"):
        if of + end in METHODS:
            _add(METHODS, name + end, METHODS[of + end])
