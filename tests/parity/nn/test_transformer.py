"""Transformers against PyTorch's: initial values, keys, printing, values, gradients, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dtrain import nn, random
from dtrain.autograd import no_grad, tensor
from dtrain.nn import functional as F

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

pytestmark = pytest.mark.filterwarnings(  # PyTorch's advice on its nested tensors
    "ignore:enable_nested_tensor is True", "ignore:The PyTorch API of nested tensors"
)

rng = np.random.default_rng(37)
DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # of the greatest number
LATER = np.triu(np.full((4, 4), -np.inf), 1)
PADDING = np.array([[False, False, False, True], [False, False, True, True]])


def normal(*shape: int) -> Any:
    return rng.normal(size=shape)


def encoder_layer(lib: Any, **options: Any) -> Any:
    return lib.TransformerEncoderLayer(6, 2, 8, **{"dropout": 0.0, **options})


def decoder_layer(lib: Any, **options: Any) -> Any:
    return lib.TransformerDecoderLayer(6, 2, 8, **{"dropout": 0.0, **options})


def encoder(lib: Any, norm: bool = False, nested: bool = True, **options: Any) -> Any:
    last = lib.LayerNorm(6, dtype=options.get("dtype")) if norm else None
    layer = encoder_layer(lib, **options)
    return lib.TransformerEncoder(layer, 2, norm=last, enable_nested_tensor=nested)


def decoder(lib: Any, norm: bool = False, **options: Any) -> Any:
    last = lib.LayerNorm(6, dtype=options.get("dtype")) if norm else None
    return lib.TransformerDecoder(decoder_layer(lib, **options), 2, norm=last)


def transformer(lib: Any, **options: Any) -> Any:
    return lib.Transformer(6, 2, 2, 1, 8, **{"dropout": 0.0, **options})


MADE: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "encoder layer": (encoder_layer, {}),
    "encoder layer, gelu": (encoder_layer, {"activation": "gelu", "norm_first": True}),
    "encoder layer, no bias": (encoder_layer, {"bias": False, "layer_norm_eps": 1e-3}),
    "encoder layer, batch first": (encoder_layer, {"batch_first": True, "activation": "relu"}),
    "encoder layer, dropout": (encoder_layer, {"dropout": 0.3}),
    "encoder layer, batch first, dropout": (encoder_layer, {"dropout": 0.3, "batch_first": True}),
    "decoder layer": (decoder_layer, {}),
    "decoder layer, norm first": (decoder_layer, {"norm_first": True, "activation": "gelu"}),
    "decoder layer, batch first": (decoder_layer, {"batch_first": True, "bias": False}),
    "decoder layer, dropout": (decoder_layer, {"dropout": 0.3}),
    "encoder": (encoder, {"batch_first": True}),
    "encoder, norm": (encoder, {"norm": True, "norm_first": True}),
    "decoder": (decoder, {"batch_first": True}),
    "decoder, norm": (decoder, {"norm": True}),
    "transformer": (transformer, {}),
    "transformer, batch first": (transformer, {"batch_first": True, "norm_first": True}),
    "transformer, dropout": (transformer, {"dropout": 0.2}),
}


def modules(case: str, dtype: str) -> tuple[Any, Any]:
    """The module of each library, from one seed."""
    make, options = MADE[case]
    random.manual_seed(2)
    torch.manual_seed(2)
    theirs = make(torch.nn, **options, dtype=getattr(torch, dtype))
    return make(nn, **options, dtype=dtype), theirs


def same(mine: Any, other: Any, dtype: str) -> None:
    expected = other.detach().numpy()
    atol = TOLERANCE[dtype] * (np.abs(expected).max(initial=0) + 1)
    np.testing.assert_allclose(mine.detach().numpy(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", MADE)
def test_it_starts_from_the_same_weights_and_prints_the_same(case: str, dtype: str) -> None:
    ours, theirs = modules(case, dtype)
    assert repr(ours) == repr(theirs)
    for mine, other in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert mine[0] == other[0]
        np.testing.assert_array_equal(mine[1].numpy(), other[1].numpy())


def run(module: Any, case: str, make: Callable[[Any], Any], masks: dict[str, Any]) -> list[Any]:
    """The output, and the inputs that it was computed from."""
    shape = (2, 4, 6) if MADE[case][1].get("batch_first") else (4, 2, 6)
    values = np.random.default_rng(8).normal(size=(2, *shape))
    inputs = [make(values[at]) for at in range(1 if "encoder" in case else 2)]
    return [module(*inputs, **{name: make(mask) for name, mask in masks.items()}), *inputs]


def compare(case: str, dtype: str, masks: dict[str, Any]) -> None:
    """Outputs and all gradients, in training."""
    ours, theirs = modules(case, dtype)

    def mine(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        is_float = value.dtype.kind == "f"
        return tensor(value.astype(dtype) if is_float else value, requires_grad=is_float)

    def other(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        is_float = value.dtype.kind == "f"
        return torch.tensor(value.astype(dtype) if is_float else value, requires_grad=is_float)

    random.manual_seed(4)
    torch.manual_seed(4)
    out, *inputs = run(ours, case, mine, masks)
    expected, *theirs_in = run(theirs, case, other, masks)
    same(out, expected, dtype)
    (out * out * out).sum().backward()  # a sum of squares of a LayerNorm has hardly a gradient
    (expected * expected * expected).sum().backward()
    pairs = zip([*inputs, *ours.parameters()], [*theirs_in, *theirs.parameters()], strict=True)
    for one, two in pairs:
        same(one.grad, two.grad, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", MADE)
def test_training(case: str, dtype: str) -> None:
    compare(case, dtype, {})


MASKED: list[tuple[str, dict[str, Any]]] = [
    ("encoder layer", {"src_mask": LATER}),
    ("encoder layer, gelu", {"src_mask": LATER < 0, "src_key_padding_mask": PADDING}),
    ("encoder layer, batch first", {"src_key_padding_mask": PADDING}),
    ("encoder layer, batch first", {"src_mask": LATER < 0, "is_causal": True}),
    ("decoder layer", {"tgt_mask": LATER < 0, "memory_mask": normal(4, 4)}),
    (
        "decoder layer, batch first",
        {
            "tgt_key_padding_mask": PADDING,
            "memory_key_padding_mask": PADDING,
            "tgt_mask": LATER < 0,
            "tgt_is_causal": True,
        },
    ),
    ("encoder", {"mask": LATER}),
    ("encoder", {"mask": LATER, "is_causal": True}),
    ("encoder", {"src_key_padding_mask": PADDING}),
    ("encoder, norm", {"mask": LATER < 0, "src_key_padding_mask": PADDING}),
    ("decoder", {"tgt_mask": LATER, "memory_key_padding_mask": PADDING}),
    ("transformer", {"src_mask": LATER, "tgt_mask": LATER, "memory_mask": LATER}),
    (
        "transformer, batch first",
        {
            "tgt_mask": LATER,
            "tgt_is_causal": True,
            "src_key_padding_mask": PADDING,
            "memory_key_padding_mask": PADDING,
        },
    ),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("at", range(len(MASKED)))
def test_training_with_masks(at: int, dtype: str) -> None:
    case, masks = MASKED[at]
    compare(case, dtype, masks)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("masks", [{}, {"src_key_padding_mask": PADDING}, {"mask": LATER}])
@pytest.mark.parametrize(
    "options", [{}, {"batch_first": True}, {"batch_first": True, "norm": True}]
)
def test_evaluation_of_an_encoder(options: Any, masks: Any, grad: bool) -> None:
    """Without gradients PyTorch leaves padding at the end out, and has zeros there."""
    random.manual_seed(2)
    torch.manual_seed(2)
    ours = encoder(nn, dropout=0.5, dtype="float64", **options).eval()
    theirs = encoder(torch.nn, dropout=0.5, dtype=torch.float64, **options).eval()
    x = normal(2, 4, 6) if options else normal(4, 2, 6)
    with torch.set_grad_enabled(grad):
        expected = theirs(
            torch.tensor(x), **{name: torch.tensor(mask) for name, mask in masks.items()}
        )
    given = {name: tensor(mask) for name, mask in masks.items()}
    if grad:
        out = ours(tensor(x), **given)
    else:
        with no_grad():
            out = ours(tensor(x), **given)
    same(out, expected, "float64")


@pytest.mark.parametrize("hidden", [PADDING, PADDING[:, ::-1].copy()], ids=["end", "start"])
@pytest.mark.parametrize("nested", [True, False])
def test_only_padding_at_the_end_is_left_out(nested: bool, hidden: Any) -> None:
    random.manual_seed(2)
    torch.manual_seed(2)
    options: Any = {"nested": nested, "batch_first": True}
    ours = encoder(nn, dtype="float64", **options).eval().requires_grad_(False)
    theirs = encoder(torch.nn, dtype=torch.float64, **options).eval().requires_grad_(False)
    x = normal(2, 4, 6)
    expected = theirs(torch.tensor(x), src_key_padding_mask=torch.tensor(hidden))
    same(ours(tensor(x), src_key_padding_mask=tensor(hidden)), expected, "float64")


@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sequence_alone(batch_first: bool) -> None:
    random.manual_seed(2)
    torch.manual_seed(2)
    ours = transformer(nn, dtype="float64", batch_first=batch_first)
    theirs = transformer(torch.nn, dtype=torch.float64, batch_first=batch_first)
    src, tgt = normal(5, 6), normal(3, 6)
    out = ours(tensor(src), tensor(tgt), tgt_mask=nn.Transformer.generate_square_subsequent_mask(3))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(3)
    same(out, theirs(torch.tensor(src), torch.tensor(tgt), tgt_mask=mask), "float64")


@pytest.mark.parametrize("size", [0, 1, 4])
def test_the_causal_mask(size: int) -> None:
    ours = nn.Transformer.generate_square_subsequent_mask(size)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(size)
    assert str(ours.dtype) == str(theirs.dtype)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("name", ["tanh", "GELU"])
def test_an_activation_of_ones_own(name: str) -> None:
    random.manual_seed(2)
    torch.manual_seed(2)
    given = (F.tanh, torch.tanh) if name == "tanh" else (nn.GELU(), torch.nn.GELU())
    ours = encoder_layer(nn, activation=given[0], dtype="float64")
    theirs = encoder_layer(torch.nn, activation=given[1], dtype=torch.float64)
    assert repr(ours) == repr(theirs)
    x = normal(4, 2, 6)
    same(ours(tensor(x)), theirs(torch.tensor(x)), "float64")


def test_custom_encoders_and_decoders_are_taken_as_they_are() -> None:
    def made(lib: Any) -> Any:
        kind = lib.Transformer(
            6, 2, custom_encoder=encoder(lib), custom_decoder=decoder(lib, norm=True)
        )
        return [name for name, _ in kind.named_parameters()]

    assert made(nn) == made(torch.nn)


def zeros(lib: Any, *shape: int) -> Any:
    array = np.zeros(shape, np.float32)
    return tensor(array) if lib is nn else torch.tensor(array)


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "activation": lambda lib: encoder_layer(lib, activation="tanh"),
    "decoder activation": lambda lib: decoder_layer(lib, activation="tanh"),
    "heads": lambda lib: lib.TransformerEncoderLayer(5, 2),
    "batches": lambda lib: transformer(lib)(zeros(lib, 3, 2, 6), zeros(lib, 3, 1, 6)),
    "width": lambda lib: transformer(lib)(zeros(lib, 3, 2, 6), zeros(lib, 3, 2, 5)),
    "causal without a mask": lambda lib: encoder(lib)(zeros(lib, 3, 2, 6), is_causal=True),
    "dropout": lambda lib: encoder_layer(lib, dropout=-0.1),
}


def kind_of_error(call: Callable[[], Any]) -> type[BaseException]:
    with pytest.raises(Exception) as caught:  # noqa: PT011  which class is the question
        call()
    return caught.type


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_raise_the_same_class(case: str) -> None:
    ours, theirs = (kind_of_error(lambda lib=lib: MISTAKES[case](lib)) for lib in (nn, torch.nn))
    assert ours is theirs


def test_masks_of_two_kinds_are_warned_of() -> None:
    for lib in (nn, torch.nn):
        mask = zeros(lib, 3, 3) > 0
        with pytest.warns(UserWarning, match="mismatched src_key_padding_mask and src_mask"):
            encoder_layer(lib)(zeros(lib, 3, 1, 6), mask, zeros(lib, 1, 3))
