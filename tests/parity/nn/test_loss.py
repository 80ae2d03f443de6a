"""Losses against PyTorch's: values, gradients for every input, reductions, errors, warnings."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import dtrain.nn.loss as losses
import dtrain.nn.margin as margins
from dtrain import nn
from dtrain.autograd import tensor, wrap
from dtrain.nn import functional as F

torch = pytest.importorskip("torch", reason="parity tests compare with PyTorch")

rng = np.random.default_rng(23)
DTYPES = [np.float32, np.float64]
TOLERANCE: dict[Any, Any] = {
    np.float32: {"rtol": 2e-5, "atol": 2e-6},
    np.float64: {"rtol": 1e-11, "atol": 1e-13},
}
REDUCTIONS = ["mean", "sum", "none"]


def normal(*shape: int) -> Any:
    return rng.normal(size=shape) * 2


def unit(*shape: int) -> Any:
    return rng.uniform(0.02, 0.98, shape)


def signs(*shape: int) -> Any:
    return np.where(rng.random(shape) < 0.5, -1.0, 1.0)


def cast(value: Any, dtype: Any) -> Any:
    return value.astype(dtype) if value.dtype.kind == "f" else value


def both(
    f: Callable[..., Any], arrays: Sequence[Any], dtype: Any, constant: Sequence[int] = ()
) -> None:
    """Values and gradients of f(lib, *tensors), for all float inputs that are not `constant`."""
    arrays = [cast(np.asarray(array), dtype) for array in arrays]
    wanted = [
        at for at, array in enumerate(arrays) if array.dtype.kind == "f" and at not in constant
    ]
    ours = [tensor(array, requires_grad=at in wanted) for at, array in enumerate(arrays)]
    theirs = [
        torch.tensor(array.copy(), requires_grad=at in wanted) for at, array in enumerate(arrays)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out, expected = f(F, *ours), f(torch.nn.functional, *theirs)
    assert out.shape == tuple(expected.shape)
    assert str(out.dtype) == str(expected.dtype)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), **TOLERANCE[dtype])
    seed = np.random.default_rng(1).normal(size=out.shape).astype(out.detach().numpy().dtype)
    out.backward(tensor(seed))
    expected.backward(torch.tensor(seed))
    for at in wanted:
        mine = np.zeros_like(arrays[at]) if ours[at].grad is None else ours[at].grad.numpy()
        np.testing.assert_allclose(mine, theirs[at].grad.numpy(), **TOLERANCE[dtype])


# Of classes

LABELS = np.array([0, 4, 1, 1, -100, 2])
CLASSES: dict[str, tuple[Any, Any]] = {
    "rows": (normal(6, 5) * 10, LABELS),
    "one": (normal(5), np.array(3)),
    "sequences": (normal(2, 5, 3), rng.integers(0, 5, (2, 3))),
    "pixels": (normal(2, 5, 3, 2), rng.integers(0, 5, (2, 3, 2))),
    "voxels": (normal(2, 5, 2, 1, 2), rng.integers(0, 5, (2, 2, 1, 2))),
    "strided": (normal(10, 12)[::2, ::2].T, LABELS),
    "all ignored": (normal(2, 5), np.array([-100, -100])),
    "nothing": (np.zeros((0, 5)), np.zeros(0, np.int64)),
    "bytes": (normal(3, 5), np.array([4, 0, 2], np.uint8)),
    "huge": (np.array([[1e4, -1e4, 0, 0, 0], [0, 0, 0, 1e4, 1e4]]), np.array([1, 4])),
    "minus infinity": (np.array([[0.0, -np.inf, 1, 2, 3]]), np.array([0])),
}
WEIGHT = rng.uniform(0.2, 3.0, 5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CLASSES)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_a_loss_of_labels(name: str, case: str, weighted: bool, dtype: Any) -> None:
    scores, labels = CLASSES[case]
    weight = [WEIGHT] if weighted else []
    for reduction in REDUCTIONS:
        both(
            lambda lib, x, y, *w, r=reduction: getattr(lib, name)(x, y, *w, reduction=r),
            (scores, labels, *weight),
            dtype,
            constant=[2],
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", [case for case in CLASSES if case != "bytes"])
def test_smoothed_labels(case: str, weighted: bool, dtype: Any) -> None:
    scores, labels = CLASSES[case]
    if case == "minus infinity":
        scores = np.maximum(scores, -5.0)
    weight = [WEIGHT] if weighted else []
    for reduction in REDUCTIONS:
        both(
            lambda lib, x, y, *w, r=reduction: lib.cross_entropy(
                x, y, *w, reduction=r, label_smoothing=0.3
            ),
            (scores, labels, *weight),
            dtype,
            constant=[2],
        )


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_the_label_of_one_may_be_a_list(name: str) -> None:
    scores, label = normal(5), np.array([3])
    for reduction in REDUCTIONS:
        ours = getattr(F, name)(tensor(scores), tensor(label), reduction=reduction)
        theirs = getattr(torch.nn.functional, name)(
            torch.tensor(scores), torch.tensor(label), reduction=reduction
        )
        assert ours.shape == tuple(theirs.shape)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)


def test_another_label_is_ignored() -> None:
    both(
        lambda lib, x, y: lib.cross_entropy(x, y, ignore_index=1),
        (normal(6, 5), LABELS % 5),
        np.float64,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 5, 3), (0, 5), (2, 5, 2, 2)])
def test_probabilities_as_targets(shape: Any, weighted: bool, smoothing: float, dtype: Any) -> None:
    weight = [WEIGHT] if weighted else []
    for reduction in REDUCTIONS:
        both(
            lambda lib, x, t, *w, r=reduction: lib.cross_entropy(
                x, t, *w, reduction=r, label_smoothing=smoothing
            ),
            (normal(*shape), unit(*shape), *weight),
            dtype,
        )


# Of numbers, pairs, distributions: name, a maker of inputs for a shape, options, constants

Case = tuple[str, Callable[..., tuple[Any, ...]], dict[str, Any], Sequence[int]]
pair: Callable[..., Any] = lambda *s: (normal(*s), normal(*s))  # noqa: E731
sides: Callable[..., Any] = lambda *s: (normal(*s), signs(*s))  # noqa: E731
chances: Callable[..., Any] = lambda *s: (unit(*s), unit(*s))  # noqa: E731
ELEMENTWISE: list[Case] = [
    ("mse_loss", pair, {}, ()),
    ("l1_loss", pair, {}, ()),
    ("smooth_l1_loss", pair, {}, ()),
    ("smooth_l1_loss", pair, {"beta": 0.4}, ()),
    ("smooth_l1_loss", pair, {"beta": 0.0}, ()),
    ("huber_loss", pair, {}, ()),
    ("huber_loss", pair, {"delta": 0.4}, ()),
    ("binary_cross_entropy", chances, {}, ()),
    ("binary_cross_entropy_with_logits", lambda *s: (normal(*s) * 5, unit(*s)), {}, ()),
    ("kl_div", lambda *s: (normal(*s), unit(*s)), {}, ()),
    ("kl_div", pair, {"log_target": True}, ()),
    ("poisson_nll_loss", lambda *s: (normal(*s), unit(*s) * 4), {}, ()),
    ("poisson_nll_loss", lambda *s: (normal(*s), unit(*s) * 4), {"full": True}, (1,)),
    ("poisson_nll_loss", chances, {"log_input": False, "eps": 0.1}, ()),
    ("gaussian_nll_loss", lambda *s: (*pair(*s), unit(*s)), {}, ()),
    ("gaussian_nll_loss", lambda *s: (*pair(*s), unit(*s)), {"full": True, "eps": 0.5}, ()),
    ("hinge_embedding_loss", sides, {}, (1,)),
    ("hinge_embedding_loss", sides, {"margin": 0.3}, (1,)),
    ("margin_ranking_loss", lambda *s: (*pair(*s), signs(*s)), {"margin": 0.5}, (2,)),
    ("soft_margin_loss", sides, {}, (1,)),
    ("triplet_margin_loss", lambda *s: (*pair(*s), normal(*s)), {}, ()),
    ("triplet_margin_loss", lambda *s: (*pair(*s), normal(*s)), {"swap": True, "p": 1.5}, ()),
    ("triplet_margin_loss", lambda *s: (*pair(*s), normal(*s)), {"p": 1.0, "margin": 4.0}, ()),
    ("triplet_margin_with_distance_loss", lambda *s: (*pair(*s), normal(*s)), {"swap": True}, ()),
    ("multilabel_soft_margin_loss", lambda *s: (normal(*s), unit(*s)), {}, ()),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "make", "options", "constant"), ELEMENTWISE, ids=lambda value: str(value)[:30]
)
def test_a_loss(name: str, make: Any, options: Any, constant: Any, dtype: Any) -> None:
    for shape in [(3, 4), (5,), (2, 3, 2), (0, 3)]:
        inputs = make(*shape)
        for reduction in REDUCTIONS:
            both(
                lambda lib, *xs, r=reduction: getattr(lib, name)(*xs, reduction=r, **options),
                inputs,
                dtype,
                constant,
            )


def test_a_loss_of_strided_inputs() -> None:
    x, y = normal(6, 8)[::2].T, normal(4, 6)[:, ::-1].repeat(2, 0)[:, ::2]
    for name in ("mse_loss", "huber_loss", "l1_loss"):
        both(lambda lib, *xs, n=name: getattr(lib, n)(*xs), (x, y), np.float32)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_weight_for_each_element(name: str, reduction: str) -> None:
    both(
        lambda lib, x, y, w: getattr(lib, name)(x, y, reduction=reduction, weight=w),
        (normal(3, 4), normal(3, 4), unit(3, 4)),
        np.float64,
    )


@pytest.mark.parametrize("shape", [(3, 4), (4,), (3, 1), ()])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_weights_of_binary_cross_entropies(shape: Any, reduction: str) -> None:
    x, t, w, p = unit(3, 4), unit(3, 4), unit(*shape), unit(*shape) * 4
    both(
        lambda lib, x, t, w: lib.binary_cross_entropy(x, t, w, reduction=reduction),
        (x, t, w),
        np.float64,
        [2],
    )
    both(
        lambda lib, x, t, w, p: lib.binary_cross_entropy_with_logits(
            x, t, w, reduction=reduction, pos_weight=p
        ),
        (x * 9 - 4, t, w, p),
        np.float64,
        [2, 3],
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logarithms_of_binary_cross_entropy_end_at_minus_100(dtype: Any) -> None:
    inputs = np.array([0.0, 1.0, 0.0, 1.0, 0.5, 1e-30]), np.array([0.0, 1.0, 1.0, 0.0, 0.5, 0.5])
    both(lambda lib, *xs: lib.binary_cross_entropy(*xs, reduction="none"), inputs, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_may_be_huge(dtype: Any) -> None:
    inputs = np.array([1e4, -1e4, 1e4, -1e4, 100.0]), np.array([1.0, 1.0, 0.0, 0.0, 0.5])
    both(
        lambda lib, *xs: lib.binary_cross_entropy_with_logits(*xs, reduction="none"), inputs, dtype
    )


@pytest.mark.parametrize("shape", [(3, 4), (4,), ()])
def test_batchmean_divides_by_the_first_dimension(shape: Any) -> None:
    both(
        lambda lib, *xs: lib.kl_div(*xs, reduction="batchmean"),
        (normal(*shape), unit(*shape)),
        np.float64,
    )


@pytest.mark.parametrize("shape", [(2, 3), (2,), (2, 1), (1, 3)])
def test_variances_may_be_shared(shape: Any) -> None:
    both(
        lambda lib, *xs: lib.gaussian_nll_loss(*xs, eps=0.3),
        (normal(2, 3), normal(2, 3), unit(*shape)),
        np.float64,
    )


def test_a_variance_may_be_a_float() -> None:
    both(lambda lib, *xs: lib.gaussian_nll_loss(*xs, 2.5), (normal(2, 3), normal(2, 3)), np.float32)


# Margins of vectors and classes

EMBEDDED: dict[str, Any] = {
    "rows": (normal(6, 3), normal(6, 3), signs(6)),
    "one": (normal(3), normal(3), np.array(-1.0)),
    "zeros": (np.zeros((2, 3)), normal(2, 3), np.array([1.0, -1.0])),
    "nothing": (normal(0, 3), normal(0, 3), signs(0)),
}
MULTI: dict[str, Any] = {
    "rows": (normal(4, 5), np.array([0, 4, 2, 2])),
    "one": (normal(5), np.array(3)),
    "one in a list": (normal(5), np.array([3])),
}
MULTILABEL: dict[str, Any] = {
    "rows": (normal(3, 4), np.array([[0, 3, -1, 1], [-1, 0, 0, 0], [2, 2, 0, -1]])),
    "one": (normal(4), np.array([3, 0, -1, 1])),
    "number": (normal(), np.array(0)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", EMBEDDED)
def test_cosine_embedding_loss(case: str, reduction: str, dtype: Any) -> None:
    both(
        lambda lib, *xs: lib.cosine_embedding_loss(*xs, margin=0.2, reduction=reduction),
        EMBEDDED[case],
        dtype,
        [2],
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", MULTI)
def test_multi_margin_loss(case: str, weighted: bool, p: int, dtype: Any) -> None:
    weight = [WEIGHT] if weighted else []
    for reduction in REDUCTIONS:
        both(
            lambda lib, x, y, *w, r=reduction: lib.multi_margin_loss(x, y, p, 0.7, *w, reduction=r),
            (*MULTI[case], *weight),
            dtype,
            [2],
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", MULTILABEL)
def test_multilabel_margin_loss(case: str, reduction: str, dtype: Any) -> None:
    both(
        lambda lib, *xs: lib.multilabel_margin_loss(*xs, reduction=reduction),
        MULTILABEL[case],
        dtype,
    )


@pytest.mark.parametrize("shape", [(3, 4), (4,)])
def test_weights_of_multilabel_soft_margin_loss(shape: Any) -> None:
    both(
        lambda lib, *xs: lib.multilabel_soft_margin_loss(*xs),
        (normal(3, 4), unit(3, 4), unit(*shape)),
        np.float64,
    )


# Distances


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, np.inf, -np.inf])
def test_normalize(p: float, dtype: Any) -> None:
    for shape, dim in [((3, 4), 1), ((3, 4), 0), ((2, 3, 2), (0, -1)), ((4,), 0), ((2, 0), 0)]:
        both(lambda lib, x, d=dim: lib.normalize(x, p, d), (normal(*shape),), dtype)


def test_a_vector_of_zeros_stays_zero_and_its_gradient_is_finite() -> None:
    both(lambda lib, x: lib.normalize(x), (np.array([[0.0, 0.0], [3.0, 4.0]]),), np.float64)
    both(lambda lib, x: lib.normalize(x, eps=6.0), (np.array([[3.0, 4.0]]),), np.float64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance(p: float, keepdim: bool, dtype: Any) -> None:
    for one, other in [((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 2), (1, 2))]:
        both(
            lambda lib, *xs: lib.pairwise_distance(*xs, p, keepdim=keepdim),
            (normal(*one), normal(*other)),
            dtype,
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_cosine_similarity(dtype: Any) -> None:
    zeros = np.zeros((3, 4))
    for x1, x2, dim in [
        (normal(3, 4), normal(3, 4), 1),
        (normal(3, 4), normal(4), -1),
        (normal(2, 3, 2), normal(2, 3, 2), 0),
        (normal(3, 4), zeros, 1),
        (normal(), normal(), 0),
        (normal(0, 3), normal(0, 3), 1),
    ]:
        both(lambda lib, *xs, d=dim: lib.cosine_similarity(*xs, d), (x1, x2), dtype)


# Errors and warnings

WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "scores of no dimension": lambda f, t: f.nll_loss(t(1.0), t(0)),
    "two labels for one": lambda f, t: f.cross_entropy(t([1.0, 2.0]), t([0, 1])),
    "another batch": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t([0, 1])),
    "a number for a batch": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t(0)),
    "labels of two dimensions": lambda f, t: f.nll_loss(t([[1.0, 2.0]]), t([[0, 1]])),
    "labels for other pixels": lambda f, t: f.nll_loss(t([[[1.0, 2.0]]]), t([[0, 0, 0]])),
    "float labels": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t([0.0])),
    "bool labels": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t([True])),
    "integers as probabilities": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t([[0, 1]])),
    "integer scores": lambda f, t: f.cross_entropy(t([[1, 2]]), t([0])),
    "a label too large": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t([2])),
    "a label too large, smoothed": lambda f, t: f.cross_entropy(
        t([[1.0, 2.0]]), t([2]), label_smoothing=0.1
    ),
    "smoothing above 1": lambda f, t: f.cross_entropy(t([[1.0, 2.0]]), t([1]), label_smoothing=1.5),
    "ignored probabilities": lambda f, t: f.cross_entropy(
        t([[1.0, 2.0]]), t([[0.5, 0.5]]), ignore_index=1
    ),
    "weights of other classes": lambda f, t: f.nll_loss(t([[1.0, 2.0]]), t([0]), t([1.0])),
    "weights of another dtype": lambda f, t: f.nll_loss(t([[1.0, 2.0]]), t([0]), t([1, 1])),
    "weights that are trained": lambda f, t: f.cross_entropy(
        t([[1.0, 2.0]]), t([0]), t([1.0, 2.0]).requires_grad_()
    ),
    "no such reduction": lambda f, t: f.mse_loss(t([1.0]), t([1.0]), reduction="median"),
    "mse of integers": lambda f, t: f.mse_loss(t([1]), t([1])),
    "mse with other weights": lambda f, t: f.mse_loss(t([1.0]), t([1.0]), weight=t([1.0, 2.0])),
    "mse weighted, no reduction": lambda f, t: f.mse_loss(
        t([1.0]), t([1.0]), weight=t([1.0]), reduction="median"
    ),
    "l1 mean of integers": lambda f, t: f.l1_loss(t([1]), t([1])),
    "a negative beta": lambda f, t: f.smooth_l1_loss(t([1.0]), t([1.0]), beta=-1.0),
    "delta 0": lambda f, t: f.huber_loss(t([1.0]), t([1.0]), delta=0.0),
    "bce of two shapes": lambda f, t: f.binary_cross_entropy(t([1.0]), t([[1.0]])),
    "bce above 1": lambda f, t: f.binary_cross_entropy(t([2.0]), t([1.0])),
    "bce of nan": lambda f, t: f.binary_cross_entropy(t([float("nan")]), t([1.0])),
    "bce for a target above 1": lambda f, t: f.binary_cross_entropy(t([1.0]), t([2.0])),
    "bce of two dtypes": lambda f, t: f.binary_cross_entropy(t([1.0]), t([1])),
    "bce with too many weights": lambda f, t: f.binary_cross_entropy(
        t([1.0]), t([1.0]), t([[1.0], [2.0]])
    ),
    "bce with trained weights": lambda f, t: f.binary_cross_entropy(
        t([1.0]), t([1.0]), t([1.0]).requires_grad_()
    ),
    "logits of two shapes": lambda f, t: f.binary_cross_entropy_with_logits(t([1.0]), t([[1.0]])),
    "logits with another pos_weight": lambda f, t: f.binary_cross_entropy_with_logits(
        t([1.0, 2.0]), t([1.0, 0.0]), pos_weight=t([1.0, 2.0, 3.0])
    ),
    "divergence of integers": lambda f, t: f.kl_div(t([1]), t([1]), reduction="sum"),
    "a negative variance": lambda f, t: f.gaussian_nll_loss(t([1.0]), t([1.0]), t([-1.0])),
    "variances of another size": lambda f, t: f.gaussian_nll_loss(
        t([1.0]), t([1.0]), t([1.0, 1.0])
    ),
    "an integer variance": lambda f, t: f.gaussian_nll_loss(t([1.0]), t([1.0]), 1),
    "gaussian reduction": lambda f, t: f.gaussian_nll_loss(
        t([1.0]), t([1.0]), t([1.0]), reduction="median"
    ),
    "ranking in other dimensions": lambda f, t: f.margin_ranking_loss(
        t([1.0]), t([1.0]), t([[1.0]])
    ),
    "embedding in other dimensions": lambda f, t: f.cosine_embedding_loss(
        t([1.0]), t([1.0]), t([1.0])
    ),
    "triplets with margin 0": lambda f, t: f.triplet_margin_loss(
        t([1.0]), t([1.0]), t([1.0]), margin=0
    ),
    "triplets in other dimensions": lambda f, t: f.triplet_margin_loss(
        t([1.0]), t([1.0]), t([[1.0]])
    ),
    "a third power": lambda f, t: f.multi_margin_loss(t([[1.0, 2.0]]), t([1]), p=3),
    "a matrix of weights": lambda f, t: f.multi_margin_loss(
        t([[1.0, 2.0]]), t([1]), weight=t([[1.0, 2.0]])
    ),
    "a label out of range": lambda f, t: f.multi_margin_loss(t([[1.0, 2.0]]), t([2])),
    "labels out of range": lambda f, t: f.multilabel_margin_loss(t([[1.0, 2.0]]), t([[2, -1]])),
    "labels of other classes": lambda f, t: f.multilabel_margin_loss(t([[1.0, 2.0]]), t([[0]])),
    "cosine of integers": lambda f, t: f.cosine_similarity(t([[1]]), t([[1]])),
    "cosine of two lengths": lambda f, t: f.cosine_similarity(
        t([[1.0, 2.0]]), t([[1.0, 2.0, 3.0]])
    ),
    "cosine over no dimension": lambda f, t: f.cosine_similarity(t([1.0]), t([1.0]), dim=1),
    "length over no dimension": lambda f, t: f.normalize(t([1.0]), dim=1),
    "length of integers": lambda f, t: f.normalize(t([[1]])),
    "distance of two lengths": lambda f, t: f.pairwise_distance(t([1.0, 2.0]), t([1.0, 2.0, 3.0])),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_the_same_class_of_error(case: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        WRONG[case](torch.nn.functional, torch.tensor)
    with pytest.raises(type(theirs.value)):
        WRONG[case](F, tensor)


@pytest.mark.parametrize(
    ("size_average", "reduce"), [(True, None), (False, None), (None, False), (True, True)]
)
def test_old_arguments_rule_the_reduction_with_a_warning(size_average: Any, reduce: Any) -> None:
    x, y = normal(3), normal(3)
    options = {"size_average": size_average, "reduce": reduce, "reduction": "sum"}
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated") as ours:
        out = F.mse_loss(tensor(x), tensor(y), **options)
    assert ours[0].filename == __file__
    with pytest.warns(UserWarning, match="will be deprecated") as theirs:
        expected = torch.nn.functional.mse_loss(torch.tensor(x), torch.tensor(y), **options)
    assert str(ours[0].message) == str(theirs[0].message)
    np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda f, t: f.mse_loss(t([1.0]), t([[1.0], [2.0]])),
        lambda f, t: f.huber_loss(t([1.0]), t([[1.0], [2.0]])),
        lambda f, t: f.l1_loss(t([1.0]), t([[1.0], [2.0]])),
        lambda f, t: f.kl_div(t([1.0]), t([1.0])),
        lambda f, t: f.nll_loss(t([[1.0]]), t([0]), reduction="elementwise_mean"),
    ],
)
def test_warnings_are_pytorchs(call: Any) -> None:
    with pytest.warns(UserWarning, match=".") as ours:
        call(F, tensor)
    with pytest.warns(UserWarning, match=".") as theirs:
        call(torch.nn.functional, torch.tensor)
    assert str(ours[0].message) == str(theirs[0].message)


# Modules

vector: Callable[..., Any] = lambda lib: lib.tensor([0.5, 1.0, 2.0, 1.5])  # noqa: E731
MODULES: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    (
        "CrossEntropyLoss",
        {"weight": vector, "label_smoothing": 0.1},
        (normal(3, 4), LABELS[1:4] % 4),
    ),
    ("CrossEntropyLoss", {"ignore_index": 1, "reduction": "sum"}, (normal(3, 4), LABELS[1:4] % 4)),
    ("NLLLoss", {"weight": vector}, (normal(3, 4), LABELS[1:4] % 4)),
    ("MSELoss", {"reduction": "none"}, (normal(3, 4), normal(3, 4))),
    ("L1Loss", {}, (normal(3, 4), normal(3, 4))),
    ("SmoothL1Loss", {"beta": 0.3}, (normal(3, 4), normal(3, 4))),
    ("HuberLoss", {"delta": 0.3}, (normal(3, 4), normal(3, 4))),
    ("BCELoss", {"weight": vector}, (unit(3, 4), unit(3, 4))),
    ("BCEWithLogitsLoss", {"weight": vector, "pos_weight": vector}, (normal(3, 4), unit(3, 4))),
    ("KLDivLoss", {"reduction": "batchmean"}, (normal(3, 4), unit(3, 4))),
    ("PoissonNLLLoss", {"full": True}, (normal(3, 4), unit(3, 4) * 4)),
    ("GaussianNLLLoss", {"full": True}, (normal(3, 4), normal(3, 4), unit(3, 4))),
    ("HingeEmbeddingLoss", {"margin": 0.5}, (normal(3, 4), signs(3, 4))),
    ("MarginRankingLoss", {"margin": 0.5}, (normal(4), normal(4), signs(4))),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (normal(3, 4), normal(3, 4), signs(3))),
    ("TripletMarginLoss", {"p": 1.0, "swap": True}, (normal(3, 4), normal(3, 4), normal(3, 4))),
    ("TripletMarginWithDistanceLoss", {}, (normal(3, 4), normal(3, 4), normal(3, 4))),
    ("SoftMarginLoss", {}, (normal(3, 4), signs(3, 4))),
    ("MultiLabelSoftMarginLoss", {"weight": vector}, (normal(3, 4), unit(3, 4))),
    ("MultiMarginLoss", {"p": 2, "weight": vector}, (normal(3, 4), LABELS[1:4] % 4)),
    ("MultiLabelMarginLoss", {}, MULTILABEL["rows"]),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, (normal(3, 4), normal(3, 4))),
    ("CosineSimilarity", {"dim": 0}, (normal(3, 4), normal(3, 4))),
]


@pytest.mark.parametrize(("name", "options", "inputs"), MODULES, ids=lambda value: str(value)[:20])
def test_a_module_is_pytorchs(name: str, options: Any, inputs: Any) -> None:
    arrays = [cast(array, np.float32) for array in inputs]
    results = []
    for lib, make in ((nn, tensor), (torch.nn, torch.tensor)):
        made = {
            key: make([0.5, 1.0, 2.0, 1.5]) if value is vector else value
            for key, value in options.items()
        }
        module = getattr(lib, name)(**made)
        results.append(
            (repr(module), list(module.state_dict()), module(*map(make, arrays)).tolist())
        )
    assert results[0][:2] == results[1][:2]
    np.testing.assert_allclose(results[0][2], results[1][2], rtol=1e-5, atol=1e-6)


def test_every_loss_has_a_module_test() -> None:
    tested = {name for name, _, _ in MODULES} | {"NLLLoss2d"}
    assert {*losses.__all__, *margins.__all__} <= tested


def test_modules_refuse_what_pytorchs_refuse() -> None:
    for lib in (nn, torch.nn):
        with pytest.raises(TypeError, match="delta must be a float or int"):
            lib.HuberLoss(delta="1")
        with pytest.raises(ValueError, match="greater than 0"):
            lib.TripletMarginLoss(margin=0)
        with pytest.raises(ValueError, match="only p == 1 and p == 2"):
            lib.MultiMarginLoss(p=3)
        with pytest.warns(UserWarning, match="will be deprecated"):
            assert lib.MSELoss(size_average=False).reduction == "sum"


def test_the_gradient_of_a_loss_can_be_differentiated() -> None:
    scores, labels = normal(3, 5), np.array([1, -100, 4])

    def second(lib: Any, x: Any, y: Any, w: Any, grad: Any) -> Any:
        loss = lib.cross_entropy(x, y, w, label_smoothing=0.2)
        [first] = grad(loss, [x], create_graph=True)
        return grad((first * first).sum(), [x])[0]

    from dtrain.autograd import grad

    ours = second(F, tensor(scores, requires_grad=True), tensor(labels), wrap(WEIGHT), grad)
    x = torch.tensor(scores, requires_grad=True)
    theirs = second(
        torch.nn.functional, x, torch.tensor(labels), torch.tensor(WEIGHT), torch.autograd.grad
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)
