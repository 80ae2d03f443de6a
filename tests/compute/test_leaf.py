"""A leaf: a pure function of weights, buffers, seed, step and leaf."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dtrain.keyed as keyed
from dtrain.autograd import Tensor, wrap
from dtrain.batch import cast, rows
from dtrain.data import TensorDataset, default_collate
from dtrain.errors import JobError, LeafError
from dtrain.gradsum import ChunkSum, GradSum, TailSum
from dtrain.job import Job
from dtrain.leaf import LeafComputer
from dtrain.nn import Linear, Module, Sequential
from dtrain.nn import functional as F
from tests.compute.jobs import CLASSES, Branching, Classify, Tokens


def bits(value: GradSum) -> list[Any]:
    """Everything that a leaf is worth, comparable."""
    return [
        (part.weight, part.reached, part.grad.tobytes())
        if isinstance(part, ChunkSum)
        else (part.weight, part.loss_sum, part.samples, part.logs, sorted(part.buffers))
        for part in value.parts
    ]


def gradients(computer: LeafComputer, value: GradSum) -> dict[str, np.ndarray]:
    """Name -> summed gradient, of the parameters that were reached."""
    vectors = computer.layout.allocate_gradients()
    reached = 0
    for chunk, part in zip(computer.layout.chunks, value.parts, strict=False):
        assert isinstance(part, ChunkSum)
        computer.layout.slice(vectors, chunk)[...] = part.grad
        reached |= part.reached
    every = enumerate(computer.layout.parameters)
    return {p.name: computer.layout.view(vectors, p) for i, p in every if reached >> i & 1}


def with_loss(loss: Any, **settings: Any) -> LeafComputer:
    """A computer for a job that differs in its loss alone."""
    return LeafComputer(type("Changed", (Classify,), {"loss": loss})(**settings))


# ----------------------------------------------------------------------------- what it is worth


def test_the_gradient_is_that_of_the_summed_loss() -> None:
    computer = LeafComputer(Classify())
    samples = computer.samples
    at = samples.indices(samples.place("train", 0, 1))
    x, y = (array[at] for array in _arrays(computer))
    model = Classify().model()
    model.double().load_state_dict(computer.model.state_dict())
    F.cross_entropy(model(wrap(x)), wrap(y), reduction="sum").backward()
    found = gradients(computer, computer.train(0, 1))
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(found[name], parameter.grad._array, rtol=0, atol=1e-13)


def _arrays(computer: LeafComputer) -> list[np.ndarray]:
    return [tensor._array for tensor in computer.train_data.tensors]


def test_weight_and_loss_are_sums_over_the_samples() -> None:
    value = LeafComputer(Classify(batch_size=10, micro_batches=3)).train(0, 2)
    assert (value.tail.weight, value.tail.samples) == (2.0, 2)
    assert {part.weight for part in value.parts} == {2.0}


def test_the_same_leaf_has_the_same_bits_after_other_leaves() -> None:
    computer = LeafComputer(Classify())
    first = bits(computer.train(0, 1))
    computer.train(2, 3)
    computer.evaluate(0, 0)
    assert bits(computer.train(0, 1)) == first


def test_two_computers_agree_on_every_bit() -> None:
    a, b = LeafComputer(Classify()), LeafComputer(Classify())
    assert bits(a.train(3, 2)) == bits(b.train(3, 2))


def test_the_chunk_size_only_cuts_the_gradient() -> None:
    def flat(chunk_elements: int) -> bytes:
        parts = LeafComputer(Classify(chunk_elements=chunk_elements)).train(0, 0).parts
        return b"".join(part.grad.tobytes() for part in parts if isinstance(part, ChunkSum))

    assert flat(16) == flat(2**18)


def test_logs_are_summed_by_the_weight_of_the_loss() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        self.log("half", 0.5)
        self.log("own", 2.0, weight=10.0)
        return F.cross_entropy(model(batch[0]), batch[1])

    tail = with_loss(loss).train(0, 0).tail
    assert tail.logs == {"half": (2.0, 4.0), "own": (20.0, 10.0)}


def test_an_evaluation_is_the_tail_alone() -> None:
    [tail] = LeafComputer(Classify()).evaluate(5, 2).parts
    assert isinstance(tail, TailSum)
    assert (tail.weight, tail.samples, tail.buffers) == (4.0, 4, {})
    assert tail.logs["accuracy"][1] == 4.0


def test_loss_sees_step_epoch_and_mode() -> None:
    seen = []

    def loss(self: Job, model: Module, batch: Any) -> Any:
        seen.append((self.step, self.epoch, model.training))
        return F.cross_entropy(model(batch[0]), batch[1])

    computer = with_loss(loss)
    computer.train(5, 0)
    computer.evaluate(5, 0)
    assert seen == [(5, 1, True), (5, 1, False)]


def test_floats_of_a_batch_come_in_the_jobs_dtype() -> None:
    seen = []

    def loss(self: Job, model: Module, batch: Any) -> Any:
        seen.append([tensor.dtype.name for tensor in batch])
        return F.cross_entropy(model(batch[0]), batch[1])

    with_loss(loss, dtype="float32").train(0, 0)
    assert seen == [["float32", "int64"]]


# ------------------------------------------------------------------------------- reached or not


def test_an_unreached_parameter_has_no_bit_and_zeros() -> None:
    computer = LeafComputer(Branching())
    assert "seldom.weight" in gradients(computer, computer.train(0, 0))
    value = computer.train(1, 0)
    assert set(gradients(computer, value)) == {"always.weight", "always.bias"}
    place = next(p for p in computer.layout.parameters if p.name == "seldom.weight")
    part = value.parts[0]
    assert isinstance(part, ChunkSum)
    assert not part.grad[place.start : place.start + place.size].any()


def test_gaps_between_parameters_stay_zero() -> None:
    computer = LeafComputer(Classify())
    [chunk] = computer.layout.chunks
    covered = np.zeros(chunk.size, bool)
    for _, lo, hi in computer.layout.pieces(chunk):
        covered[lo:hi] = True
    part = computer.train(0, 0).parts[0]
    assert isinstance(part, ChunkSum)
    assert not covered.all()
    assert not part.grad[~covered].any()


def test_an_all_ignored_leaf_is_worth_zeros() -> None:
    value = LeafComputer(Tokens()).train(0, 0)
    chunk, tail = value.parts
    assert isinstance(chunk, ChunkSum)
    assert (chunk.weight, chunk.reached, chunk.grad.any()) == (0.0, 0, False)
    assert (value.tail.weight, value.tail.loss_sum, value.tail.samples) == (0.0, 0.0, 4)
    assert tail is value.tail


def test_a_leaf_of_weight_zero_logs_nothing_and_spreads_no_nan() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        self.log("nan", float("nan"))
        return model(batch[0]).sum() * float("nan"), 0

    value = with_loss(loss).train(0, 0)
    assert bits(value)[-1] == (0.0, 0.0, 4, {}, [])


@pytest.mark.parametrize("empty", [None, [], {}, np.zeros((0, 6))], ids=repr)
def test_an_empty_batch_has_weight_zero_and_no_loss(empty: Any) -> None:
    class Filtered(Classify):
        def collate(self, samples: list[Any]) -> Any:
            return empty

        def loss(self, model: Module, batch: Any) -> Any:
            raise AssertionError("loss is called for an empty batch")

    tail = LeafComputer(Filtered()).train(0, 0).tail
    assert (tail.weight, tail.samples) == (0.0, 4)


# ----------------------------------------------------------------------------- nothing is left


class Counting(Module):
    """Counts its calls in a buffer."""

    def __init__(self, rule: str | None) -> None:
        super().__init__()
        self.inner = Linear(6, CLASSES)
        self.register_buffer("calls", wrap(np.zeros((), np.int64)), rule=rule)

    def forward(self, x: Tensor) -> Tensor:
        self.calls._array[...] += 1
        return self.inner(x)


def counting(rule: str | None) -> LeafComputer:
    job = type("Counts", (Classify,), {"model": lambda self: Counting(rule)})
    return LeafComputer(job())


def test_a_changed_buffer_is_an_update_and_put_back() -> None:
    computer = counting("count")
    tail = computer.train(0, 0).tail
    assert tail.buffers[0].apply(np.int64(7)) == 8
    assert computer.model.calls.item() == 0


def test_a_changed_buffer_without_a_rule_is_an_error_that_names_it() -> None:
    with pytest.raises(JobError, match="step 2, leaf 1: buffer calls"):
        counting(None).train(2, 1)


def test_the_global_generators_are_left_as_they_were() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        np.random.random()
        return F.cross_entropy(model(batch[0]), batch[1])

    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    with_loss(loss).train(0, 0)
    assert (np.random.get_state()[1] == before).all()


def test_rng_gives_each_leaf_its_own_stream() -> None:
    seen = []

    def loss(self: Job, model: Module, batch: Any) -> Any:
        seen.append(float(self.rng.random()))
        return F.cross_entropy(model(batch[0]), batch[1])

    computer = with_loss(loss)
    for leaf in (0, 1, 0):
        computer.train(0, leaf)
    assert seen[0] == seen[2] != seen[1]


class Noisy:
    """Samples with keyed noise."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> Any:
        return keyed.rng().normal(size=6), index % CLASSES


