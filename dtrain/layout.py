"""Where every parameter lies: flat vectors, one per dtype, cut into chunks. Pure.

    vector "float32"         | weight          |pad| bias |pad| weight ...                |
    chunks of it             |--- chunk 0 ---|--- chunk 1 ---|--- chunk 2 ---|- chunk 3 --|
    vector "float32/frozen"  | parameters with requires_grad=False: no gradient, but in the digest |

Messages, sums, optimizer and checkpoints work on the vectors, chunk by chunk; a model's tensors
are views of them. Every parameter starts on a 64-byte boundary (BLAS and SIMD kernels like it),
the gaps stay zero. Chunks are cut without regard to parameters: one may hold many, or a part.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dtrain.errors import ProtocolError

if TYPE_CHECKING:
    from dtrain.nn import Module

Array = NDArray[Any]

ALIGN_BYTES = 64
DTYPES = frozenset(
    {"float16", "float32", "float64", "bool"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
RULES = frozenset({None, "affine", "count", "mean", "last"})


class TensorSpec(NamedTuple):
    """What a layout is made from: one parameter of a model."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool


class Buffer(NamedTuple):
    """A buffer of the model, such as BatchNorm's running mean, and how leaves update it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    rule: str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter and its place: elements start ... start+size of a vector."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    vector: str
    start: int
    size: int
    trainable: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Elements start ... stop of a vector; `parameters`: indices of those that it touches."""

    index: int
    vector: str
    start: int
    stop: int
    parameters: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements, gaps between parameters included."""
        return self.stop - self.start

    @property
    def mask(self) -> int:
        """A bit for each parameter that it touches."""
        return sum(1 << index for index in self.parameters)


class Piece(NamedTuple):
    """The part of a parameter that lies in a chunk: elements lo ... hi of the vector."""

    parameter: int
    lo: int
    hi: int


def aligned_zeros(size: int, dtype: str) -> Array:
    """A 1-D array of zeros whose first element lies on a 64-byte boundary."""
    item_bytes = np.dtype(dtype).itemsize
    raw = np.zeros(size * item_bytes + ALIGN_BYTES, np.uint8)
    skip = -raw.ctypes.data % ALIGN_BYTES
    return raw[skip : skip + size * item_bytes].view(dtype)


def vector_dtype(vector: str) -> str:
    """The dtype of a vector, which its name begins with: "float32/frozen" -> "float32"."""
    return vector.partition("/")[0]


@dataclass(frozen=True)
class Layout:
    """The places of all parameters, buffers and chunks: a pure function of the model's shapes.

    `frozen` chunks travel as weights but never as gradients; their indices follow those of
    `chunks`. A node of the sum tree has `parts` parts: one per entry of `chunks`, then the tail.
    """

    parameters: tuple[Parameter, ...]
    buffers: tuple[Buffer, ...]
    vectors: dict[str, int]
    chunks: tuple[Chunk, ...]
    frozen: tuple[Chunk, ...]
    chunk_elements: int

    @classmethod
    def of(cls, model: "Module", chunk_elements: int) -> Self:
        """The layout of a model; tied parameters have one place, under their first name."""
        rules = dict(model.named_buffer_rules())
        return cls.build(
            [
                TensorSpec(name, *_form(p._array), trainable=p.requires_grad)
                for name, p in model.named_parameters()
            ],
            [Buffer(name, *_form(b._array), rules.get(name)) for name, b in model.named_buffers()],
            chunk_elements,
        )

    @classmethod
    def build(
        cls, specs: Iterable[TensorSpec], buffers: Iterable[Buffer], chunk_elements: int
    ) -> Self:
        """Place parameters one after another, each in the vector of its kind, and cut chunks."""
        vectors: dict[str, int] = {}
        placed = [_place(spec, vectors) for spec in specs]
        trained = [name for name in vectors if not name.endswith("/frozen")]
        chunks = _cut(placed, vectors, trained, chunk_elements, first=0)
        still = [name for name in vectors if name.endswith("/frozen")]
        frozen = _cut(placed, vectors, still, chunk_elements, first=len(chunks))
        return cls(tuple(placed), tuple(buffers), vectors, chunks, frozen, chunk_elements)

    @property
    def parts(self) -> int:
        """How many parts a node of the sum tree has: a gradient for each chunk, and the tail."""
        return len(self.chunks) + 1

    @property
    def tail(self) -> int:
        """The index of the tail among the parts."""
        return len(self.chunks)

    def chunk(self, index: int) -> Chunk:
        """A chunk by its index, trained or frozen."""
        trained = len(self.chunks)
        return self.chunks[index] if index < trained else self.frozen[index - trained]

    def dtype_of(self, chunk: Chunk) -> str:
        """The dtype of a chunk's elements."""
        return vector_dtype(chunk.vector)

    def pieces(self, chunk: Chunk) -> Iterator[Piece]:
        """The parts of parameters that lie in a chunk, from left to right."""
        for index in chunk.parameters:
            parameter = self.parameters[index]
            lo = max(chunk.start, parameter.start)
            yield Piece(index, lo, max(lo, min(chunk.stop, parameter.start + parameter.size)))

    def allocate(self, wanted: Callable[[str], bool] = lambda vector: True) -> dict[str, Array]:
        """Fresh vectors of zeros, aligned to 64 bytes."""
        return {
            name: aligned_zeros(size, vector_dtype(name))
            for name, size in self.vectors.items()
            if wanted(name)
        }

    def allocate_gradients(self) -> dict[str, Array]:
        """Fresh vectors of zeros for the trained parameters only."""
        return self.allocate(lambda vector: not vector.endswith("/frozen"))

    def slice(self, vectors: Mapping[str, Array], chunk: Chunk) -> Array:
        """A chunk's elements, 1-D, without a copy."""
        return vectors[chunk.vector][chunk.start : chunk.stop]

    def view(self, vectors: Mapping[str, Array], parameter: Parameter) -> Array:
        """A parameter's elements in its shape, without a copy."""
        start = parameter.start
        return vectors[parameter.vector][start : start + parameter.size].reshape(parameter.shape)

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `from_dict` makes the same layout: places are derived."""
        return {
            "parameters": [[p.name, list(p.shape), p.dtype, p.trainable] for p in self.parameters],
            "buffers": [[b.name, list(b.shape), b.dtype, b.rule] for b in self.buffers],
            "chunk_elements": self.chunk_elements,
        }

    @classmethod
    def from_dict(cls, plain: Any) -> Self:
        """The layout behind `to_dict`. Raises ProtocolError for anything that is not one."""
        match plain:
            case {
                "parameters": list(parameters),
                "buffers": list(buffers),
                "chunk_elements": int(chunk_elements),
            } if len(plain) == 3 and chunk_elements >= 1:
                specs = [_read_spec(row) for row in parameters]
                kept = [_read_buffer(row) for row in buffers]
                _require_different([s.name for s in specs] + [b.name for b in kept])
                return cls.build(specs, kept, chunk_elements)
        raise ProtocolError("a layout must have parameters, buffers and chunk_elements >= 1")

    def hash(self) -> str:
        """SHA-256 in hex of names, shapes, dtypes, rules and chunk size."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()


