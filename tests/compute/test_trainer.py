"""Two versions of the weights, and one optimizer step for each root."""

from typing import Any, ClassVar

import numpy as np
import pytest

from dtrain import optim
from dtrain.digest import digest
from dtrain.errors import JobError, NonFiniteError
from dtrain.gradsum import ChunkSum, GradSum, TailSum
from dtrain.leaf import LeafComputer
from dtrain.nn import Linear, Module
from dtrain.nn.updates import Count
from dtrain.optim import SGD, Optimizer
from dtrain.trainer import Trainer
from dtrain.tree import fold, root
from tests.compute.jobs import Branching, Classify, Tokens, trained, trainer_of
from tests.compute.test_leaf import bits, counting
from tests.optim.samples import SAMPLES


def root_of(trainer: Trainer) -> GradSum:
    computer, step = trainer.computer, trainer.version
    leaves = computer.schedule.leaves(step)
    return fold(root(leaves), leaves, lambda leaf: computer.train(step, leaf))


def all_leaves(trainer: Trainer, step: int) -> list[Any]:
    computer = trainer.computer
    return [bits(computer.train(step, k)) for k in range(computer.schedule.leaves(step))]


class WholeTensors(SGD):
    """SGD that insists on whole tensors, and on their shapes."""

    scope: ClassVar[Any] = "tensor"
    shapes: ClassVar[set[tuple[int, ...]]] = set()

    def update(self, w: Any, g: Any, out: Any, slots: Any, t: int, group: Any) -> None:
        self.shapes.add(w.shape)
        super().update(w, g, out, slots, t, group)


class Whole(Classify):
    def optimizer(self, model: Module) -> Optimizer:
        return WholeTensors(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)


# -------------------------------------------------------------------------------- two versions


def test_weights_of_s_are_untouched_after_chunk_40_was_stepped() -> None:
    trainer, _ = trained(Classify(chunk_elements=16, hidden=64), steps=2)
    total = root_of(trainer)
    assert len(trainer.computer.layout.chunks) > 41
    leaves, before = all_leaves(trainer, 2), trainer.digest()
    for index in range(41):
        assert trainer.apply(index, total.parts[index]) == [index]
    changed = [i for i in range(41) if (trainer.weights(3, i) != trainer.weights(2, i)).any()]
    assert len(changed) > 30
    assert all_leaves(trainer, 2) == leaves
    assert trainer.digest() == before


def test_the_next_version_is_there_as_soon_as_a_chunk_is_written() -> None:
    trainer, _ = trained(Classify(chunk_elements=16), steps=1)
    total = root_of(trainer)
    trainer.apply(3, total.parts[3])
    assert (trainer.weights(2, 3) != trainer.weights(1, 3)).any()
    with pytest.raises(AssertionError, match="part 0 of version 2 is not there"):
        trainer.weights(2, 0)


def test_a_version_that_was_overwritten_cannot_be_read() -> None:
    trainer, _ = trained(Classify(), steps=2)
    with pytest.raises(AssertionError, match="version 2 is committed"):
        trainer.weights(1, 0)


def test_weights_are_handed_out_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        trainer_of(Classify()).weights(0, 0)[0] = 1.0


def test_applying_a_chunk_twice_is_our_bug() -> None:
    trainer = trainer_of(Classify())
    total = root_of(trainer)
    trainer.apply(0, total.parts[0])
    with pytest.raises(AssertionError, match="part 0 is applied twice in step 0"):
        trainer.apply(0, total.parts[0])


def test_committing_without_a_part_is_our_bug() -> None:
    trainer = trainer_of(Classify())
    trainer.apply(0, root_of(trainer).parts[0])
    with pytest.raises(AssertionError, match=r"step 0 is committed without parts \[1\]"):
        trainer.commit()


def test_parts_may_come_in_any_order() -> None:
    forward, backward = (trainer_of(Classify(chunk_elements=16)) for _ in range(2))
    for trainer, step in ((forward, 1), (backward, -1)):
        total = root_of(trainer)
        for index in range(len(total.parts))[::step]:
            trainer.apply(index, total.parts[index])
        trainer.commit()
    assert forward.digest() == backward.digest()


