"""Own samples for what PyTorch's databases have no entry for, and all names of their entries."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

import dtrain  # noqa: E402
from dtrain.autograd import Tensor  # noqa: E402
from tests.parity.databases.entries import (  # noqa: E402  it needs PyTorch
    FEW,
    FLOATS,
    Entry,
    aliases,
    failures,
    form_failures,
    on_a_copy,
)
from tests.parity.databases.exceptions import EXCEPTIONS  # noqa: E402
from tests.parity.databases.extra import EXTRA, MODULES, WRONG, drawn  # noqa: E402
from tests.parity.databases.modules import Sample, compare_modules, outcome  # noqa: E402
from tests.parity.databases.runner import Call, compare, find, ours, seeded  # noqa: E402

# PyTorch warns of old names and forms; here it is asked for them.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def both(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """dtrain's function and PyTorch's; what writes into its input, into a copy."""
    mine, theirs = (
        getattr(library.Tensor, name[7:]) if name.startswith("Tensor.") else find(name, library)
        for library in (dtrain, torch)
    )
    return (on_a_copy(mine), on_a_copy(theirs)) if name.endswith("_") else (mine, theirs)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", EXTRA)
def test_values_and_gradients_are_pytorchs(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for each in EXTRA[name]:
        compare(*both(name), drawn(each, dtype, rng), torch)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_what_pytorch_raises(name: str) -> None:
    rng = np.random.default_rng(0)
    mine, theirs = both(name)
    for each in WRONG[name]:
        wrong = drawn(each, torch.float64, rng)
        own = Call(*(ours(part, torch) for part in wrong))
        wanted = outcome(lambda call=wrong: seeded(torch, theirs, call))
        got = outcome(lambda call=own: seeded(dtrain, mine, call))
        assert wanted is not None, each
        assert got is not None, f"no {wanted.__name__} for {each}"
        assert issubclass(got, wanted), f"{got.__name__}, not {wanted.__name__}, for {each}"


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_modules_are_pytorchs(name: str, dtype: Any, training: bool) -> None:
    rng = np.random.default_rng(0)
    for built, called in MODULES[name]:
        sample = Sample(deepcopy(built), drawn(called, dtype, rng))
        compare_modules(name, sample, dtype, training)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.label) for row in aliases()])
def test_other_names_are_pytorchs(row: Entry) -> None:
    found = failures(row, torch.float64, FEW)
    for failed in form_failures(row, torch.float64, FEW).values():
        found += failed
    known = EXCEPTIONS.get(row.op.name)
    left = [each for each in found if not (known and known.concerns(each.call, "float64"))]
    assert not left, str(left[0])


def assigned(target: Any, key: Any, value: Any) -> Any:
    target = target.clone()
    target[key] = value
    return target


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_assignment_is_pytorchs(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    for key, shape in [
        (1, (3,)), ((slice(None), 0), ()), ((..., slice(None, None, 2)), (4, 2)), (None, (4, 3)),
        ([0, 2, 2], (3, 3)), (slice(2, 2), (0, 3)), ((slice(1, 3), [0, 1]), (2, 1)),
    ]:  # fmt: skip
        target, value = (torch.from_numpy(np.array(rng.normal(size=s))) for s in ((4, 3), shape))
        call = Call(target.to(dtype).requires_grad_(), (key, value.to(dtype).requires_grad_()), {})
        if isinstance(key, list):  # two values for one place: PyTorch says not which is kept
            call = Call(call.input, ([0, 2, 1], call.args[1]), {})
        compare(assigned, assigned, call, torch)


# Attributes of tensors, and methods without arguments:
ATTRIBUTES = [
    "data", "device", "dtype", "grad", "grad_fn", "is_cpu", "is_cuda", "is_ipu", "is_leaf",
    "is_meta", "is_mkldnn", "is_mps", "is_nested", "is_quantized", "is_sparse", "is_sparse_csr",
    "is_vulkan", "is_xla", "is_xpu", "itemsize", "layout", "name", "nbytes", "ndim", "output_nr",
    "requires_grad", "retains_grad", "shape",
]  # fmt: skip
QUESTIONS = [
    "clone", "detach", "dim", "dim_order", "element_size", "get_device", "is_complex", "is_conj",
    "is_contiguous", "is_distributed", "is_floating_point", "is_inference", "is_neg", "is_pinned",
    "is_shared", "is_signed", "nelement", "numel", "numpy", "size", "storage_offset", "stride",
    "tolist",
]  # fmt: skip


@pytest.mark.parametrize("name", [*ATTRIBUTES, *QUESTIONS])
def test_what_a_tensor_says_of_itself_is_pytorchs(name: str) -> None:
    for made in (
        lambda lib: lib.arange(6.0).reshape(2, 3),
        lambda lib: lib.arange(6.0).reshape(2, 3).t(),
        lambda lib: lib.zeros(0, dtype=lib.int16),
        lambda lib: lib.tensor(2.5, dtype=lib.float64),
        lambda lib: lib.tensor([True, False]),
    ):
        if name == "stride" and not made(dtrain).numel():
            continue  # NumPy's arrays of nothing have strides of 0
        said = [getattr(made(library), name) for library in (dtrain, torch)]
        one, other = [each() for each in said] if name in QUESTIONS else said
        if isinstance(other, torch.Tensor | np.ndarray):
            assert type(one) is (Tensor if isinstance(other, torch.Tensor) else np.ndarray)
            assert one.tolist() == other.tolist()
            assert str(one.dtype) == str(other.dtype)
        else:
            assert str(one) == str(other)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("name", ["storage", "untyped_storage"])
def test_a_view_has_the_storage_of_its_base_as_in_pytorch(name: str) -> None:
    sizes = []
    for library in (dtrain, torch):
        base = library.arange(6.0).reshape(2, 3)
        storages = [getattr(each, name)() for each in (base, base[1], base.t(), base.clone())]
        sizes.append([each.nbytes() for each in storages])
        addresses = [each.data_ptr() for each in storages]
        assert addresses[0] == addresses[1] == addresses[2] != addresses[3]
    assert sizes[0] == sizes[1]


def test_a_state_of_pytorchs_random_numbers_is_gone_on_from() -> None:
    torch.rand(5)
    dtrain.set_rng_state(dtrain.tensor(torch.get_rng_state().numpy()))
    assert dtrain.rand(7).tolist() == torch.rand(7).tolist()
    assert dtrain.default_generator.get_state().tolist() == torch.get_rng_state().tolist()
