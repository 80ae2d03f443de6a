"""save and load: state dicts and checkpoints as safetensors. Nothing is ever pickled.

A file has every tensor by a name: its key, or the keys that lead to it with dots between, as in
"model.fc.weight". Metadata say how to put them together again: "dtrain.tree" is the saved object
as JSON, in which

    null, true, 3, 0.5, "text", [...]             are themselves
    {"tuple": [...]}                              is a tuple
    {"dict": [[key, value], ...]}, {"ordered": ...}     a dict, an OrderedDict
    {"float": "nan"}                              a float that JSON has not: nan, inf, -inf
    {"tensor": name}, {"parameter": name}         a tensor of the file, "requires_grad": true
    {"array": name}, {"scalar": name}             a NumPy array or number

"dtrain.xxh3" is a checksum of that and of all tensors.

Tensors over the same memory, in the same shape, are written once, and share it again when they are
loaded (other views become tensors of their own); for the readers of the safetensors library
metadata say which name the others go by. A file of another program, without "dtrain.tree", is a
dict of its tensors.
"""

import json
import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from dtrain.autograd import Tensor, wrap
from dtrain.autograd.value import Array
from dtrain.nn.parameter import Parameter

__all__ = ["load", "save"]

Place: TypeAlias = str | os.PathLike[str] | IO[bytes]

TREE, SUM = "dtrain.tree", "dtrain.xxh3"
RESERVED = "__metadata__"  # safetensors' own key
DTYPES = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "c8"))

CONVERT = (
    "convert it where PyTorch is installed: import torch, safetensors.torch; state = "
    "torch.load(path, map_location='cpu', weights_only=True); safetensors.torch.save_file(state, "
    "new_path), for each state dict in it"
)


def save(obj: Any, f: Place) -> None:
    """Write tensors, and plain values around them, to a file or a binary file object.

    obj: a state dict, or a checkpoint: dicts (keys str or int), OrderedDicts, lists and tuples of
         tensors, NumPy arrays and numbers, None, bool, int, float and str
    f:   a path: the file is complete or, after a crash, what it was before; or something with
         `write`

    Raises:  TypeError for anything else in it, such as a module: it says where that is, and what
             to save in its place; ValueError for what contains itself; RuntimeError, as PyTorch,
             if the folder does not exist.
    """
    data = to_bytes(obj)
    if hasattr(f, "write"):
        f.write(data)
    else:
        write(Path(os.path.realpath(f)), data)


def to_bytes(obj: Any) -> bytes:
    """What `save` writes. Raises as `save`."""
    from safetensors.numpy import save as serialize  # slow to import

    writer = _Writer()
    tree = json.dumps(writer.node(obj, ()))
    metadata = {**writer.aliases, "format": "pt", TREE: tree, SUM: _sum(tree, writer.arrays)}
    return in_order(serialize(writer.arrays, metadata))


def in_order(data: bytes) -> bytes:
    """The same file with the metadata of its header sorted: equal contents are equal bytes."""
    size = int.from_bytes(data[:8], "little")
    header = _header(data)
    header = {RESERVED: dict(sorted(header.pop(RESERVED).items())), **header}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    if len(text) > size:  # written another way; it is the same file all the same
        return data
    return data[:8] + text.ljust(size) + data[8 + size :]