# --------------------------------------------------------------------------------- chunks, scopes


@pytest.mark.parametrize("chosen", ["momentum", "adam", "adamw"])
@pytest.mark.parametrize("chunk_elements", [16, 48, 112])
def test_the_size_of_chunks_changes_no_bit(chosen: str, chunk_elements: int) -> None:
    usual, _ = trained(Classify(chosen=chosen), steps=4)
    small, _ = trained(Classify(chosen=chosen, chunk_elements=chunk_elements), steps=4)
    assert small.digest() == usual.digest()


@pytest.mark.parametrize(("name", "options"), SAMPLES, ids=str)
def test_every_optimizer_gives_the_same_bits_for_any_size_of_chunks(
    name: str, options: dict[str, Any]
) -> None:
    class Chosen(Classify):
        def optimizer(self, model: Module) -> Optimizer:
            made: Optimizer = getattr(optim, name)(model.parameters(), **options)
            return made

    digests = {trained(Chosen(chunk_elements=n), steps=4)[0].digest() for n in (16, 112)}
    assert len(digests) == 1


def test_an_optimizer_of_whole_tensors_waits_for_all_chunks() -> None:
    trainer = trainer_of(Whole(chunk_elements=16))
    total = root_of(trainer)
    chunks = range(len(trainer.computer.layout.chunks))
    written = [trainer.apply(i, total.parts[i]) for i in chunks]
    assert written == [[]] * (len(chunks) - 1) + [list(chunks)]


def test_an_optimizer_of_whole_tensors_sees_their_shapes() -> None:
    WholeTensors.shapes.clear()
    trained(Whole(chunk_elements=16), steps=1)
    assert WholeTensors.shapes == {(8, 6), (8,), (4, 8), (4,)}


def test_an_optimizer_of_whole_tensors_steps_as_by_slices() -> None:
    by_slices, _ = trained(Classify(), steps=4)
    whole, _ = trained(Whole(chunk_elements=16), steps=4)
    assert whole.digest() == by_slices.digest()


# ----------------------------------------------------------------- unreached, frozen, weight zero


def state_after(job: Branching, steps: int) -> dict[str, np.ndarray]:
    return trained(job, steps)[0].state_dict()


@pytest.mark.parametrize("chosen", ["momentum", "adam", "adamw"])
def test_an_unreached_parameter_stays_untouched(chosen: str) -> None:
    one, two = (state_after(Branching(chosen=chosen), steps) for steps in (1, 2))
    changed = {name for name in one if (one[name] != two[name]).any()}
    assert changed == {"always.weight", "always.bias"}


def test_a_steps_count_only_where_a_parameter_was_reached() -> None:
    trainer, _ = trained(Branching(chosen="adam"), steps=3)
    names = [p.name for p in trainer.computer.layout.parameters]
    counts = dict(zip(names, trainer.updates, strict=True))
    assert (counts["always.weight"], counts["seldom.weight"], counts["scale"]) == (3, 2, 0)


def test_an_update_is_numbered_by_how_often_its_parameter_was_reached() -> None:
    numbers: list[tuple[int, int]] = []  # (elements, t)

    class Noting(SGD):
        def update(self, w: Any, g: Any, out: Any, slots: Any, t: int, group: Any) -> None:
            numbers.append((w.size, t))
            super().update(w, g, out, slots, t, group)

    class Noted(Branching):
        def optimizer(self, model: Module) -> Optimizer:
            layers = dict(model.named_parameters())
            return Noting([layers["always.weight"], layers["seldom.bias"]], lr=0.1)

    trained(Noted(), steps=3)
    assert [t for size, t in numbers if size == 24] == [1, 2, 3]
    assert [t for size, t in numbers if size == 4] == [1, 2]


def test_a_frozen_parameter_is_in_the_digest_but_not_in_a_gradient() -> None:
    trainer, _ = trained(Branching(), steps=1)
    layout = trainer.computer.layout
    [frozen] = layout.frozen
    assert trainer.weights(1, frozen.index)[:4].tolist() == [1.5] * 4
    assert list(trainer.state_dict()).count("scale") == 1
    assert frozen.vector not in layout.allocate_gradients()


