"""Transformers: what their masks mean, and what a stack of copies is."""

from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import no_grad, tensor

rng = np.random.default_rng(43)


def made(kind: type[nn.Module], *args: Any, **options: Any) -> Any:
    random.manual_seed(0)
    return kind(*args, **{"dropout": 0.0, **options})


def test_a_layer_gives_pytorchs_numbers() -> None:
    """From PyTorch 2.13: TransformerEncoderLayer(4, 2, 3, dropout=0.0), seed 0."""
    layer = made(nn.TransformerEncoderLayer, 4, 2, 3)
    x = tensor(np.arange(12, dtype=np.float32).reshape(3, 1, 4) / np.float32(10))
    expected = [
        -1.6027442, 0.1268497, 0.3342453, 1.1416492, -1.5884407, 0.0893276,
        0.3341238, 1.1649894, -1.5737753, 0.0528646, 0.3339496, 1.1869609,
    ]  # fmt: skip
    np.testing.assert_allclose(layer(x).detach().numpy().ravel(), expected, rtol=0, atol=2e-6)


def test_a_transformer_gives_pytorchs_numbers() -> None:
    """From PyTorch 2.13: Transformer(4, 2, 1, 1, 3, dropout=0.0), seed 0."""
    model = made(nn.Transformer, 4, 2, 1, 1, 3)
    x = tensor(np.arange(12, dtype=np.float32).reshape(3, 1, 4) / np.float32(10))
    expected = [
        0.0944656, 0.3348576, -1.5906608, 1.1613376, 0.0937736, 0.3335944, -1.5900123, 1.1626444,
    ]  # fmt: skip
    np.testing.assert_allclose(model(x, x[:2]).detach().numpy().ravel(), expected, atol=2e-6)


def test_under_a_causal_mask_the_future_changes_nothing() -> None:
    stack = nn.TransformerEncoder(made(nn.TransformerEncoderLayer, 6, 2, 8, batch_first=True), 2)
    x = rng.normal(size=(1, 5, 6)).astype(np.float32)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    changed = x.copy()
    changed[:, 3:] += 1
    before, after = (stack(tensor(each), mask).detach().numpy() for each in (x, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] != after[:, 3:]).all()


def test_padding_changes_nothing() -> None:
    model = made(nn.Transformer, 6, 2, 1, 1, 8, batch_first=True)
    src, tgt = (rng.normal(size=(1, 5, 6)).astype(np.float32) for _ in range(2))
    padding = tensor(np.array([[False, False, False, True, True]]))
    masks = {"src_key_padding_mask": padding, "memory_key_padding_mask": padding}
    before = model(tensor(src), tensor(tgt), **masks)
    src[:, 3:] = 7
    after = model(tensor(src), tensor(tgt), **masks)
    np.testing.assert_array_equal(before.detach().numpy(), after.detach().numpy())


def test_the_layers_of_a_stack_start_equal_and_go_their_own_ways() -> None:
    layer = made(nn.TransformerEncoderLayer, 4, 2, 8)
    stack = nn.TransformerEncoder(layer, 2)
    first, second = stack.layers
    assert first.linear1.weight is not second.linear1.weight
    np.testing.assert_array_equal(*(each.linear1.weight.detach().numpy() for each in stack.layers))
    with no_grad():
        first.linear1.weight._array[...] = 0
    assert second.linear1.weight.detach().numpy().all()
    assert layer.linear1.weight.detach().numpy().all()


@pytest.mark.parametrize("training", [True, False])
def test_an_encoder_in_evaluation_gives_zeros_for_padding(training: bool) -> None:
    layer = made(nn.TransformerEncoderLayer, 6, 2, 8, batch_first=True)
    stack = nn.TransformerEncoder(layer, 1).train(training)
    padding = tensor(np.array([[False, False, True]]))
    with no_grad():
        out = stack(tensor(np.ones((1, 3, 6), np.float32)), src_key_padding_mask=padding)
    assert (out.numpy()[0, 2] == 0).all() == (not training)
    assert out.numpy()[0, 1].any()


def test_a_model_of_transformers_can_be_copied_and_loaded() -> None:
    one, other = (made(nn.Transformer, 4, 2, 1, 1, 8) for _ in range(2))
    for parameter in other.parameters():
        with no_grad():
            parameter._array[...] += 1
    other.load_state_dict(one.state_dict())
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), theirs.detach().numpy())


def test_an_unknown_activation_is_named() -> None:
    with pytest.raises(RuntimeError, match="relu/gelu, not tanh"):
        nn.TransformerEncoderLayer(4, 2, activation="tanh")


def test_batches_that_differ_are_refused() -> None:
    model = made(nn.Transformer, 4, 2, 1, 1, 8)
    with pytest.raises(RuntimeError, match="batch number of src and tgt"):
        model(tensor(np.zeros((3, 2, 4))), tensor(np.zeros((3, 1, 4))))
