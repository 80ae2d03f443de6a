import io
import json
import math
import os
import pickle
import zipfile
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as read_bytes
from safetensors.numpy import save as write_bytes

import dtrain
from dtrain import nn, optim
from dtrain.autograd import Tensor, wrap
from dtrain.serialization import load, save

DTYPES = ["float16", "float32", "float64", "bool"] + [
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
]
Point = namedtuple("Point", ["x", "y"])


def through(obj: Any) -> Any:
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


def names(obj: Any) -> list[str]:
    file = io.BytesIO()
    save(obj, file)
    return sorted(read_bytes(file.getvalue()))


def same(a: Any, b: Any) -> bool:
    """Equal in type, values, dtype and bits, at every depth; dicts in the same order."""
    if isinstance(a, Tensor):
        return (
            type(a) is type(b) and a.requires_grad == b.requires_grad and same(a._array, b._array)
        )
    if isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and (a.dtype, a.shape, a.tobytes()) == (
            b.dtype,
            b.shape,
            b.tobytes(),
        )
    if isinstance(a, dict):
        return type(a) is type(b) and same([*a.items()], [*b.items()])
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and bool(a == b)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -(2**70),
        0.1,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        "",
        'quo"te\n\ud800 é',
        [],
        (),
        {},
        OrderedDict(),
        [1, (2, [3.5, None])],
        {1: "a", "1": "b", -2: {}},
        OrderedDict([("b", 1), ("a", 2)]),
        {"tensor": "not one", "tuple": [1], "dict": {"float": "nan"}},
        np.float32(1.5),
        np.arange(6).reshape(2, 3),
    ],
)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert same(through(value), value)
    assert same(through({"a": value}), {"a": value})


