"""Samples of what PyTorch's databases have no entry for: names, and calls of them.

A name is one that both libraries have; `Tensor.x` is a method, which is called on a copy. A `Like`
stands for a tensor that is drawn when the dtype of the test is known.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from tests.parity.databases.runner import Call


class Like(NamedTuple):
    """A tensor of normal numbers, or of whole ones below `below`; with gaps in memory, or not; one
    that requires a gradient, or not."""

    shape: tuple[int, ...]
    gaps: bool = False
    below: int | None = None
    fixed: bool = False


def floats(*shape: int) -> Like:
    return Like(shape)


def apart(*shape: int) -> Like:
    """With gaps between its elements, dimensions exchanged."""
    return Like(shape, gaps=True)


def fixed(*shape: int) -> Like:
    """Of which nothing is differentiated."""
    return Like(shape, fixed=True)


def labels(below: int, *shape: int) -> Like:
    return Like(shape, below=below)


def call(input: Any = None, *args: Any, **kwargs: Any) -> Call:
    return Call(input, args, kwargs)


def drawn(value: Any, dtype: Any, rng: np.random.Generator) -> Any:
    """Arguments of PyTorch's with tensors for each `Like`."""
    if isinstance(value, Like):
        return tensor(value, dtype, rng)
    if isinstance(value, Call):
        return Call(*(drawn(each, dtype, rng) for each in value))
    if isinstance(value, dict):
        return {name: drawn(each, dtype, rng) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(drawn(each, dtype, rng) for each in value)
    return dtype if value is Ellipsis else value


def tensor(like: Like, dtype: Any, rng: np.random.Generator) -> Any:
    """A leaf."""
    if like.below is not None:
        return torch.from_numpy(np.asarray(rng.integers(0, like.below, like.shape)))
    values = np.asarray(rng.normal(size=like.shape))
    if like.gaps:
        values = np.repeat(values.T, 2, axis=0).copy()[::2].T
    made = torch.from_numpy(values).to(dtype)
    if like.gaps:  # the cast has closed them
        wide = torch.empty((*made.shape[:-1], 2 * made.shape[-1]), dtype=dtype)
        made = wide[..., ::2].copy_(made)
    return made.detach().requires_grad_(not like.fixed)


def half(x: float) -> float:
    return x / 2


ANY = [call(floats(2, 3)), call(apart(3, 2)), call(floats()), call(floats(0, 2))]
PAIRS = [
    call(floats(2, 3), floats(2, 3)),
    call(apart(2, 3), floats(3)),
    call(floats(2, 1), floats()),
    call(floats(0, 3), floats(1, 3)),
]
BY_DIM = [
    call(floats(2, 3), 1), call(apart(3, 4), dim=0), call(floats(), 0), call(floats(0, 2), 1),
    call(labels(5, 2, 3), 1, dtype=...),
]  # fmt: skip
BYTES = [  # a negative number wraps around
    call([0, 255, 254.5], dtype=torch.uint8), call([[-1], [-255]], dtype=torch.uint8),
    call(-1, dtype=torch.uint8), call([127.0, -128.0], dtype=torch.int8),
]  # fmt: skip
BEYOND = [300, [300], 300.5, [[1], [-256]], 255.5, -0.5, float("nan"), np.int64(300)]
MAKING = [
    call([1.5, -2.0]), call([[1, 2], [3, 4]]), call(3), call(2.5), call(True), call([]),
    call([1, 2], dtype=...), call(floats(2, 3)), call([True, 2.5]), call(np.arange(3.0)),
]  # fmt: skip
POOLS = {
    n: [
        call(floats(2, 3, *(6,) * n), 2.0, 2),
        call(apart(2, 3, *(6,) * n), 1.5, 3, stride=2, ceil_mode=True),
        call(floats(3, *(5,) * n), 3.0, 2, stride=1),
    ]
    for n in (1, 2, 3)
}

EXTRA: dict[str, list[Call]] = {
    # making tensors
    "tensor": [*MAKING, *BYTES],
    "as_tensor": MAKING,
    "asarray": [*MAKING, call(floats(2), copy=True), call(fixed(2), dtype=torch.float64)],
    "from_numpy": [call(np.arange(6.0).reshape(2, 3).T), call(np.array(2)), call(np.zeros((0, 2)))],
    "range": [call(1, 4), call(0.5, 3, 0.5), call(5, 1, -2), call(1, 4, dtype=...)],
    "Tensor.new": [call(fixed(2), [1.5, 2.5]), call(labels(3, 2), [1, 2]), call(fixed(2))],
    "Tensor.new_tensor": [call(floats(2), [1.5, 2.5]), call(labels(3, 2), [1, 2])],
    # functions of one tensor
    "relu": [*ANY, call(labels(5, 3))],
    "detach": ANY,
    "vander": [  # PyTorch's has no gradient: its backward raises
        call(fixed(3)), call(fixed(4), 2), call(fixed(3), 5, increasing=True), call(labels(4, 3)),
        call(fixed(0)),
    ],
    "chain_matmul": [
        call(floats(2, 3), floats(3, 4), floats(4, 2)), call(apart(2, 3), apart(3, 1)),
        call(floats(2, 3)), call(floats(0, 3), floats(3, 2), floats(2, 2)),
    ],
    # questions
    **{
        name: [*ANY, call(labels(3, 2))]
        for name in ("is_floating_point", "is_complex", "is_signed", "numel")
    },
    "is_nonzero": [call(floats()), call(floats(1, 1)), call(labels(1, 1))],
    "is_same_size": [call(floats(2, 3), floats(2, 3)), call(floats(2), floats(1, 2))],
    "get_device": [call(floats(2))],
    "typename": [call(floats(2)), call(labels(3, 2)), call(5), call("text")],
    "Tensor.item": [call(floats()), call(labels(3, 1, 1))],
    "result_type": [call(floats(2), labels(3, 2)), call(floats(), 1), call(labels(3, 2), 1.5)],
    "promote_types": [call(torch.int32, ...), call(torch.bool, torch.uint8)],
    "can_cast": [call(torch.int32, ...), call(..., torch.int64), call(torch.bool, torch.uint8)],
    "Tensor.ndimension": ANY,
    "Tensor.is_nonzero": [call(floats()), call(floats(1, 1))],
    "Tensor.is_same_size": PAIRS,
    # casting and writing
    "Tensor.type": [call(floats(2, 3)), call(floats(2), torch.float64), call(floats(2), ...)],
    "Tensor.type_as": [call(floats(2), labels(3, 2)), call(apart(2, 3), floats(1))],
    "Tensor.cpu": ANY,
    "Tensor.relu_": ANY,
    "Tensor.to_dense": ANY,
    "Tensor.fill_diagonal_": [
        call(floats(3, 4), 1.5), call(apart(4, 2), 2), call(floats(7, 2), 0.5, wrap=True),
        call(apart(3, 3, 3), 1.0), call(labels(5, 3, 2), 7), call(floats(7, 3), 0.5, True),
        call(floats(0, 3), 1.0),
    ],
    "Tensor.set_": [call(fixed(2), fixed(3, 2))],
    "Tensor.apply_": [call(fixed(2, 3), half), call(labels(5, 3), half)],
    "Tensor.map_": [call(fixed(2, 3), fixed(2, 3), max), call(fixed(3), fixed(1), max)],
    "Tensor.copy_": [*PAIRS[:2], call(floats(2, 3), labels(4, 3)), call(floats(2), floats())],
    # `nn.functional`
    "nn.functional.sigmoid": ANY,
    "nn.functional.tanh": ANY,
    "nn.functional.softmax": BY_DIM,
    "nn.functional.log_softmax": BY_DIM,
    "nn.functional.gumbel_softmax": [
        call(floats(2, 3)), call(apart(3, 4), tau=0.5, dim=0), call(floats(2, 3), hard=True),
    ],
    "nn.functional.dropout1d": [
        call(floats(2, 3, 4)), call(apart(2, 3, 4), 0.3), call(floats(3, 4), training=False),
    ],
    "nn.functional.fold": [
        call(floats(2, 12, 6), (3, 4), (2, 2)),
        call(apart(1, 12, 9), (4, 5), (2, 2), stride=(1, 2), padding=(0, 1)),
        call(floats(8, 2), (3, 4), (2, 2), dilation=(2, 1), stride=2),
    ],
    **{f"nn.functional.lp_pool{n}d": calls for n, calls in POOLS.items()},
    "nn.functional.upsample": [
        call(floats(1, 2, 4), scale_factor=2), call(apart(1, 2, 3, 3), (5, 4), mode="bilinear"),
        call(floats(1, 2, 4), 3, mode="linear", align_corners=True),
    ],
    "nn.functional.celu_": [*ANY, call(floats(3), 0.5)],
    "nn.functional.elu_": [*ANY, call(floats(3), 0.5)],
    "nn.functional.hardtanh_": [*ANY, call(floats(5), -0.2, 0.3)],
    "nn.functional.leaky_relu_": [*ANY, call(floats(5), 0.3)],
    "nn.functional.relu_": ANY,
    "nn.functional.rrelu_": [*ANY, call(floats(5), 0.1, 0.4, True)],
    "nn.functional.selu_": ANY,
    "nn.functional.threshold_": [call(floats(5), 0.1, 2.0), call(apart(2, 3), -0.5, 0.0)],
    # names of initialisers that PyTorch has renamed since
    "nn.init.constant": [call(floats(2, 3), 0.5), call(floats(0), 1.0), call(floats(), 2)],
    **{
        f"nn.init.{name}": [call(floats(4, 3)), call(floats(2, 3, 2))]
        for name in ("kaiming_normal", "kaiming_uniform", "xavier_uniform")
    },
}  # fmt: skip

# Wrong calls, for which dtrain raises an error of PyTorch's class.
WRONG: dict[str, list[Call]] = {
    "tensor": [
        call([[1, 2], [3]]),
        call("text"),
        call(["a"]),
        call(None),
        call([1, None]),
        *(call(value, dtype=torch.uint8) for value in BEYOND),
        call([128], dtype=torch.int8),
        call([-128.5], dtype=torch.int8),
    ],
    "as_tensor": [call([[1, 2], [3]]), call({})],
    "from_numpy": [call([1.0, 2.0]), call(np.array(["a"]))],
    "asarray": [call(None), call([1.0], copy=False)],
    "get_device": [call(3)],
    "range": [call(1, 4, 0), call(4, 1, 1)],
    "vander": [call(floats(2, 3)), call(floats(3), -1)],
    "chain_matmul": [call(floats(2, 3), floats(2, 3)), call(floats(2, 3, 4), floats(2, 3))],
    "is_nonzero": [call(floats(2)), call(floats(0))],
    "Tensor.is_nonzero": [call(floats(2)), call(floats(0))],
    "Tensor.item": [call(floats(2)), call(floats(0))],
    "Tensor.apply_": [call(floats(2), half)],
    "Tensor.map_": [call(floats(2), fixed(2), max), call(fixed(2), fixed(3), max)],
    "Tensor.copy_": [call(floats(2, 3), floats(2)), call(floats(2), floats(2, 2))],
    "Tensor.cuda": [call(floats(2))],
    "Tensor.fill_diagonal_": [call(fixed(3), 1.0), call(fixed(3, 2, 3), 1.0)],
    "Tensor.type": [call(floats(2), "text")],
    "nn.functional.softmax": [call(floats(2, 3), 2), call(floats(), 1), call(labels(3, 2), 0)],
    "nn.functional.log_softmax": [call(floats(2, 3), -3), call(labels(3, 2), 0)],
    "nn.functional.dropout1d": [call(floats(2, 3, 4), 1.5), call(floats(2, 3, 4), -0.1)],
    "nn.functional.fold": [call(floats(2, 11, 6), (3, 4), (2, 2)), call(floats(2), (3, 4), (2, 2))],
    **{
        f"nn.functional.lp_pool{n}d": [call(floats(2, 3, *(3,) * n), 2.0, 4), call(floats(2), 2, 2)]
        for n in (1, 2, 3)
    },
    "nn.functional.upsample": [call(floats(1, 2, 4)), call(floats(1, 2, 4), 3, mode="bilinear")],
    "nn.functional.rrelu_": [call(floats(3), 0.5, 0.1, True)],
}


class Module(NamedTuple):
    """Arguments of a constructor, and of the call of what it makes."""

    built: Call
    called: Call


def module(*args: Any, **kwargs: Any) -> Call:
    return Call(None, args, kwargs)


IMAGES = module(floats(2, 4, 6, 6))
TRIPLET = module(floats(4, 3), apart(4, 3), floats(1, 3))
MODULES: dict[str, list[Module]] = {
    "DataParallel": [Module(module(torch.nn.PReLU()), module(floats(2, 3)))],
    "Identity": [Module(module(5, width=2), module(apart(2, 3)))],
    "Hardsigmoid": [Module(module(), module(each.input)) for each in ANY],
    "RReLU": [
        Module(module(), module(floats(5))), Module(module(0.1, 0.4), module(apart(2, 3))),
    ],
    "CosineSimilarity": [
        Module(module(), module(floats(3, 4), apart(3, 4))),
        Module(module(dim=0, eps=1e-3), module(floats(3, 4), floats(3, 1))),
    ],
    "PairwiseDistance": [
        Module(module(), module(floats(3, 4), apart(3, 4))),
        Module(module(1.5, keepdim=True), module(floats(3, 4), floats(4))),
    ],
    **{
        name: [Module(module(0.4), module(floats(3, 4))), Module(module(), module(apart(2, 3)))]
        for name in ("Dropout", "AlphaDropout")
    },
    **{
        f"Dropout{n}d": [Module(module(0.4), module(floats(2, 5, *(3,) * n)))] for n in (1, 2, 3)
    },
    "FeatureAlphaDropout": [Module(module(0.4), module(floats(2, 5, 3)))],
    "Flatten": [
        Module(module(), module(floats(2, 3, 2))), Module(module(0, 1), module(apart(2, 3, 2))),
        Module(module(0), module(floats())), Module(module(), module(floats(0, 3, 2))),
    ],
    "Unflatten": [Module(module(1, (2, -1)), module(floats(2, 6)))],
    "NLLLoss2d": [Module(module(), module(floats(2, 3, 4, 4), labels(3, 2, 4, 4)))],
    "TripletMarginLoss": [
        Module(module(), TRIPLET), Module(module(0.5, p=1.0, swap=True), TRIPLET),
        Module(module(reduction="none"), TRIPLET),
    ],
    "EmbeddingBag": [
        Module(module(6, 3, mode=mode), module(labels(6, 2, 4))) for mode in ("sum", "mean", "max")
    ],
    "Fold": [Module(module((3, 4), (2, 2)), module(floats(2, 12, 6)))],
    "Unfold": [Module(module((2, 3), padding=1, stride=2), IMAGES)],
    "ChannelShuffle": [Module(module(2), IMAGES), Module(module(3), module(apart(2, 6, 5)))],
    "PixelShuffle": [Module(module(2), IMAGES)],
    "PixelUnshuffle": [Module(module(2), IMAGES), Module(module(3), module(apart(2, 6, 6)))],
    "Upsample": [
        Module(module(scale_factor=2), IMAGES),
        Module(module((5, 7), mode="bicubic", align_corners=True), IMAGES),
    ],
    "UpsamplingNearest2d": [Module(module(scale_factor=1.5), IMAGES)],
    "UpsamplingBilinear2d": [Module(module((4, 9)), IMAGES)],
}  # fmt: skip
