"""How buffers change: updates that compose, so that a sum tree can carry them. Pure.

A step's leaves all start from the same buffers. What a leaf does to one is not a value but an
update; `u.then(v)` is first u, then v, and grouping does not matter. Each rule is a small monoid:

    affine   r <- keep * r + add       BatchNorm's running statistics; composed in float64
    count    r <- r + by               how often something happened
    mean     r <- mean of all so far   `count` values more, that sum to `total`, after `prior`
    last     r <- value                the rightmost leaf wins
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dtrain.errors import ProtocolError

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """r <- keep * r + add, in float64."""

    tag: ClassVar[str] = "affine"
    keep: float
    add: Array

    @classmethod
    def of(cls, keep: float, add: Any) -> Self:
        """From what `Module.update_buffer` was given."""
        return cls(float(keep), _float64(add))

    def then(self, later: Self) -> Self:
        """This update, and a later one after it."""
        return type(self)(self.keep * later.keep, later.keep * self.add + later.add)

    def apply(self, buffer: Array) -> Array:
        """The buffer after the update, in its own dtype."""
        return np.asarray(self.keep * buffer.astype(np.float64) + self.add, dtype=buffer.dtype)

    def pack(self) -> tuple[str, list[Array]]:
        """What travels; `unpack` makes it an update again."""
        return self.tag, [np.array(self.keep, np.float64), self.add]


@dataclass(frozen=True, slots=True, eq=False)
class Count:
    """r <- r + by, for integers."""

    tag: ClassVar[str] = "count"
    by: Array

    @classmethod
    def of(cls, by: Any) -> Self:
        """From what `Module.update_buffer` was given."""
        return cls(np.array(by, dtype=np.int64))

    def then(self, later: Self) -> Self:
        """This update, and a later one after it."""
        return type(self)(np.asarray(self.by + later.by))

    def apply(self, buffer: Array) -> Array:
        """The buffer after the update, in its own dtype."""
        return np.asarray(buffer + self.by, dtype=buffer.dtype)

    def pack(self) -> tuple[str, list[Array]]:
        """What travels; `unpack` makes it an update again."""
        return self.tag, [self.by]


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """r <- (prior * r + total) / (prior + count), in float64: a mean over all so far."""

    tag: ClassVar[str] = "mean"
    count: int
    total: Array
    prior: int

    @classmethod
    def of(cls, count: int, total: Any, prior: int) -> Self:
        """From what `Module.update_buffer` was given."""
        return cls(int(count), _float64(total), int(prior))

    def then(self, later: Self) -> Self:
        """This update, and a later one after it; both may count from the same start."""
        return type(self)(self.count + later.count, self.total + later.total, self.prior)

    def apply(self, buffer: Array) -> Array:
        """The buffer after the update, in its own dtype."""
        if self.prior + self.count == 0:
            return buffer.copy()
        total = self.prior * buffer.astype(np.float64) + self.total
        return np.asarray(total / (self.prior + self.count), dtype=buffer.dtype)

    def pack(self) -> tuple[str, list[Array]]:
        """What travels; `unpack` makes it an update again."""
        return self.tag, [np.array([self.count, self.prior], np.int64), self.total]


@dataclass(frozen=True, slots=True, eq=False)
class Last:
    """r <- value."""

    tag: ClassVar[str] = "last"
    value: Array

    @classmethod
    def of(cls, value: Any) -> Self:
        """From what `Module.update_buffer` was given."""
        return cls(np.array(value))

    def then(self, later: Self) -> Self:
        """This update, and a later one after it."""
        return later

    def apply(self, buffer: Array) -> Array:
        """The buffer after the update, in its own dtype."""
        return self.value.astype(buffer.dtype)

    def pack(self) -> tuple[str, list[Array]]:
        """What travels; `unpack` makes it an update again."""
        return self.tag, [self.value]


Update: TypeAlias = Affine | Count | Mean | Last
RULES: dict[str, type[Update]] = {kind.tag: kind for kind in (Affine, Count, Mean, Last)}


def _float64(value: Any) -> Array:
    return np.array(value, dtype=np.float64)


def compose(first: Update, later: Update) -> Update:
    """`first.then(later)` for two updates of one rule. Raises TypeError for two rules."""
    if type(first) is not type(later):
        raise TypeError(f"a {first.tag} update cannot be followed by a {later.tag} update")
    return first.then(later)  # type: ignore[arg-type]  # both are of one class


def unpack(tag: str, arrays: Sequence[Array]) -> Update:
    """The update that `update.pack()` gave this for.

    Raises ProtocolError for anything that is not such a pair. (Whether the arrays have the shape
    of the buffer is for the caller to check, who knows the layout.)
    """
    match tag, [(array.dtype.str, array.ndim) for array in arrays]:
        case "affine", [("<f8", 0), ("<f8", _)]:
            return Affine(float(arrays[0]), arrays[1])
        case "count", [("<i8", _)]:
            return Count(arrays[0])
        case "mean", [("<i8", 1), ("<f8", _)] if arrays[0].size == 2 and arrays[0].min() >= 0:
            return Mean(int(arrays[0][0]), arrays[1], int(arrays[0][1]))
        case "last", [_]:
            return Last(arrays[0])
    raise ProtocolError(f"a buffer update {tag!r} with {len(arrays)} arrays is malformed")