def test_a_samples_noise_depends_on_its_epoch_but_not_on_its_leaf() -> None:
    seen: dict[tuple[int, int], dict[bytes, None]] = {}

    class Augmented(Classify):
        def train_data(self) -> Any:
            return Noisy()

        def order(self, n: int, epoch: int) -> Any:
            return np.arange(n)

        def loss(self, model: Module, batch: Any) -> Any:
            seen[self.step, self.micro_batches] = batch[0]._array.tobytes()
            return F.cross_entropy(model(batch[0]), batch[1])

    one, four = Augmented(micro_batches=1), Augmented(micro_batches=4)
    for job, leaf in ((one, 0), (four, 0)):
        computer = LeafComputer(job)
        for step in (0, 4):  # the same samples, in epoch 0 and 1
            computer.train(step, leaf)
    assert seen[0, 1].startswith(seen[0, 4])
    assert seen[0, 4] != seen[4, 4]


# ------------------------------------------------------------------------- what a leaf may not do


def test_changing_weights_inside_loss_is_an_error_that_says_where() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        next(model.parameters())._array[...] += 1
        return F.cross_entropy(model(batch[0]), batch[1])

    computer = with_loss(loss)
    with pytest.raises(JobError, match=r"weights were changed inside loss \(test_leaf.py, line"):
        computer.train(0, 0)