def from_bytes(data: bytes, name: str) -> Any:
    """What `load` reads; `name` is what errors call the file. Raises RuntimeError as `load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialize

    try:
        loaded = deserialize(data)
        header = _header(data)
    except (SafetensorError, ValueError) as error:
        raise RuntimeError(_refusal(name, data, error)) from None
    arrays = {key: np.require(array, requirements="W") for key, array in loaded.items()}
    metadata = header.get(RESERVED, {})
    tree = metadata.get(TREE)
    if tree is None:
        order = sorted(arrays, key=lambda key: header[key]["data_offsets"])
        return {key: wrap(arrays[key]) for key in order}
    if metadata.get(SUM, _sum(tree, arrays)) != _sum(tree, arrays):
        raise RuntimeError(f"{name} is damaged: its checksum is not that of what it holds")
    try:
        return _restored(json.loads(tree), arrays)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise RuntimeError(f"{name} is damaged: its {TREE} cannot be followed: {error!r}") from None


def peek(path: Path) -> Any:
    """What `save` wrote, with empty tensors in the place of its own: only the header is read.

    Raises OSError, or ValueError for another file.
    """
    with path.open("rb") as file:
        size = file.read(8)
        length = min(int.from_bytes(size, "little"), path.stat().st_size)
        header = _header(size + file.read(length))
    try:
        return _restored(json.loads(header[RESERVED][TREE]), _Nothing())
    except (LookupError, TypeError) as error:
        raise ValueError(f"{path} was not written by dtrain: {error!r}") from None


def _header(data: bytes) -> dict[str, Any]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    return header


def _sum(tree: str, arrays: Mapping[str, Array]) -> str:
    """A checksum of everything: xxh3, 128 bits, in hex."""
    import xxhash

    total = xxhash.xxh3_128(tree.encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


class _Nothing(dict[str, Array]):
    """Any name's array, of no elements."""

    def __missing__(self, name: str) -> Array:
        return np.empty(0, np.float32)


def load(
    f: Place,
    map_location: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
) -> Any:
    """What `save` wrote, or the dict of tensors of any safetensors file.

    f:            a path, or something with `read`
    map_location  "cpu" or None; a function is ignored: all tensors are on the CPU anyway
    weights_only, mmap   accepted and ignored: there is never anything but data in a file

    Raises:  FileNotFoundError; RuntimeError for a file of PyTorch's own format, which says how to
             convert it, for another format, for a damaged file, and for another device.
    """
    _require_cpu(map_location)
    data = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    return from_bytes(data, getattr(f, "name", "the file") if hasattr(f, "read") else str(f))


class _Writer:
    """Goes through an object once: what is to be written by name, and the tree of the rest.

    arrays    by name, in C order
    aliases   name -> the name under which the same memory is written
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.aliases: dict[str, str] = {}
        self._names: dict[Any, str] = {}  # memory -> name
        self._kept: list[Array] = []  # an address means something while its array lives
        self._open: set[int] = set()

    def node(self, value: Any, path: tuple[Any, ...]) -> Any:
        """The tree of a value, found at these keys."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if isinstance(value, np.ndarray | np.generic):
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            return {kind: self._name(np.asarray(value), path)}
        return self._container(value, path)

    def _tensor(self, value: Tensor, path: tuple[Any, ...]) -> Any:
        kind = "parameter" if isinstance(value, Parameter) else "tensor"
        node: dict[str, Any] = {kind: self._name(value._array, path)}
        return node | {"requires_grad": True} if value.requires_grad else node

    def _container(self, value: Any, path: tuple[Any, ...]) -> Any:
        if id(value) in self._open:
            raise ValueError(f"save: {_shown(path)} contains itself")
        self._open.add(id(value))
        try:
            if type(value) is list:
                return self._items(value, path)
            if isinstance(value, tuple) and not hasattr(value, "_fields"):
                return {"tuple": self._items(value, path)}
            if type(value) in (dict, OrderedDict):
                kind = "dict" if type(value) is dict else "ordered"
                return {kind: [self._pair(key, inner, path) for key, inner in value.items()]}
        finally:
            self._open.discard(id(value))
        raise TypeError(f"save: {_shown(path)} is {_described(value)}")

    def _items(self, values: Iterable[Any], path: tuple[Any, ...]) -> list[Any]:
        return [self.node(inner, (*path, i)) for i, inner in enumerate(values)]

    def _pair(self, key: Any, value: Any, path: tuple[Any, ...]) -> list[Any]:
        if type(key) not in (str, int):
            raise TypeError(
                f"save: {_shown(path)} has the key {key!r}, of type {type(key).__name__}; keys are "
                "str or int"
            )
        return [key, self.node(value, (*path, key))]

    def _name(self, array: Array, path: tuple[Any, ...]) -> str:
        """The name under which an array is written: a new one, or that of the same memory."""
        if array.dtype.str[1:] not in DTYPES:
            raise TypeError(
                f"save: {_shown(path)} is of dtype {array.dtype}, which safetensors do not have"
            )
        name = self._unused(".".join(map(str, path)) or "tensor")
        memory = array.ctypes.data, array.shape, array.strides, array.dtype.str
        if array.size and memory in self._names:
            self.aliases[name] = self._names[memory]
            return self._names[memory]
        self._names[memory] = name
        self._kept.append(array)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        self.arrays[name] = np.require(little, requirements="C")
        return name

    def _unused(self, name: str) -> str:
        """The name, or where two paths read alike, one with a number after it."""
        unused, number = name, 1
        while unused in self.arrays or unused in self.aliases or unused in (RESERVED, TREE, SUM):
            number += 1
            unused = f"{name}~{number}"
        return unused


