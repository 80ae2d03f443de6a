"""Every op of the table: gradients against finite differences, fused ops against formulas."""

from typing import Any

import numpy as np
import pytest

from dtrain.autograd import OPS, Op, Tensor, enable_grad, grad, gradcheck, gradgradcheck, tensor
from dtrain.autograd.op import Fused
from tests.autograd.samples import SAMPLES, Sample, cases

CASES = cases()
DIFFERENTIABLE = [case for case in CASES if case.values[0].differentiable]
FUSED = [case for case in DIFFERENTIABLE if getattr(case.values[0], "formula", None)]


def as_inputs(op: Op, sample: Sample, dtype: Any = np.float64) -> list[Any]:
    """The sample's arrays as Tensors; those that have a gradient require it."""
    return [
        value
        if not isinstance(value, np.ndarray)
        else tensor(value.astype(dtype), requires_grad=True)
        if op.differentiable >> at & 1 and value.dtype.kind == "f"
        else tensor(value)
        for at, value in enumerate(sample.inputs)
    ]


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_op_has_a_sample(op: Op) -> None:
    assert op.domain or SAMPLES.get(op.name), f"add {op.name} to tests/autograd/samples"


def test_every_sample_belongs_to_an_op() -> None:
    assert set(SAMPLES) <= set(OPS)


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_op_says_what_it_computes(op: Op) -> None:
    assert op.__doc__


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_an_op_gives_tensors_for_tensors_and_the_same_arrays_for_arrays(
    op: Op, sample: Sample
) -> None:
    out = op(*as_inputs(op, sample), **sample.options)
    raw = op(*sample.inputs, **sample.options)
    assert isinstance(out, Tensor)
    assert not isinstance(raw, Tensor)
    np.testing.assert_array_equal(out.detach().numpy(), raw)


@pytest.mark.parametrize(("op", "sample"), DIFFERENTIABLE)
def test_gradients_agree_with_finite_differences(op: Op, sample: Sample) -> None:
    assert gradcheck(lambda *inputs: op(*inputs, **sample.options), as_inputs(op, sample))


@pytest.mark.parametrize(("op", "sample"), DIFFERENTIABLE)
def test_second_gradients_agree_with_finite_differences(op: Op, sample: Sample) -> None:
    assert gradgradcheck(lambda *inputs: op(*inputs, **sample.options), as_inputs(op, sample))


@pytest.mark.parametrize(("op", "sample"), DIFFERENTIABLE)
def test_a_recorded_gradient_is_the_plain_one(op: Op, sample: Sample) -> None:
    inputs = as_inputs(op, sample)
    wanted = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    plain = grad(op(*inputs, **sample.options).sum(), wanted)
    recorded = grad(op(*inputs, **sample.options).sum(), wanted, create_graph=True)
    for one, other in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(one.numpy(), other.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "sample"), FUSED)
def test_a_fused_op_is_its_formula(op: Fused, sample: Sample, dtype: Any) -> None:
    assert op.formula is not None
    tolerance: Any = {"rtol": 2e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12}
    inputs = as_inputs(op, sample, dtype)
    wanted = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    plain = [
        each if at == 0 or each is None or each.requires_grad else each.numpy()
        for at, each in enumerate(inputs)
    ]
    with enable_grad():
        outs = op(*inputs, **sample.options), op.formula(*plain, **sample.options)
    assert outs[0].dtype == outs[1].dtype == dtype
    np.testing.assert_allclose(*(out.detach().numpy() for out in outs), **tolerance)
    seed = tensor(np.random.default_rng(1).normal(size=outs[0].shape).astype(dtype))
    for one, other in zip(*(grad(out, wanted, seed) for out in outs), strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one.numpy(), other.numpy(), **tolerance)


SINGLE = [case for case in DIFFERENTIABLE if isinstance(case.values[0], Fused)]


def gradients_after(op: Fused, sample: Sample, spoil: Any) -> list[Any]:
    """The gradients, when some arrays are overwritten between forward and backward."""
    inputs = as_inputs(op, sample)
    wanted = [each for each in inputs if isinstance(each, Tensor) and each.requires_grad]
    out = op(*inputs, **sample.options)
    seed = tensor(np.random.default_rng(1).normal(size=out.shape))
    spoil(inputs, out)
    return [each.numpy() for each in grad(out, wanted, seed)]


@pytest.mark.parametrize(("op", "sample"), SINGLE)
def test_a_fused_backward_reads_only_what_the_op_says_that_it_saves(
    op: Fused, sample: Sample
) -> None:
    def spoil(inputs: list[Any], out: Any) -> None:
        if not op.saves_out and not any(
            isinstance(each, Tensor) and np.shares_memory(each._array, out._array)
            for each in inputs
        ):
            out._array[...] = 1e30
        for name, each in zip(op.inputs, inputs, strict=False):
            if name in op.unsaved and each is not None:
                each._array[...] = 1e30

    clean = gradients_after(op, sample, lambda inputs, out: None)
    for one, other in zip(clean, gradients_after(op, sample, spoil), strict=True):
        np.testing.assert_array_equal(one, other, f"declare saves_out, or what {op} does not save")