def test_putting_a_new_array_into_a_parameter_is_an_error_too() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        parameter = next(model.parameters())
        parameter._array = parameter._array + 1
        return F.cross_entropy(model(batch[0]), batch[1])

    computer = with_loss(loss)
    with pytest.raises(JobError, match="weights were changed inside loss"):
        computer.train(0, 0)


def test_weights_are_intact_after_a_leaf_tried_to_change_them() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        result = F.cross_entropy(model(batch[0]), batch[1])
        if self.step == 1:
            parameter = next(model.parameters())
            parameter._array = parameter._array + 1
        return result

    computer = with_loss(loss)
    before = bits(computer.train(0, 0))
    with pytest.raises(JobError):
        computer.train(1, 0)
    assert bits(computer.train(0, 0)) == before


def test_an_exception_in_loss_keeps_the_users_traceback_and_says_which_leaf() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        raise ZeroDivisionError("of mine")

    with pytest.raises(LeafError) as caught:
        with_loss(loss).train(3, 1)
    error = caught.value
    assert (error.step, error.phase, error.leaf) == (3, "train", 1)
    assert str(error) == "step 3, leaf 1: ZeroDivisionError: of mine"
    assert error.trace.count("File ") == 1
    assert Path(__file__).name in error.trace


def test_an_exception_in_evaluation_says_so() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        raise ValueError("of mine")

    with pytest.raises(LeafError, match="evaluation after step 3, leaf 1: ValueError: of mine"):
        with_loss(loss).evaluate(3, 1)


def test_a_label_out_of_range_is_one_clear_line() -> None:
    class Wrong(Classify):
        def train_data(self) -> Any:
            return TensorDataset(np.zeros((8, 6)), np.full(8, CLASSES))

    with pytest.raises(JobError, match=r"step 0, leaf 0: a label is out of range \(jobs.py, line"):
        LeafComputer(Wrong(batch_size=8)).train(0, 0)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda logits: logits.sum(1), r"not a tensor of shape \(4,\)"),
        (lambda logits: 1.5, "not float"),
        (lambda logits: None, "not NoneType"),
        (lambda logits: (logits.sum(), -1), "weight -1.0; it must be finite and >= 0"),
        (lambda logits: (logits.sum(), float("nan")), "weight nan"),
        (lambda logits: (logits.sum(), None), "a weight is a number, not NoneType"),
        (lambda logits: (logits.sum(), 1, 2), "not 3 values"),
        (lambda logits: logits.detach().mean(), "does not depend on any parameter"),
    ],
)
def test_a_loss_that_cannot_be_used_is_refused_in_words(returned: Any, words: str) -> None:
    computer = with_loss(lambda self, model, batch: returned(model(batch[0])))
    with pytest.raises(JobError, match=words):
        computer.train(0, 0)


