"""Do one leaf and many leaves give the same mean? If not: what couples samples, or a wrong weight.

    whole    gradient of the batch as one leaf  /  its weight
    parts    sum of the leaves' gradients       /  sum of their weights

In float64 these agree up to rounding for every loss that is a mean over samples, or a sum with the
right weight. The rest is told apart: if the whole is some other combination of the leaves'
gradients, each of them is right, and their weights are not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from dtrain.check.coupling import Call, Recorder, first_coupling
from dtrain.check.split import (
    Hook,
    Sums,
    Watch,
    choose_split,
    random_modules,
    sums,
    twin,
)
from dtrain.errors import DtrainError
from dtrain.job import Job
from dtrain.layout import Array
from dtrain.leaf import LeafComputer
from dtrain.nn import Module

Verdict: TypeAlias = Literal["equal", "coupled", "wrong", "not compared"]

EXACT, ROUGH = 1e-9, 1e-5  # relative differences that are rounding: in float64, in float32
KINDS_MAX = 4  # of modules that couple, each put into evaluation mode in turn


@dataclass(frozen=True)
class Weights:
    """What came of the comparison.

    difference   the largest relative one of mean gradient and loss; of the last comparison, if
                 there were several
    coupled      names and classes of modules that couple samples
    """

    verdict: Verdict
    text: str
    samples: int = 0
    leaves: int = 0
    difference: float | None = None
    coupled: tuple[str, ...] = ()


class Case:
    """A job whose batch is cut in several ways, in one dtype. Raises what `LeafComputer` does.

    split       how; None: there are too few samples
    leaf_size   the job's own, for words
    """

    def __init__(self, job: Job, dtype: str, data: Any = None) -> None:
        first = twin(job, data, dtype=dtype)
        schedule = first.schedule
        self.model, self.data, self.leaf_size = first.model, first.train_data, schedule.leaf_size
        self.split = choose_split(self.leaf_size, schedule.micro_batches, schedule.samples)
        self.tolerance = EXACT if dtype == "float64" else ROUGH
        self.job, self.dtype = job, dtype
        self._computers: dict[int, LeafComputer] = {}

    def sums(self, leaves: int, quiet: Sequence[str], hook: Hook | None = None) -> Sums:
        """The batch as so many leaves."""
        assert self.split is not None, "there is something to compare"
        if leaves not in self._computers:
            cut = {"batch_size": self.split.samples, "micro_batches": leaves, "drop_last": False}
            self._computers[leaves] = twin(self.job, self.data, dtype=self.dtype, **cut)
        return sums(self._computers[leaves], Watch(quiet, hook))

    def both(self, quiet: Sequence[str]) -> tuple[Sums, Sums]:
        """The batch as one leaf, and as many."""
        return self.sums(1, quiet), self.sums(self.leaves, quiet)

    @property
    def leaves(self) -> int:
        """How many are compared with one."""
        return self.split.leaves if self.split else 0


def compare(job: Job, data: Any = None) -> Weights:
    """Compare a batch as one leaf with the same batch as several, in float64.

    data: the job's training data, if they are open already
    A job that cannot compute in float64, or whose batch cannot be cut differently, is compared in
    its own dtype, or not at all; the result says why.
    """
    why = ""
    for dtype in dict.fromkeys(["float64", job.dtype]):
        try:
            case = Case(job, dtype, data)
            if case.split is None:
                return not_compared("train_data has too few samples")
            return replace(_examine(case), samples=case.split.samples, leaves=case.leaves)
        except DtrainError as error:
            why = str(error).strip().splitlines()[-1]
    return not_compared(f"the batch cannot be cut into other leaves: {why}")


def not_compared(why: str) -> Weights:
    """Nothing is known, and why."""
    return Weights("not compared", f"not compared: {why}")


def _examine(case: Case) -> Weights:
    quiet, coupled = random_modules(case.model), list[Call]()
    left_out = _kinds(case.model.get_submodule(name) for name in quiet)
    while True:
        whole, parts = case.both(quiet)
        reason = _incomparable(whole, parts)
        if reason:
            return not_compared(reason)
        if differs(whole, parts) <= ROUGH:
            return _equal(case, differs(whole, parts), left_out, coupled)
        if whole.drew or parts.drew:
            stateless = [name for name, each in case.model.named_modules() if not each._buffers]
            if {*stateless} <= {*quiet}:
                return not_compared("loss draws random numbers, other ones in each leaf")
            quiet, left_out = [*quiet, *stateless], "all modules without buffers"
            continue
        two = case.sums(2, quiet)
        if fits(whole, two, 100 * case.tolerance):
            return _wrong(case, whole, parts)
        call = _find(case, quiet)
        if call is None or call.name in quiet or len(coupled) == KINDS_MAX:
            return _unexplained(case, (whole, two, parts), coupled)
        coupled.append(call)
        quiet = [*quiet, *_alike(case.model, call)]


def _alike(model: Module, call: Call) -> list[str]:
    """The names of all modules of the class of the one that was called."""
    return [name for name, each in model.named_modules() if type(each) is type(call.module)]


def _incomparable(whole: Sums, parts: Sums) -> str | None:
    for each in (whole, parts):
        if not each.weight:
            return "the loss of these samples has weight 0"
        if not (np.isfinite(each.loss_sum) and np.isfinite(each.gradient).all()):
            return "the loss or its gradient is not finite"
    return None


def differs(a: Sums, b: Sums) -> float:
    """The largest difference of mean gradients, relative to the largest element; or of losses."""
    gradients = _relative(a.gradient / a.weight, b.gradient / b.weight)
    losses = _relative(np.array([a.loss_sum / a.weight]), np.array([b.loss_sum / b.weight]))
    return max(gradients, losses)


def fits(whole: Sums, two: Sums, tolerance: float) -> bool:
    """Whether the whole's gradient is a combination of two leaves', with any factors."""
    basis = two.sampled.T
    if np.linalg.matrix_rank(basis) < 2 or np.count_nonzero(basis.any(axis=1)) <= 2:
        return False  # it would say nothing: of these two, or of so few elements, all is made
    target = whole.sampled[0] / whole.weight
    factors = np.linalg.lstsq(basis, target, rcond=None)[0]
    return _relative(target, basis @ factors) <= tolerance


def is_added_once_a_leaf(whole: Sums, two: Sums, parts: Sums) -> bool:
    """Whether the sum grows by the same with each further leaf, as with a penalty in each."""
    leaves = len(parts.sampled)
    if leaves < 3 or not whole.weight == two.weight == parts.weight:
        return False
    one = two.gradient - whole.gradient
    return _relative(one, (parts.gradient - whole.gradient) / (leaves - 1)) <= 1e-6


def _relative(a: Array, b: Array) -> float:
    scale = max(float(np.abs(a).max(initial=0)), float(np.abs(b).max(initial=0)))
    return float(np.abs(a - b).max(initial=0)) / scale if scale else 0.0


def _find(case: Case, quiet: Sequence[str]) -> Call | None:
    """The first module that couples samples."""
    whole, parts = Recorder(), Recorder()
    starts: list[int] = []

    def attach(model: Module) -> None:
        starts.append(len(parts.calls))
        parts.attach(model)

    case.sums(1, quiet, whole.attach)
    case.sums(case.leaves, quiet, attach)
    ends = [*starts[1:], len(parts.calls)]
    leaves = [parts.calls[lo:hi] for lo, hi in zip(starts, ends, strict=True)]
    return first_coupling(whole.calls, leaves, case.tolerance)


# ------------------------------------------------------------------------------------ in words


def _equal(case: Case, difference: float, left_out: str, coupled: Sequence[Call]) -> Weights:
    without = f", with {left_out} in evaluation mode" if left_out else ""
    rough = "" if difference <= EXACT else ", as something computes in float32"
    same = (
        f"1 leaf and {case.leaves} leaves give the same mean gradient in "
        f"{case.dtype}{without} (max difference {difference:.0e}{rough})"
    )
    if not coupled:
        return Weights("equal", f"ok: {same}", difference=difference)
    kinds = " and ".join(dict.fromkeys(type(call.module).__name__ for call in coupled))
    text = f"{_couples(case, coupled)}. With {kinds} in evaluation mode, {same}"
    return Weights("coupled", text, difference=difference, coupled=tuple(map(str, coupled)))


def _couples(case: Case, coupled: Sequence[Call]) -> str:
    who = " and ".join(map(str, coupled))
    return (
        f"{who} couple{'s' if len(coupled) == 1 else ''} the samples of a leaf: what comes out for "
        f"one depends on the others, so the leaf size (batch_size / micro_batches = "
        f"{case.leaf_size}) is part of the model; keep it when you change the batch"
    )


def _wrong(case: Case, whole: Sums, parts: Sums) -> Weights:
    text = (
        f"{_two_losses(whole, parts)}: the weight is not what the mean was divided by. Where "
        f"{type(case.job).__name__}.loss is no mean over the samples of its batch, return "
        "(sum over tokens, number of tokens), and do not divide by micro_batches"
    )
    return Weights("wrong", text, difference=differs(whole, parts))


def _two_losses(whole: Sums, parts: Sums) -> str:
    one, many = whole.loss_sum / whole.weight, parts.loss_sum / parts.weight
    return (
        f"the same samples have the mean loss {one:.6g} as 1 leaf and {many:.6g} as "
        f"{len(parts.sampled)} leaves (relative difference {differs(whole, parts):.0e}, mean "
        "gradient included)"
    )


def _unexplained(case: Case, found: tuple[Sums, Sums, Sums], coupled: Sequence[Call]) -> Weights:
    """Modules that couple also in evaluation mode; or else the loss itself does, or adds."""
    whole, two, parts = found
    if coupled:
        text = f"{_couples(case, coupled)}; the weights could not be compared beside that"
        return Weights("coupled", text, coupled=tuple(map(str, coupled)))
    if is_added_once_a_leaf(whole, two, parts):
        text = (
            f"{_two_losses(whole, parts)}: a term, such as a penalty on the weights, is added "
            "once a leaf to a sum over samples; multiply it by the weight that loss returns"
        )
        return Weights("wrong", text, difference=differs(whole, parts))
    text = (
        f"{_two_losses(whole, parts)}: loss couples the samples of a leaf, as a contrastive loss "
        f"does, so the leaf size (batch_size / micro_batches = {case.leaf_size}) is part of the "
        "model. If it is meant as a mean over samples or tokens, its weight is wrong: return "
        "(sum over tokens, number of tokens)"
    )
    return Weights("coupled", text, difference=differs(whole, parts), coupled=("loss",))


def _kinds(modules: Iterable[Module]) -> str:
    return ", ".join(dict.fromkeys(type(module).__name__ for module in modules))
