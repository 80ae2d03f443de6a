"""Attention against PyTorch's: values, gradients, masks, weights, initial values, errors."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import tensor
from dtrain.nn import functional as F

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

rng = np.random.default_rng(31)
DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}  # of the greatest number
LATER = np.triu(np.full((4, 4), -np.inf), 1)  # a causal mask for four


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


def both(value: Any, dtype: str, requires_grad: bool = True) -> tuple[Any, Any]:
    """An array as a tensor of each library; floats are cast and may require a gradient."""
    if value is None:
        return None, None
    if value.dtype.kind == "f":
        value = value.astype(dtype)
        return (
            tensor(value, requires_grad=requires_grad),
            torch.tensor(value, requires_grad=requires_grad),
        )
    return tensor(value), torch.tensor(value)


def same(mine: Any, other: Any, dtype: str) -> None:
    assert str(mine.dtype).removeprefix("torch.") == str(other.dtype).removeprefix("torch.")
    expected = other.detach().numpy()
    atol = TOLERANCE[dtype] * (np.abs(expected[np.isfinite(expected)]).max(initial=0) + 1)
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=0, atol=atol)


def pull(mine: Any, other: Any) -> None:
    """Backward in both, from one random gradient."""
    seed = (
        np.random.default_rng(5).normal(size=tuple(other.shape)).astype(mine.detach().numpy().dtype)
    )
    mine.backward(tensor(seed))
    other.backward(torch.tensor(seed))


SEEN = np.array([[True, False, True], [False, False, False]])  # the second query sees no key
PRODUCTS: dict[str, Any] = {  # query, key, value, mask, options
    "two dimensions": ((2, 3), (4, 3), (4, 5), None, {}),
    "heads": ((2, 3, 2, 4), (2, 3, 3, 4), (2, 3, 3, 4), None, {}),
    "five dimensions": ((1, 2, 3, 2, 4), (1, 2, 3, 3, 4), (1, 2, 3, 3, 4), None, {}),
    "a scale": ((2, 2, 4), (2, 3, 4), (2, 3, 4), None, {"scale": -0.3}),
    "causal": ((2, 4, 3), (2, 4, 3), (2, 4, 3), None, {"is_causal": True}),
    "causal, more keys": ((2, 2, 3), (2, 4, 3), (2, 4, 3), None, {"is_causal": True}),
    "causal, more queries": ((2, 4, 3), (2, 2, 3), (2, 2, 3), None, {"is_causal": True}),
    "a bool mask": ((2, 1, 2, 4), (2, 1, 3, 4), (2, 1, 3, 4), SEEN, {}),
    "a mask by batch": ((2, 3, 2, 4), (2, 3, 3, 4), (2, 3, 3, 4), normal(2, 1, 1, 3), {}),
    "a float mask": ((2, 3, 2, 4), (2, 3, 3, 4), (2, 3, 3, 4), normal(3, 2, 3), {}),
    "a mask by key": ((2, 4), (3, 4), (3, 4), normal(3), {}),
    "a mask with -inf": ((2, 4, 4), (2, 4, 4), (2, 4, 4), LATER, {}),
    "causal and a mask": ((1, 2, 2, 4), (1, 2, 3, 4), (1, 2, 3, 4), SEEN, {"is_causal": True}),
    "broadcast batch": ((2, 3, 2, 4), (1, 3, 3, 4), (3, 3, 4), None, {}),
    "grouped heads": ((2, 4, 2, 3), (2, 2, 3, 3), (2, 1, 3, 3), None, {"enable_gqa": True}),
    "no queries": ((2, 0, 3), (2, 4, 3), (2, 4, 3), None, {}),
    "no keys": ((2, 2, 3), (2, 0, 3), (2, 0, 3), None, {}),
    "no batch": ((0, 2, 3), (0, 2, 3), (0, 2, 3), None, {}),
    "no width": ((2, 2, 0), (2, 3, 0), (2, 3, 2), None, {}),
    "dropout": ((2, 3, 2, 4), (2, 3, 3, 4), (2, 3, 3, 4), None, {"dropout_p": 0.4}),
    "nothing left": ((2, 2, 4), (2, 3, 4), (2, 3, 4), None, {"dropout_p": 1.0}),
    "many tiles": ((3, 300, 4), (3, 520, 4), (3, 520, 4), normal(300, 520), {}),
    "many causal tiles": ((2, 300, 4), (2, 270, 4), (2, 270, 4), None, {"is_causal": True}),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", PRODUCTS)
def test_scaled_dot_products(case: str, dtype: str) -> None:
    *shapes, mask, options = PRODUCTS[case]
    inputs = [both(normal(*shape), dtype) for shape in shapes] + [both(mask, dtype)]
    random.manual_seed(3)
    torch.manual_seed(3)
    out = F.scaled_dot_product_attention(*(each[0] for each in inputs), **options)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *(each[1] for each in inputs), **options
    )
    same(out, expected, dtype)
    pull(out, expected)
    for mine, other in inputs:
        if other is not None and other.requires_grad and other.grad is not None:
            same(mine.grad, other.grad, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaled_dot_products_of_transposed_heads(dtype: str) -> None:
    pairs = [both(normal(4, 2, 6), dtype) for _ in range(3)]

    def heads(x: Any) -> Any:
        return x.reshape(4, 2, 3, 2).permute(1, 2, 0, 3)

    out = F.scaled_dot_product_attention(*(heads(mine) for mine, _ in pairs))
    expected = torch.nn.functional.scaled_dot_product_attention(
        *(heads(other) for _, other in pairs)
    )
    pull(out, expected)
    for mine, other in pairs:
        same(mine.grad, other.grad, dtype)


def zeros(lib: Any, *shape: int, dtype: str = "float32") -> Any:
    array = np.zeros(shape, dtype)
    return tensor(array) if lib is nn else torch.tensor(array)


def product(lib: Any, *args: Any, **options: Any) -> Any:
    return lib.functional.scaled_dot_product_attention(*args, **options)


WRONG: dict[str, Callable[[Any], Any]] = {
    "one dimension": lambda lib: product(lib, *(zeros(lib, 3) for _ in range(3))),
    "integers": lambda lib: product(lib, *(zeros(lib, 2, 3, dtype="int64") for _ in range(3))),
    "dtypes": lambda lib: product(
        lib, zeros(lib, 2, 3), zeros(lib, 2, 3, dtype="float64"), zeros(lib, 2, 3)
    ),
    "widths": lambda lib: product(lib, zeros(lib, 2, 3), zeros(lib, 2, 4), zeros(lib, 2, 3)),
    "batches": lambda lib: product(
        lib, zeros(lib, 2, 2, 3), zeros(lib, 3, 2, 3), zeros(lib, 3, 2, 3)
    ),
    "mask": lambda lib: product(lib, *(zeros(lib, 2, 3) for _ in range(3)), zeros(lib, 5, 2)),
    "mask of a dtype": lambda lib: product(
        lib, *(zeros(lib, 2, 3) for _ in range(3)), zeros(lib, 2, 2, dtype="int64")
    ),
    "mask of too many": lambda lib: product(
        lib, *(zeros(lib, 2, 3) for _ in range(3)), zeros(lib, 5, 2, 2)
    ),
    "probability": lambda lib: product(lib, *(zeros(lib, 2, 3) for _ in range(3)), dropout_p=1.5),
    "heads": lambda lib: product(lib, zeros(lib, 3, 2, 4), *(zeros(lib, 2, 2, 4) for _ in "kv")),
    "groups": lambda lib: product(
        lib, zeros(lib, 3, 2, 4), *(zeros(lib, 2, 2, 4) for _ in "kv"), enable_gqa=True
    ),
    "no heads": lambda lib: product(lib, *(zeros(lib, 2, 4) for _ in "qkv"), enable_gqa=True),
}


def kind_of_error(call: Callable[[], Any]) -> type[BaseException]:
    with pytest.raises(Exception) as caught:  # noqa: PT011  which class is the question
        call()
    return caught.type


@pytest.mark.parametrize("case", WRONG)
def test_wrong_products_raise_the_same_class(case: str) -> None:
    assert kind_of_error(lambda: WRONG[case](nn)) is kind_of_error(lambda: WRONG[case](torch.nn))


# nn.MultiheadAttention

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch first": {"batch_first": True},
    "no bias": {"bias": False},
    "more keys": {"add_bias_kv": True},
    "zero attention": {"add_zero_attn": True},
    "both": {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    "other widths": {"kdim": 3, "vdim": 5},
    "other widths, no bias": {"kdim": 6, "vdim": 2, "bias": False, "batch_first": True},
    "dropout": {"dropout": 0.3},
}


def modules(dtype: str, **options: Any) -> tuple[Any, Any]:
    """One module of each library, from one seed."""
    random.manual_seed(7)
    torch.manual_seed(7)
    ours = nn.MultiheadAttention(6, 2, **options, dtype=dtype)
    return ours, torch.nn.MultiheadAttention(6, 2, **options, dtype=getattr(torch, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", OPTIONS)
def test_multihead_attention_starts_from_the_same_weights(case: str, dtype: str) -> None:
    ours, theirs = modules(dtype, **OPTIONS[case])
    assert repr(ours) == repr(theirs)
    for mine, other in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert mine[0] == other[0]
        if mine[0] in ("bias_k", "bias_v"):  # normal draws: a logarithm and a cosine are in them
            np.testing.assert_allclose(mine[1].numpy(), other[1].numpy(), rtol=1e-5)
        else:
            np.testing.assert_array_equal(mine[1].numpy(), other[1].numpy())


def loaded(ours: Any, theirs: Any) -> None:
    """Both with the same random parameters, biases too."""
    for name, parameter in theirs.named_parameters():
        value = np.random.default_rng(len(name)).normal(size=tuple(parameter.shape))
        parameter.data.copy_(torch.tensor(value))
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})


def compare(ours: Any, theirs: Any, inputs: list[Any], dtype: str, **options: Any) -> None:
    """Outputs, weights and all gradients. Inputs that are one array become one tensor."""
    tensors = {id(each): both(each, dtype) for each in inputs}
    pairs = [tensors[id(each)] for each in inputs]
    masks = {
        name: both(value, dtype) if isinstance(value, np.ndarray) else (value, value)
        for name, value in options.items()
    }
    random.manual_seed(4)
    torch.manual_seed(4)
    out, weights = ours(*(p[0] for p in pairs), **{name: m[0] for name, m in masks.items()})
    expected, told = theirs(*(p[1] for p in pairs), **{name: m[1] for name, m in masks.items()})
    same(out, expected, dtype)
    assert (weights is None) == (told is None)
    if told is not None:
        same(weights, told, dtype)
        out, expected = (out * out).sum() + weights.sum(), (expected * expected).sum() + told.sum()
    pull(out, expected)
    given = [pair for pair in (*pairs, *masks.values()) if isinstance(pair[1], torch.Tensor)]
    for mine, other in (*given, *zip(ours.parameters(), theirs.parameters(), strict=True)):
        if other.grad is not None:
            same(mine.grad, other.grad, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("case", OPTIONS)
def test_multihead_attention_across(case: str, need_weights: bool, dtype: str) -> None:
    ours, theirs = modules(dtype, **OPTIONS[case])
    loaded(ours, theirs)
    options = OPTIONS[case]
    inputs = [normal(3, 2, 6), normal(5, 2, ours.kdim), normal(5, 2, ours.vdim)]
    if options.get("batch_first"):
        inputs = [each.transpose(1, 0, 2) for each in inputs]
    compare(ours, theirs, inputs, dtype, need_weights=need_weights)


PADDING = np.array([[False, False, False, True], [False, False, True, True]])
MASKS: dict[str, dict[str, Any]] = {
    "none": {},
    "bool": {"attn_mask": LATER < 0},
    "float": {"attn_mask": LATER},
    "any float": {"attn_mask": normal(4, 4)},
    "by head": {"attn_mask": normal(4, 4, 4)},
    "padding": {"key_padding_mask": PADDING},
    "float padding": {"key_padding_mask": normal(2, 4)},
    "both": {"attn_mask": LATER < 0, "key_padding_mask": PADDING},
    "causal": {"attn_mask": LATER < 0, "is_causal": True},
    "causal and padding": {
        "attn_mask": LATER < 0,
        "key_padding_mask": PADDING,
        "is_causal": True,
    },
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    ("case", "masks"),
    [
        *(("plain", masks) for masks in MASKS),
        ("dropout", "padding"),
        *(("both", masks) for masks in MASKS),
    ],
)
def test_multihead_attention_of_one_sequence_to_itself(
    case: str, masks: str, need_weights: bool, dtype: str
) -> None:
    ours, theirs = modules(dtype, **OPTIONS[case])
    loaded(ours, theirs)
    x = normal(2, 4, 6) if ours.batch_first else normal(4, 2, 6)
    options = {**MASKS[masks], "need_weights": need_weights, "average_attn_weights": case == "both"}
    compare(ours, theirs, [x, x, x], dtype, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("average", [True, False])
def test_multihead_attention_unbatched(average: bool, need_weights: bool, dtype: str) -> None:
    ours, theirs = modules(dtype, batch_first=True)
    loaded(ours, theirs)
    options = {"need_weights": need_weights, "average_attn_weights": average}
    x, y = normal(4, 6), normal(3, 6)
    compare(ours, theirs, [x, y, y], dtype, key_padding_mask=PADDING[0, 1:], **options)
    compare(ours, theirs, [x, x, x], dtype, attn_mask=normal(2, 4, 4), **options)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_sees_no_key(need_weights: bool, training: bool) -> None:
    ours, theirs = modules("float64")
    x = normal(2, 1, 6)
    mask = np.array([[True, True], [False, True]])
    mine = ours.train(training)(*[tensor(x)] * 3, attn_mask=tensor(mask), need_weights=need_weights)
    other = theirs.train(training)(
        *[torch.tensor(x)] * 3, attn_mask=torch.tensor(mask), need_weights=need_weights
    )
    np.testing.assert_allclose(mine[0].detach().numpy(), other[0].detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_evaluation_nothing_is_dropped(dtype: str) -> None:
    ours, theirs = modules(dtype, dropout=0.5, batch_first=True)
    x = normal(2, 4, 6).astype(dtype)
    with torch.no_grad():
        expected = theirs.eval()(*[torch.tensor(x)] * 3)
    for mine, other in zip(ours.eval()(*[tensor(x)] * 3), expected, strict=True):
        same(mine, other, dtype)


def test_masks_of_two_kinds_are_warned_of() -> None:
    for lib in (nn, torch.nn):
        module = lib.MultiheadAttention(4, 2)
        x = zeros(lib, 2, 1, 4)
        with pytest.warns(UserWarning, match="Support for mismatched key_padding_mask"):
            module(x, x, x, key_padding_mask=zeros(lib, 1, 2), attn_mask=zeros(lib, 2, 2) > 0)


def attend(lib: Any, *shapes: tuple[int, ...], dtype: str = "float32", **options: Any) -> Any:
    """A call of a module of width 4 with 2 heads, with zeros."""
    masks = {
        name: zeros(lib, *value[0], dtype=value[1]) if isinstance(value, tuple) else value
        for name, value in options.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        query, *rest = (zeros(lib, *shape, dtype=dtype) for shape in shapes)
        key, value = rest or (query, query)
        return lib.MultiheadAttention(4, 2)(query, key, value, **masks)


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "no width": lambda lib: lib.MultiheadAttention(0, 2),
    "no heads": lambda lib: lib.MultiheadAttention(4, 0),
    "heads": lambda lib: lib.MultiheadAttention(5, 2),
    "causal without a mask": lambda lib: attend(lib, (3, 1, 4), is_causal=True),
    "integer mask": lambda lib: attend(lib, (3, 1, 4), attn_mask=((3, 3), "int64")),
    "2D mask": lambda lib: attend(lib, (3, 1, 4), attn_mask=((2, 3), "bool")),
    "3D mask": lambda lib: attend(lib, (3, 1, 4), attn_mask=((1, 3, 3), "bool")),
    "1D mask": lambda lib: attend(lib, (3, 1, 4), attn_mask=((3,), "bool")),
    "3D mask unbatched": lambda lib: attend(lib, (3, 4), attn_mask=((1, 3, 3), "bool")),
    "mask of a dtype": lambda lib: attend(lib, (3, 1, 4), attn_mask=((3, 3), "float64")),
    "mask of a dtype, no weights": lambda lib: attend(
        lib, (3, 1, 4), attn_mask=((3, 3), "float64"), need_weights=False
    ),
    "padding batch": lambda lib: attend(lib, (3, 1, 4), key_padding_mask=((2, 3), "bool")),
    "padding length": lambda lib: attend(lib, (3, 1, 4), key_padding_mask=((1, 2), "bool")),
    "padding dimensions": lambda lib: attend(lib, (3, 1, 4), key_padding_mask=((3,), "bool")),
    "key and value": lambda lib: attend(lib, (3, 1, 4), (3, 1, 4), (2, 1, 4)),
    "query's width": lambda lib: attend(lib, (3, 1, 2)),
    "key's width": lambda lib: attend(lib, (3, 1, 4), (3, 1, 2), (3, 1, 2)),
    "four dimensions": lambda lib: attend(lib, (1, 3, 1, 4)),
    "unbatched with batched": lambda lib: attend(lib, (3, 4), (3, 1, 4), (3, 1, 4)),
    "batched with unbatched": lambda lib: attend(lib, (3, 1, 4), (3, 4), (3, 4)),
    "batches": lambda lib: attend(lib, (3, 1, 4), (3, 2, 4), (3, 2, 4)),
    "dtype": lambda lib: attend(lib, (3, 1, 4), dtype="float64"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_wrong_calls_raise_the_same_class(case: str) -> None:
    ours, theirs = (kind_of_error(lambda lib=lib: MISTAKES[case](lib)) for lib in (nn, torch.nn))
    assert ours is theirs


@pytest.mark.parametrize("weights", [True, False])
def test_static_keys_and_values(weights: bool) -> None:
    static = [normal(4, 5, 3) for _ in "kv"]
    x, w, b, out = normal(3, 2, 6), normal(18, 6), normal(18), normal(6, 6)

    def call(lib: Any, make: Any) -> Any:
        arrays = (make(x), make(x), make(x)), (make(w), make(b)), make(out)
        return lib.functional.multi_head_attention_forward(
            *arrays[0], 6, 2, *arrays[1], None, None, False, 0.0, arrays[2], None,
            static_k=make(static[0]), static_v=make(static[1]), need_weights=weights,
        )  # fmt: skip

    for mine, other in zip(call(nn, tensor), call(torch.nn, torch.tensor), strict=True):
        if other is not None:
            same(mine, other, "float64")
