# mypy: disable-error-code="no-any-return"
"""einsum: sums of products over named dimensions, as products of matrices."""

import math
import string
from collections.abc import Sequence
from typing import Any

from dtrain.autograd.functions.linalg import matmul
from dtrain.autograd.functions.registry import public
from dtrain.autograd.ops import reduce, shape
from dtrain.autograd.tensor import Tensor

__all__ = ["einsum"]

_DOTS = "..."
Names = list[str]  # of a tensor's dimensions, each once


@public(method=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products: einsum("bij,bjk->bik", a, b). Operands are combined from left to right.

    A name that comes twice in an operand is its diagonal; names that the result lacks are summed
    over; "..." stands for dimensions that are broadcast. Without "->" the result has the names that
    come once, in alphabetical order. The other form is einsum(a, [0, 1], b, [1, 2], [0, 2]).
    """
    if isinstance(equation, Tensor):
        equation, operands = _spelled((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], Sequence):
        operands = tuple(operands[0])
    inputs, output = _parsed(equation.replace(" ", ""), operands)
    tensors = [_without_repeats(*pair) for pair in zip(operands, inputs, strict=True)]
    result, names = tensors[0]
    for at, (other, other_names) in enumerate(tensors[1:], 1):
        later = {name for _, each in tensors[at + 1 :] for name in each} | {*output}
        result, names = _contracted(result, names, other, other_names, later)
    result, names = _summed(result, names, {*output})
    for name in output:
        if name not in names:
            result, names = result.unsqueeze(-1), [*names, name]
    return shape.permute(result, axes=tuple(names.index(name) for name in output))


def _spelled(given: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The form with lists of numbers, as an equation."""
    letters = string.ascii_letters
    result = given[-1] if len(given) % 2 else None
    pairs = given[: len(given) // 2 * 2]

    def spell(numbers: Any) -> str:
        return "".join(_DOTS if each is Ellipsis else letters[each] for each in numbers)

    left = ",".join(spell(each) for each in pairs[1::2])
    return left if result is None else f"{left}->{spell(result)}", tuple(pairs[::2])


def _parsed(equation: str, operands: Sequence[Tensor]) -> tuple[list[Names], Names]:
    """The names of every operand's dimensions and of the result's; "..." becomes numbers."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(
            f"einsum(): {'more' if len(operands) > len(terms) else 'fewer'} operands were provided "
            "than specified in the equation"
        )
    inputs = [_named(term, each.ndim) for term, each in zip(terms, operands, strict=True)]
    numbers = [int(name) for names in inputs for name in names if name.isdigit()]
    count = 1 + max(numbers, default=-1)
    broadcast = [str(number) for number in range(count)][::-1]
    if arrow:
        hidden = count if _DOTS in right else 0  # without dots these are summed over
        output = _named(right, len(right.replace(_DOTS, "")) + hidden)
    else:
        every = [name for names in inputs for name in names]
        output = broadcast + sorted(
            name for name in {*every} if every.count(name) == 1 and not name.isdigit()
        )
    for name in output:
        if not name.isdigit() and not any(name in names for names in inputs):
            raise RuntimeError(
                f"einsum(): output subscript {name} does not appear in the equation for any input "
                "operand"
            )
        if output.count(name) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {name} appears more than once in the output"
            )
    return inputs, output


def _named(term: str, ndim: int) -> Names:
    """Letters, and for "..." numbers that count down to 0: broadcasting lines up at the end."""
    before, dots, after = term.partition(_DOTS)
    letters = before + after
    if not all(letter in string.ascii_letters for letter in letters):
        raise RuntimeError(f"einsum(): invalid subscript given in {term!r}")
    hidden = ndim - len(letters)
    if hidden < 0 or (hidden and not dots):
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({len(letters)}) does not match "
            f"the number of dimensions ({ndim}) for an operand"
        )
    return [*before, *(str(number) for number in reversed(range(hidden))), *after]


def _without_repeats(tensor: Tensor, names: Names) -> tuple[Tensor, Names]:
    """Diagonals of dimensions of one name."""
    names = list(names)
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            if tensor._array.shape[first] != tensor._array.shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated for an operand but the sizes don't "
                    f"match, {tensor._array.shape[second]} != {tensor._array.shape[first]}"
                )
            tensor = shape.diagonal(tensor, offset=0, first=first, second=second)
            names = [each for at, each in enumerate(names) if at not in (first, second)] + [name]
    return tensor, names


def _summed(tensor: Tensor, names: Names, kept: set[str]) -> tuple[Tensor, Names]:
    """Summed over the dimensions that are not kept."""
    axes = tuple(at for at, name in enumerate(names) if name not in kept)
    if not axes:
        return tensor, names
    return reduce.sum_(tensor, axis=axes), [name for name in names if name in kept]


def _contracted(
    a: Tensor, a_names: Names, b: Tensor, b_names: Names, later: set[str]
) -> tuple[Tensor, Names]:
    """The product of two, summed over what neither the result nor a later operand names."""
    dtype = a.dtype
    a, a_names = _summed(a, a_names, later | {*b_names})
    b, b_names = _summed(b, b_names, later | {*a_names})
    if dtype.kind != "f":  # whose sums are int64
        a, b = a.to(dtype), b.to(dtype)
    a_size = dict(zip(a_names, a._array.shape, strict=True))
    b_size = dict(zip(b_names, b._array.shape, strict=True))
    shared = [name for name in a_names if name in b_size]
    for name in shared:
        if a_size[name] != b_size[name] and 1 not in (a_size[name], b_size[name]):
            raise RuntimeError(
                f"einsum(): subscript {name} has size {b_size[name]} for an operand which does not "
                f"broadcast with previously seen size {a_size[name]}"
            )
    batch = [name for name in shared if name in later]
    inner = [name for name in shared if name not in later]
    a, b = _matched(a, a_names, b_size), _matched(b, b_names, a_size)
    size = {**b_size, **a_size} | {n: max(a_size[n], b_size[n]) for n in shared}
    size |= {n: 0 for n in shared if 0 in (a_size[n], b_size[n])}
    left = [name for name in a_names if name not in shared]
    right = [name for name in b_names if name not in shared]
    groups = [math.prod(size[name] for name in part) for part in (batch, left, inner, right)]
    x = _ordered(a, a_names, batch + left + inner).reshape(groups[0], groups[1], groups[2])
    y = _ordered(b, b_names, batch + inner + right).reshape(groups[0], groups[2], groups[3])
    names = batch + left + right
    return matmul(x, y).reshape([size[name] for name in names]), names


def _matched(tensor: Tensor, names: Names, other: dict[str, int]) -> Tensor:
    """Dimensions of size 1 expanded to what the other operand has."""
    size = tuple(
        other.get(name, own) if own == 1 else own
        for name, own in zip(names, tensor._array.shape, strict=True)
    )
    return tensor if size == tensor._array.shape else reduce.expand(tensor, shape=size)


def _ordered(tensor: Tensor, names: Names, wanted: Names) -> Tensor:
    return shape.permute(tensor, axes=tuple(names.index(name) for name in wanted))
