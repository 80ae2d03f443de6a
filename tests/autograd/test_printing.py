"""Tensors as text: what PyTorch printed (printed.json), and the options."""

import json
from pathlib import Path

import numpy as np
import pytest

from dtrain.autograd import printing
from tests.autograd.printed import ARRAYS, CASES, OPTIONS, SUFFIXES, Case

STORED = json.loads(Path(__file__).with_name("printed.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_a_tensor_is_printed_as_by_pytorch(case: Case) -> None:
    name, options, suffix = case
    with printing.printoptions(**OPTIONS.get(options, {})):
        assert printing.text(ARRAYS[name], SUFFIXES[suffix]) == STORED["/".join(case)]


def test_options_are_put_back_after_the_block() -> None:
    before = printing.get_printoptions()

    def fail() -> None:
        with printing.printoptions(precision=1, sci_mode=True):
            assert printing.get_printoptions()["precision"] == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert printing.get_printoptions() == before


def test_a_profile_is_where_the_other_options_start_from() -> None:
    with printing.printoptions(profile="short", linewidth=50):
        assert printing.get_printoptions() == {
            "precision": 2,
            "threshold": 1000,
            "edgeitems": 2,
            "linewidth": 50,
            "sci_mode": None,
        }


def test_the_scientific_mode_is_the_only_option_that_none_resets() -> None:
    with printing.printoptions(precision=7, sci_mode=True):
        printing.set_printoptions()
        assert printing.get_printoptions()["precision"] == 7
        assert printing.get_printoptions()["sci_mode"] is None


def test_options_can_be_given_for_one_text_alone() -> None:
    options = printing.Options(precision=1)
    assert printing.text(np.float32([0.25, 1.5]), options=options) == "tensor([0.2, 1.5])"
    assert printing.text(np.float32([0.25, 1.5])) == "tensor([0.2500, 1.5000])"


def test_the_default_dtype_goes_without_saying() -> None:
    array = np.array([1.0])
    assert printing.text(array) == "tensor([1.], dtype=torch.float64)"
    assert printing.text(array, default_float=np.float64) == "tensor([1.])"
    assert printing.text(np.float32([1.0]), default_float=np.float64).endswith("torch.float32)")


def test_lines_are_indented_below_the_prefix() -> None:
    assert (
        printing.text(np.arange(4).reshape(2, 2), prefix="mine(") == "mine([[0, 1],\n      [2, 3]])"
    )


def test_strides_do_not_matter() -> None:
    array = np.arange(2000.0).reshape(40, 50)
    assert printing.text(array.T) == printing.text(array.T.copy())
    assert printing.text(array[::-2, ::3]) == printing.text(array[::-2, ::3].copy())