def test_a_root_of_weight_zero_leaves_weights_and_state_as_they_are() -> None:
    trainer, [record] = trained(Tokens(ignored=1.0), steps=1)
    untouched = trainer_of(Tokens(ignored=1.0))
    assert record.weight == 0.0
    assert np.isnan(record.loss)
    assert trainer.digest() == untouched.digest()
    assert trainer.updates == [0, 0, 0, 0]


def test_a_parameter_that_the_optimizer_was_not_given_stays() -> None:
    class Half(Classify):
        def optimizer(self, model: Module) -> Optimizer:
            return SGD(list(model.parameters())[:2], lr=0.1)

    before, after = (trained(Half(), steps)[0].state_dict() for steps in (0, 1))
    assert [name for name in before if (before[name] != after[name]).any()] == [
        "0.weight",
        "0.bias",
    ]


def test_groups_have_options_of_their_own() -> None:
    class Grouped(Classify):
        def optimizer(self, model: Module) -> Optimizer:
            first, *rest = model.parameters()
            return SGD([{"params": [first], "lr": 0.0}, {"params": rest}], lr=0.1)

    before, after = (trained(Grouped(), steps)[0].state_dict() for steps in (0, 1))
    same = [name for name in before if (before[name] == after[name]).all()]
    assert same == ["0.weight"]


# ------------------------------------------------------------------------------ what it reports


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_not_finite_names_step_and_parameter(value: float) -> None:
    trainer, _ = trained(Classify(), steps=2)
    part = root_of(trainer).parts[0]
    assert isinstance(part, ChunkSum)
    place = trainer.computer.layout.parameters[2]
    part.grad[place.start + 1] = value
    with pytest.raises(NonFiniteError, match=r"step 2: the gradient of 2\.weight is not finite"):
        trainer.apply(0, part)


def test_buffers_of_the_next_version_wait_for_the_tail() -> None:
    trainer = Trainer(counting("count"))
    with pytest.raises(AssertionError, match="is not there"):
        trainer.buffers(1)
    trainer.apply(1, TailSum(1.0, 0.0, 1, buffers={0: Count.of(3)}))
    assert trainer.buffers(0)[0] == 0
    assert trainer.buffers(1)[0] == 3


def test_buffers_are_committed_with_the_weights() -> None:
    trainer = Trainer(counting("count"))
    leaves = trainer.computer.schedule.leaves(0)
    for index, part in enumerate(root_of(trainer).parts):
        trainer.apply(index, part)
    assert trainer.computer.model.calls.item() == 0
    trainer.commit()
    assert trainer.computer.model.calls.item() == leaves
    assert trainer.state_dict()["calls"] == leaves


def test_a_step_reports_means_counts_and_rate() -> None:
    _, [record] = trained(Classify(), steps=1)
    assert (record.step, record.epoch, record.weight, record.samples) == (0, 0, 16.0, 16)
    assert record.lr == 0.1
    assert 0 < record.loss < 5
    assert 0 <= record.logs["accuracy"] <= 1


def test_the_digest_is_that_of_the_state_dict() -> None:
    trainer, _ = trained(Classify(), steps=3)
    assert trainer.digest() == digest(trainer.state_dict())


def test_a_state_dict_is_a_copy_that_later_steps_do_not_change() -> None:
    trainer, _ = trained(Classify(), steps=1)
    state = trainer.state_dict()
    before = digest(state)
    for _ in range(2):
        for index, part in enumerate(root_of(trainer).parts):
            trainer.apply(index, part)
        trainer.commit()
    assert digest(state) == before != trainer.digest()


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (lambda model: None, "not NoneType"),
        (lambda model: [SGD(model.parameters())] * 2, "exactly one"),
        (lambda model: SGD(Linear(2, 2).parameters()), "not the model's"),
    ],
)
def test_an_optimizer_that_cannot_be_used_is_refused_in_words(optimizer: Any, words: str) -> None:
    job = type("Bad", (Classify,), {"optimizer": lambda self, model: optimizer(model)})
    with pytest.raises(JobError, match=words):
        Trainer(LeafComputer(job()))