@pytest.mark.parametrize(
    "dtype",
    DTYPES,
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_tensors_come_back_with_the_same_bits(dtype: str, shape: tuple[int, ...]) -> None:
    tensor = wrap(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    assert same(through({"a": tensor}), {"a": tensor})
    assert same(through(tensor), tensor)


def test_odd_layouts_and_byte_orders_come_back_in_order() -> None:
    base = np.arange(24.0).reshape(4, 6)
    for array in (base.T, base[::2, ::-1], base.astype(">f8"), np.broadcast_to(base[:1], (3, 6))):
        assert through([wrap(array)])[0].tolist() == array.tolist()


def test_what_is_loaded_can_be_written_to() -> None:
    through({"a": wrap(np.zeros(3))})["a"]._array[...] = 1


def test_it_is_remembered_what_requires_a_gradient_and_what_is_a_parameter() -> None:
    state = {"a": wrap(np.zeros(3), requires_grad=True), "b": nn.Parameter(wrap(np.zeros(2)))}
    assert same(through(state), state)


def test_a_flat_state_dict_has_its_own_names_and_order() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    state = model.state_dict()
    assert names(state) == sorted(state)
    assert same(through(state), state)


def test_a_checkpoint_as_people_write_it_goes_on_where_it_was() -> None:
    def trained(steps: int, resumed: Any = None) -> Any:
        dtrain.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        if resumed is not None:
            model.load_state_dict(resumed["model"])
            optimizer.load_state_dict(resumed["optimizer"])
        for _ in range(steps):
            optimizer.zero_grad()
            (model(wrap(np.ones((4, 3), "float32"))) ** 2).sum().backward()
            optimizer.step()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        return {**state, "epoch": 3, "loss": 0.1}

    half = through(trained(3))
    assert (half["epoch"], half["loss"]) == (3, 0.1)
    assert same(trained(2, half)["model"], trained(5)["model"])


def test_names_of_nested_tensors_are_the_way_to_them() -> None:
    state = {"model": {"fc.weight": wrap(np.zeros(1))}, "steps": [wrap(np.ones(1))]}
    assert names(state) == ["model.fc.weight", "steps.0"]


def test_ways_that_read_alike_do_not_get_mixed_up() -> None:
    state = {
        "a.b": wrap(np.zeros(1)),
        "a": {"b": wrap(np.ones(1)), "b~2": wrap(np.ones(2))},
        "__metadata__": wrap(np.ones(3)),
    }
    assert same(through(state), state)


def test_tied_tensors_are_written_once_and_tied_again() -> None:
    weight = wrap(np.arange(3.0))
    state = {"first": weight, "last": wrap(weight._array), "other": wrap(weight._array.copy())}
    assert names(state) == ["first", "other"]
    loaded = through(state)
    assert same(loaded, state)
    loaded["first"]._array[0] = 7
    assert (loaded["last"]._array[0], loaded["other"]._array[0]) == (7, 0)


def test_other_views_of_the_same_memory_are_written_each() -> None:
    base = np.arange(6.0)
    state = [wrap(base), wrap(base[:3]), wrap(base.reshape(2, 3)), wrap(base[::2])]
    assert same([t.tolist() for t in through(state)], [t.tolist() for t in state])


def test_the_metadata_say_under_which_name_a_tied_tensor_is_found(tmp_path: Path) -> None:
    weight = wrap(np.arange(3.0))
    save({"first": weight, "last": weight}, tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert header["__metadata__"]["last"] == "first"


def test_a_file_of_another_program_is_a_dict_of_its_tensors(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(write_bytes({"b": np.zeros(2), "a": np.ones(1, "int8")}))
    assert same(load(tmp_path / "a"), {"b": wrap(np.zeros(2)), "a": wrap(np.ones(1, "int8"))})


class Net(nn.Module):
    pass


LOOP: list[Any] = []
LOOP.append({"again": LOOP})


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (Net(), r"obj is a Net; save its state, Net.state_dict\(\)"),
        ({"model": [Net()]}, r"obj\['model'\]\[0\] is a Net"),
        ({"f": lambda: 0}, r"obj\['f'\] is a function, which is code"),
        ({"s": {1, 2}}, r"obj\['s'\] is a set; make it a list"),
        (Point(1, 2), "obj is a Point; make it a list"),
        ({"o": object()}, r"obj\['o'\] is a object; save tensors"),
        ({"a": {1.5: 0}}, r"obj\['a'\] has the key 1.5, of type float"),
        ({True: 0}, "has the key True, of type bool"),
        ([np.array(["text"])], r"obj\[0\] is of dtype <U4"),
        (wrap(np.zeros(2, "complex128")), "obj is of dtype complex128"),
    ],
)
def test_what_cannot_be_saved_is_named_with_its_place_and_what_to_do(
    obj: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        save(obj, io.BytesIO())


def test_what_contains_itself_is_refused() -> None:
    with pytest.raises(ValueError, match=r"obj\[0\]\['again'\] contains itself"):
        save(LOOP, io.BytesIO())


def test_the_same_list_twice_is_no_loop() -> None:
    shared = [1]
    assert through([shared, shared]) == [[1], [1]]


def test_a_file_is_complete_or_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    save({"a": 1}, path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save({"a": 2}, path)
    assert (load(path), os.listdir(tmp_path)) == ({"a": 1}, ["a.pt"])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    save(1, tmp_path / "link")
    assert (load(tmp_path / "real"), (tmp_path / "link").is_symlink()) == (1, True)


def test_a_file_can_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    save(1, tmp_path / "a")
    (tmp_path / "b").write_bytes(b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_device_is_written_to_and_not_replaced() -> None:
    save(1, os.devnull)
    assert not Path(os.devnull).is_file()


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        save(1, tmp_path / "no" / "a")


def test_a_file_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "a")


@pytest.mark.parametrize(
    "where", [None, "cpu", "cpu:0", {"cuda:0": "cpu"}, lambda storage, _: storage]
)
def test_the_cpu_is_where_tensors_go(tmp_path: Path, where: Any) -> None:
    save(1, tmp_path / "a")
    assert load(tmp_path / "a", map_location=where, weights_only=False) == 1


def test_there_is_no_other_device(tmp_path: Path) -> None:
    save(1, tmp_path / "a")
    with pytest.raises(RuntimeError, match="pass map_location='cpu'"):
        load(tmp_path / "a", map_location="cuda:0")


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped("archive/data.pkl"), "is a PyTorch file, which is a pickle: .*weights_only=True"),
        (pickle.dumps({"a": 1}, protocol=2), "is a PyTorch file, which is a pickle"),
        (zipped("a.npy"), "is no safetensors file; .* numpy.load"),
        (b"\x93NUMPY\x01\x00", "is no safetensors file; .* numpy.load"),
        (b"", "is no safetensors file, or is damaged"),
        (b"garbage" * 10, "is no safetensors file, or is damaged"),
        (write_bytes({"a": np.zeros(4)})[:-1], "is no safetensors file, or is damaged"),
    ],
)
def test_what_is_no_safetensors_file_is_refused_with_what_to_do(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match=f"{path} {message}"):
        load(path)
    with pytest.raises(RuntimeError, match=message):
        load(io.BytesIO(data))


@pytest.mark.parametrize("tree", ['{"tensor": "b"}', '{"unknown": 1}', "{}", "{", '{"dict": 3}'])
def test_a_tree_that_leads_nowhere_is_damaged(tree: str) -> None:
    data = write_bytes({"a": np.zeros(1)}, {"dtrain.tree": tree})
    with pytest.raises(RuntimeError, match=r"is damaged: its dtrain\.tree"):
        load(io.BytesIO(data))
