"""What tells one host's data from another's: a hash of a few samples' contents."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from dtrain import keyed
from dtrain.autograd import Tensor
from dtrain.checked import calling
from dtrain.data.fetch import read

if TYPE_CHECKING:
    from dtrain.job import Job

TRAIN_SAMPLES, EVAL_SAMPLES = 4, 2
DEPTH = 32  # of containers; what lies deeper counts by its type


def hash_of(job: "Job", train_data: Any, eval_data: Any, at_once: bool) -> str:
    """xxh3_128, in hex, of some samples, each read alone as in epoch 0 or in an evaluation.

    Raises JobError that names a sample that cannot be read.
    """
    total = xxhash.xxh3_128()
    for name, data, count in (
        ("train", train_data, TRAIN_SAMPLES),
        ("eval", eval_data, EVAL_SAMPLES),
    ):
        if data is not None:
            for index in chosen(job.seed, name, len(data), count):
                put(total, index)
                put(total, _sample(job, name, data, index, at_once))
    return total.hexdigest()


def chosen(seed: int, name: str, n: int, count: int) -> list[int]:
    """Up to `count` of n indices: a function of the seed, the name and n."""
    if n <= count:
        return list(range(n))
    draws = keyed.stream(seed, "identity", name, n).bit_generator.random_raw(count)
    return sorted({int(draw) % n for draw in draws})


def _sample(job: "Job", name: str, data: Any, index: int, at_once: bool) -> Any:
    """What the data give for one index; whatever they draw is keyed, and nothing is left of it."""
    epoch = 0 if name == "train" else None
    job._enter_leaf(0, 0)
    try:
        with (
            calling(f"sample {index} of {type(data).__name__}"),
            keyed.SeedingScope(job.seed, "identity", name, index),
        ):
            scope = keyed.sample_scope
            return read(data, [index], at_once, lambda i: scope(job.seed, epoch, i)).content
    finally:
        job._leave_leaf(0.0)


def put(total: Any, value: Any, depth: int = 0) -> None:
    """Feed a hash with a value: arrays by dtype, shape and bytes in C order; texts, numbers and
    None as they are; tuples, lists and dicts by what they hold; all else by its type's name."""
    if isinstance(value, Tensor):
        value = value._array
    if isinstance(value, np.generic):
        value = np.asarray(value)
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        _put_array(total, value, depth)
    elif isinstance(value, str):
        _put_bytes(total, "str", value.encode("utf-8", "surrogatepass"))
    elif isinstance(value, bytes | bytearray):
        _put_bytes(total, "bytes", value)
    elif value is None or isinstance(value, bool | int | float | complex):
        _put_bytes(total, kind, repr(value).encode())
    elif isinstance(value, dict) and depth < DEPTH:
        _put_all(total, "dict", [part for pair in value.items() for part in pair], depth)
    elif isinstance(value, tuple | list) and depth < DEPTH:
        _put_all(total, "list" if isinstance(value, list) else "tuple", value, depth)
    else:
        _put_bytes(total, "other", f"{type(value).__module__}.{kind}".encode())


def _put_all(total: Any, kind: str, parts: Any, depth: int) -> None:
    _put_bytes(total, kind, str(len(parts)).encode())
    for part in parts:
        put(total, part, depth + 1)


def _put_array(total: Any, array: np.ndarray, depth: int) -> None:
    if array.dtype.kind in "OT":  # its bytes are addresses
        _put_bytes(total, "array", f"object {array.shape}".encode())
        _put_all(total, "list", array.ravel().tolist() if depth < DEPTH else [], depth)
        return
    _put_bytes(total, "array", f"{array.dtype.str} {array.dtype.descr} {array.shape}".encode())
    total.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _put_bytes(total: Any, kind: str, content: bytes | bytearray) -> None:
    """Each with its kind and length before it, so that no two lists of parts read alike."""
    total.update(f"{kind} {len(content)}:".encode())
    total.update(content)
