"""Attention: what it computes, in any layout and by any tiles."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import grad, tensor
from dtrain.autograd.ops import attention as ops
from dtrain.nn import functional as F

rng = np.random.default_rng(41)


def plainly(query: Any, key: Any, value: Any, mask: Any, is_causal: bool) -> Any:
    """The formula, one head and one query at a time."""
    out = np.zeros((*query.shape[:-1], value.shape[-1]))
    for head in np.ndindex(query.shape[:-2]):
        for row, q in enumerate(query[head]):
            scores = key[head] @ q / np.sqrt(len(q)) + mask[row]
            if is_causal:
                scores[row + 1 :] = -np.inf
            weights = np.exp(scores - scores.max())
            out[(*head, row)] = weights / weights.sum() @ value[head]
    return out


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(
    ("tile_scores", "tile_rows"), [(1 << 17, 128), (1, 1), (7, 2), (40, 3), (100, 5)]
)
def test_any_tiles_give_the_formula(
    monkeypatch: pytest.MonkeyPatch, tile_scores: int, tile_rows: int, is_causal: bool
) -> None:
    monkeypatch.setattr(ops, "TILE_SCORES", tile_scores)
    monkeypatch.setattr(ops, "TILE_ROWS", tile_rows)
    query, key, value = rng.normal(size=(2, 3, 7, 4)), *rng.normal(size=(2, 2, 3, 6, 4))
    mask, g = rng.normal(size=(7, 6)), rng.normal(size=(2, 3, 7, 4))
    inputs = [tensor(each, requires_grad=True) for each in (query, key, value, mask)]
    out = F.scaled_dot_product_attention(*inputs, is_causal=is_causal)
    expected = plainly(query, key, value, mask, is_causal)
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-12)
    fast = grad(out, inputs, tensor(g), retain_graph=True)
    by_formula = grad(out, inputs, tensor(g), create_graph=True)
    for one, other in zip(fast, by_formula, strict=True):
        np.testing.assert_allclose(one.numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bits_do_not_depend_on_how_the_inputs_lie_in_memory(dtype: str) -> None:
    arrays = rng.normal(size=(3, 2, 5, 33, 8)).astype(dtype)

    def run(arrays: Any) -> list[Any]:
        inputs = [tensor(np.zeros(0, dtype)) for _ in arrays]
        for each, array in zip(inputs, arrays, strict=True):
            each._array = array
            each.requires_grad_()
        out = F.scaled_dot_product_attention(*inputs, is_causal=True)
        gradients = grad(out, inputs, tensor(np.ones(out.shape, dtype)))
        return [out.detach().numpy(), *(each.numpy() for each in gradients)]

    strided = [np.asfortranarray(array[0]) for array in arrays[:, None]]
    for one, other in zip(run(list(arrays)), run(strided), strict=True):
        np.testing.assert_array_equal(one, other)


def test_is_causal_is_the_causal_mask() -> None:
    query, key, value = (tensor(each) for each in rng.normal(size=(3, 2, 5, 4)))
    mask = tensor(np.tril(np.ones((5, 5), bool)))
    out = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    expected = F.scaled_dot_product_attention(query, key, value, mask)
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-14)


def test_a_query_that_may_see_no_key_gives_zeros_and_sends_no_gradient() -> None:
    inputs = [tensor(each, requires_grad=True) for each in rng.normal(size=(3, 2, 4))]
    mask = tensor(np.array([[False, False], [True, True]]))
    F.scaled_dot_product_attention(*inputs, mask).sum().backward()
    assert inputs[0].grad.numpy()[0].tolist() == [0, 0, 0, 0]
    assert F.scaled_dot_product_attention(*inputs, mask)[0].tolist() == [0, 0, 0, 0]
    assert all(np.isfinite(each.grad.numpy()).all() for each in inputs)


def test_masks_of_the_wrong_shape_are_refused_even_where_a_part_of_them_would_fit() -> None:
    inputs = [tensor(each) for each in rng.normal(size=(3, 2, 4))]
    with pytest.raises(RuntimeError, match=r"\(5, 2\) does not broadcast"):
        F.scaled_dot_product_attention(*inputs, tensor(np.ones((5, 2), bool)))


def test_half_precision_is_computed_in_single() -> None:
    arrays = rng.normal(size=(3, 2, 5, 4)).astype(np.float16)
    out = F.scaled_dot_product_attention(*(tensor(each) for each in arrays))
    wide = F.scaled_dot_product_attention(*(tensor(each.astype(np.float32)) for each in arrays))
    assert out.dtype == np.float16
    np.testing.assert_array_equal(out.numpy(), wide.numpy().astype(np.float16))


@pytest.mark.parametrize("mask", [None, rng.normal(size=(5, 5)), rng.normal(size=(6, 5, 5))])
@pytest.mark.parametrize("need_weights", [True, False])
def test_self_attention_is_attention_to_a_copy_of_oneself(mask: Any, need_weights: bool) -> None:
    module = nn.MultiheadAttention(6, 3, dtype="float64")
    x = rng.normal(size=(5, 2, 6))
    mask = None if mask is None else tensor(mask)
    options = {"attn_mask": mask, "need_weights": need_weights}
    one = tensor(x, requires_grad=True)
    apart = [tensor(x, requires_grad=True) for _ in range(3)]
    outs = module(one, one, one, **options)[0], module(*apart, **options)[0]
    np.testing.assert_allclose(*(out.detach().numpy() for out in outs), rtol=1e-12)
    whole, *parts = grad(outs[0].square().sum(), [one]) + grad(outs[1].square().sum(), apart)
    total = parts[0].numpy() + parts[1].numpy() + parts[2].numpy()
    np.testing.assert_allclose(whole.numpy(), total, rtol=1e-11, atol=1e-12)


def test_attention_gives_pytorchs_numbers() -> None:
    """From nn.MultiheadAttention(4, 2) of PyTorch 2.13, seed 0, on (arange(12) / 10) (3, 1, 4)."""
    random.manual_seed(0)
    module = nn.MultiheadAttention(4, 2)
    x = tensor(np.arange(12, dtype=np.float32).reshape(3, 1, 4) / np.float32(10))
    out, weights = module(x, x, x)
    expected = [
        -0.31562427, -0.03876770, -0.13735814, 0.13486773, -0.31237724, -0.05003116,
        -0.13803658, 0.14168166, -0.30930185, -0.06107959, -0.13874747, 0.14838137,
    ]  # fmt: skip
    np.testing.assert_allclose(out.detach().numpy().ravel(), expected, rtol=2e-6)
    expected = [
        0.33550149, 0.33303577, 0.33146274, 0.34361750, 0.33025831, 0.32612425,
        0.35277939, 0.32467127, 0.32254931,
    ]  # fmt: skip
    np.testing.assert_allclose(weights.detach().numpy().ravel(), expected, rtol=2e-6)
    out.sum().backward()
    np.testing.assert_allclose(
        module.in_proj_weight.grad.numpy().sum(axis=1)[8:],
        [-5.0571456, 1.4323539, -4.6676636, -0.30743614],
        rtol=2e-6,
    )