def test_a_loss_that_calls_backward_is_told_not_to() -> None:
    def loss(self: Job, model: Module, batch: Any) -> Any:
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        return F.cross_entropy(model(batch[0]), batch[1])

    with pytest.raises(JobError, match="called backward"):
        with_loss(loss).train(0, 0)


def test_a_batch_without_a_tensor_needs_a_weight() -> None:
    class Texts(Classify):
        def collate(self, samples: list[Any]) -> Any:
            return ["text"] * len(samples)

        def loss(self, model: Module, batch: Any) -> Any:
            return next(model.parameters()).sum()

    with pytest.raises(JobError, match=r"return \(sum, weight\)"):
        LeafComputer(Texts()).train(0, 0)


# ------------------------------------------------------------------------------ building a job


class DataLoader:
    """What a PyTorch user might return."""

    dataset: tuple[int, ...] = ()
    batch_size = 4

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return index


@pytest.mark.parametrize(
    ("method", "result", "words"),
    [
        ("model", lambda: object(), "must return an nn.Module, not object"),
        ("model", lambda: Sequential(), "without parameters"),
        ("model", lambda: Linear(6, CLASSES).requires_grad_(False), "all frozen"),
        ("train_data", DataLoader, "returned a DataLoader; return its dataset"),
        ("train_data", lambda: iter([1]), r"len\(data\) and data\[i\]"),
        ("train_data", lambda: None, "not NoneType"),
        ("train_data", list, "empty dataset"),
        ("eval_data", DataLoader, "eval_data returned a DataLoader"),
    ],
)
def test_a_job_that_cannot_be_trained_is_refused_in_words(
    method: str, result: Any, words: str
) -> None:
    job = type("Bad", (Classify,), {method: lambda self: result()})
    with pytest.raises(JobError, match=words):
        LeafComputer(job())


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (lambda n: range(n - 1), "must return 64 indices"),
        (lambda n: [0.5] * n, "must return 64 indices"),
        (lambda n: range(1, n + 1), "from 0 to 63"),
        (lambda n: range(-1, n - 1), "from 0 to 63"),
    ],
)
def test_an_order_that_is_none_is_refused_in_words(order: Any, words: str) -> None:
    job = type("Bad", (Classify,), {"order": lambda self, n, epoch: order(n)})
    with pytest.raises(JobError, match=words):
        LeafComputer(job()).train(0, 0)


def test_the_model_starts_from_the_seed_and_in_the_jobs_dtype() -> None:
    def first(**settings: Any) -> np.ndarray:
        return LeafComputer(Classify(**settings)).vectors[settings.get("dtype", "float64")]

    assert first(seed=1).tobytes() == first(seed=1).tobytes() != first(seed=2).tobytes()
    assert first(dtype="float32").dtype == np.float32


# -------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (None, 0),
        ([], 0),
        (wrap(np.zeros((3, 2))), 3),
        ({"text": ["a"], "x": wrap(np.zeros((5, 2)))}, 5),
        (("a", [np.zeros(4), wrap(np.zeros(2))]), 4),
        (wrap(np.zeros(())), None),
        (["a", "b"], None),
    ],
)
def test_a_batch_is_counted_by_its_first_tensor(batch: Any, expected: int | None) -> None:
    assert rows(batch) == expected


def test_casting_keeps_containers_integers_and_everything_else() -> None:
    batch = {"x": [np.zeros(2, np.float32), "text"], "y": (wrap(np.zeros(2, np.int64)), None)}
    result = cast(batch, "float64")
    assert result["x"][0].dtype == np.float64
    assert result["x"][1] == "text"
    assert isinstance(result["y"], tuple)
    assert result["y"][0] is batch["y"][0]


def test_a_collate_of_ones_own_gets_the_samples() -> None:
    seen = []

    class Own(Classify):
        def collate(self, samples: list[Any]) -> Any:
            seen.append(len(samples))
            return default_collate(samples)

    LeafComputer(Own()).train(0, 0)
    assert seen == [4]
