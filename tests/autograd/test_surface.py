"""What `import dtrain as torch` offers, and what it says of the rest."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import dtrain
from dtrain.autograd import Tensor, functions
from dtrain.autograd.functions.registry import FUNCTIONS, METHODS

FAMILIES = [
    import_module(f"dtrain.autograd.functions.{path.stem}")
    for path in sorted(Path(str(functions.__file__)).parent.glob("[a-z]*.py"))
]
OFFERING = [family for family in FAMILIES if hasattr(family, "__all__")]


@pytest.mark.parametrize("family", OFFERING, ids=lambda family: family.__name__.rpartition(".")[2])
def test_a_family_offers_just_what_it_declares(family: ModuleType) -> None:
    for name in family.__all__:
        assert FUNCTIONS[name] is getattr(family, name), name


def test_every_declared_function_is_offered() -> None:
    offered = {name for family in OFFERING for name in family.__all__}
    assert set(FUNCTIONS) <= offered
    assert all(getattr(dtrain, name) is function for name, function in FUNCTIONS.items())


def test_every_declared_method_is_tensors() -> None:
    assert all(name in vars(Tensor) for name in METHODS)


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_every_function_says_what_it_does(name: str) -> None:
    assert FUNCTIONS.get(name, METHODS.get(name)).__doc__


def test_what_is_missing_is_named() -> None:
    with pytest.raises(AttributeError, match="dtrain has no 'fft'"):
        dtrain.fft  # noqa: B018


def test_there_is_no_accelerator() -> None:
    assert not dtrain.cuda.is_available()
    assert not dtrain.accelerator.is_available()
    assert not dtrain.backends.mps.is_available()
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        dtrain.ones(1, device="cuda")


def test_compile_gives_back_what_it_got() -> None:
    @dtrain.compile(mode="max-autotune")
    def double(x: float) -> float:
        return 2 * x

    assert double(2) == 4
    assert dtrain.compile(double) is double


def test_the_default_dtype_is_that_of_numbers_and_of_new_tensors() -> None:
    dtrain.set_default_dtype(dtrain.float64)
    try:
        assert dtrain.tensor(1.5).dtype == dtrain.zeros(1).dtype == dtrain.float64
        assert (dtrain.tensor([1]) / 2).dtype == dtrain.float64
    finally:
        dtrain.set_default_dtype(dtrain.float32)
    assert dtrain.tensor(1.5).dtype == dtrain.float32


def test_a_graph_is_shown_as_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    x = dtrain.tensor([1.0, 2.0], requires_grad=True)
    text = ((x * x).sum() + x[0]).graph()
    assert capsys.readouterr().out == text + "\n"
    assert text.splitlines() == [
        "#0 AddBackward0 () float32",
        "├─ #1 SumBackward0 () float32",
        "│  └─ #2 MulBackward0 (2,) float32",
        "│     ├─ #3 AccumulateGrad (2,) float32",
        "│     └─ #3 AccumulateGrad, see above",
        "└─ #4 SelectBackward0 () float32",
        "   └─ #3 AccumulateGrad, see above",
    ]


def test_a_graph_is_shown_for_graphviz(capsys: pytest.CaptureFixture[str]) -> None:
    x = dtrain.tensor([1.0, 2.0], requires_grad=True)
    text = (x * x).graph("dot")
    assert capsys.readouterr().out == text + "\n"
    assert text.splitlines() == [
        "digraph {",
        '  n0 [label="MulBackward0", shape=box];',
        '  n1 [label="AccumulateGrad", shape=ellipse];',
        '  n1 -> n0 [label="(2,) float32"];',
        '  n1 -> n0 [label="(2,) float32"];',
        "}",
    ]


def test_a_deep_graph_can_be_shown_and_walked(capsys: pytest.CaptureFixture[str]) -> None:
    x = dtrain.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5000):
        y = y * 1.0
    assert len(y.graph().splitlines()) == 5001
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 1.0


@pytest.mark.parametrize("kind", [dtrain.nn.Conv2d, dtrain.nn.MaxPool2d, dtrain.nn.BatchNorm1d])
def test_a_missing_argument_is_that_of_the_class_by_its_own_name(kind: type) -> None:
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\.__init__\(\) missing"):
        kind()
