"""One hash for a state."""

import hashlib

import numpy as np

from dtrain.digest import digest


def test_the_digest_is_sha256_of_the_bytes_one_after_another() -> None:
    state = {"a": np.float32([[1, 2], [3, 4]]), "n": np.int64(7).reshape(())}
    raw = np.array([1, 2, 3, 4], "<f4").tobytes() + np.array(7, "<i8").tobytes()
    assert digest(state) == hashlib.sha256(raw).hexdigest()


def test_memory_order_and_byte_order_do_not_count() -> None:
    a = np.arange(6, dtype=np.float64).reshape(2, 3)
    assert digest({"a": a}) == digest({"a": np.asfortranarray(a)})
    assert digest({"a": a}) == digest({"a": a.astype(">f8")})


def test_the_order_of_the_arrays_counts() -> None:
    a, b = np.float32([1]), np.float32([2])
    assert digest({"a": a, "b": b}) != digest({"b": b, "a": a})


def test_an_array_without_elements_adds_nothing() -> None:
    assert digest({"a": np.zeros((0, 3))}) == hashlib.sha256().hexdigest()