def _form(array: Array) -> tuple[tuple[int, ...], str]:
    return array.shape, array.dtype.name


def _place(spec: TensorSpec, vectors: dict[str, int]) -> Parameter:
    """Append a parameter to its vector, and pad the vector to the next boundary.

    A parameter of size zero takes one boundary too, so that it lies in exactly one chunk.
    """
    vector = spec.dtype if spec.trainable else f"{spec.dtype}/frozen"
    start = vectors.get(vector, 0)
    size = math.prod(spec.shape)
    unit = ALIGN_BYTES // np.dtype(spec.dtype).itemsize
    vectors[vector] = start + -(-max(size, 1) // unit) * unit
    return Parameter(spec.name, spec.shape, spec.dtype, vector, start, size, spec.trainable)


def _cut(
    placed: list[Parameter], vectors: dict[str, int], names: list[str], size: int, first: int
) -> tuple[Chunk, ...]:
    """Cut some vectors into chunks of `size` elements; the last of each vector may be shorter."""
    chunks: list[Chunk] = []
    for name in names:
        inside = [i for i, parameter in enumerate(placed) if parameter.vector == name]
        seen = 0  # parameters come in order, so each is looked at once or twice in all
        for start in range(0, vectors[name], size):
            stop = min(start + size, vectors[name])
            while seen < len(inside) and _end(placed[inside[seen]]) <= start:
                seen += 1
            touched = []
            for i in inside[seen:]:
                if placed[i].start >= stop:
                    break
                touched.append(i)
            chunks.append(Chunk(first + len(chunks), name, start, stop, tuple(touched)))
    return tuple(chunks)


def _end(parameter: Parameter) -> int:
    return parameter.start + max(parameter.size, 1)


def _read_spec(row: object) -> TensorSpec:
    match row:
        case [str(name), list(shape), str(dtype), bool(trainable)] if dtype in DTYPES:
            return TensorSpec(name, _read_shape(shape), dtype, trainable)
    raise ProtocolError(f"a parameter of a layout is malformed: {str(row)[:80]}")


def _read_buffer(row: Any) -> Buffer:
    match row:
        case [str(name), list(shape), str(dtype), rule] if dtype in DTYPES and _is_rule(rule):
            return Buffer(name, _read_shape(shape), dtype, rule)
    raise ProtocolError(f"a buffer of a layout is malformed: {str(row)[:80]}")


def _is_rule(rule: Any) -> bool:
    return rule is None or (isinstance(rule, str) and rule in RULES)


def _read_shape(shape: list[Any]) -> tuple[int, ...]:
    if all(type(n) is int and n >= 0 for n in shape):
        return tuple(shape)
    raise ProtocolError(f"a shape must be a list of integers >= 0, not {str(shape)[:80]}")


def _require_different(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise ProtocolError("a layout names one parameter or buffer twice")