def _restored(node: Any, arrays: Mapping[str, Array]) -> Any:
    """The value of a tree."""
    if isinstance(node, list):
        return [_restored(inner, arrays) for inner in node]
    if not isinstance(node, dict):
        return node
    [kind, *_] = node
    return _KINDS[kind](node[kind], arrays, node)


def _pairs(content: Any, arrays: Mapping[str, Array]) -> list[tuple[Any, Any]]:
    return [(key, _restored(value, arrays)) for key, value in content]


Restore: TypeAlias = Callable[[Any, Mapping[str, Array], Any], Any]

_KINDS: Mapping[str, Restore] = {
    "tuple": lambda content, arrays, _: tuple(_restored(content, arrays)),
    "dict": lambda content, arrays, _: dict(_pairs(content, arrays)),
    "ordered": lambda content, arrays, _: OrderedDict(_pairs(content, arrays)),
    "float": lambda content, arrays, _: float(content),
    "tensor": lambda name, arrays, node: wrap(arrays[name], node.get("requires_grad", False)),
    "parameter": lambda name, arrays, node: Parameter(
        wrap(arrays[name]), node.get("requires_grad", False)
    ),
    "array": lambda name, arrays, _: arrays[name],
    "scalar": lambda name, arrays, _: arrays[name][()],
}


def write(path: Path, data: bytes) -> None:
    """Write a file beside its place, sync it, rename it, sync its folder: it survives a power cut.

    Raises OSError, and leaves what was there as it was; RuntimeError if the folder does not exist.
    """
    if not path.parent.is_dir():
        raise RuntimeError(f"Parent directory {path.parent} does not exist.")
    if path.exists() and not path.is_file():  # a device or a pipe
        path.write_bytes(data)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _require_cpu(map_location: Any) -> None:
    if map_location is None or callable(map_location) or isinstance(map_location, Mapping):
        return
    if str(map_location).partition(":")[0] != "cpu":
        raise RuntimeError(
            f"Attempting to deserialize object on {str(map_location)!r}: dtrain computes on the "
            "CPU; pass map_location='cpu'"
        )


def _refusal(name: str, data: bytes, error: Exception) -> str:
    """What to say of a file that is no safetensors file."""
    is_zip = data[:2] == b"PK"
    if (is_zip and b"data.pkl" in data) or data[:1] == b"\x80":
        return f"{name} is a PyTorch file, which is a pickle: dtrain never runs one; {CONVERT}"
    if is_zip or data[:6] == b"\x93NUMPY":
        return f"{name} is no safetensors file; if it holds NumPy arrays, read it with numpy.load"
    return f"{name} is no safetensors file, or is damaged: {error}"


def _shown(path: tuple[Any, ...]) -> str:
    return "obj" + "".join(f"[{key!r}]" for key in path)


def _described(value: Any) -> str:
    """What a value is that cannot be saved, and what to do."""
    kind = type(value).__name__
    if hasattr(value, "state_dict"):
        return f"a {kind}; save its state, {kind}.state_dict(), and make it anew before loading"
    if isinstance(value, Mapping):
        return f"a {kind}; make it a dict: dict(...)"
    if isinstance(value, tuple | set | frozenset | range):
        return f"a {kind}; make it a list or a tuple"
    if callable(value):
        return f"a {kind}, which is code: nothing is pickled, so keep it in the script"
    return f"a {kind}; save tensors, numbers, texts, and dicts, lists and tuples of them"
