"""PyTorch's module database: every module that dtrain has, in both modes and dtypes."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

from tests.parity.databases.entries import FLOATS  # noqa: E402  it needs PyTorch
from tests.parity.databases.exceptions import EMPTY  # noqa: E402
from tests.parity.databases.modules import (  # noqa: E402
    Row,
    Sample,
    absent_modules,
    compare_calls,
    compare_modules,
    drawn,
    module_error,
    module_samples,
    rows,
    without_samples,
)
from tests.parity.databases.runner import Skip  # noqa: E402

ROWS = rows()
MOST = 6  # samples of a module, dtype and mode
FEW = 3


def each_module(chosen: list[Row]) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in chosen])


def problems(samples: list[Sample], compare: Callable[[Sample], None]) -> list[str]:
    """The samples on which the two differ, and how."""
    found = []
    for at, sample in enumerate(samples):
        try:
            compare(sample)
        except Skip:
            continue
        except Exception as error:  # whatever it was: the test says what
            said = " ".join(str(error).split())[:300]
            found.append(f"sample {at}: {type(error).__name__}: {said}")
    return found


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@each_module(ROWS)
def test_states_values_gradients_and_buffers_are_pytorchs(
    row: Row, dtype: Any, training: bool
) -> None:
    samples = module_samples(row, dtype, training, MOST)
    assert not problems(samples, lambda each: compare_modules(row.name, each, dtype, training))


@each_module(ROWS)
def test_an_empty_batch_gives_what_it_gives_in_pytorch(row: Row) -> None:
    samples = [without_samples(each) for each in module_samples(row, torch.float64, True, FEW)]
    found = problems(samples, lambda each: compare_calls(row.name, each, torch.float64))
    known = EMPTY.get(row.name)
    if known is None or known.certain:
        assert bool(found) == (known is not None), found


@each_module([row for row in ROWS if row.info.module_error_inputs_func])
def test_wrong_arguments_raise_what_pytorch_raises(row: Row) -> None:
    wrong = drawn(row.info.module_error_inputs_func, row.info, torch.float32, True)
    said = [module_error(row.name, each) for each in wrong]
    assert not [text for text in said if text]


def test_what_dtrain_has_not_is_listed() -> None:
    lazy = [f"LazyConv{kind}{n}d" for kind in ("", "Transpose") for n in (1, 2, 3)]
    missing = ["CTCLoss", "FractionalMaxPool2d", "FractionalMaxPool3d", "LinearCrossEntropyLoss"]
    assert absent_modules() == sorted(missing + lazy)
