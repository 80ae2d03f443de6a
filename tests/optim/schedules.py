"""Every schedule of `dtrain.optim.lr_scheduler`, with options for each branch of its rule.

A schedule is made from a module of schedulers, dtrain's or PyTorch's, and an optimizer.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple


class Schedule(NamedTuple):
    """How a scheduler is made, and whether it says where it is in closed form too."""

    name: str
    make: Callable[[Any, Any], Any]
    has_closed_form: bool = False


class Counted:
    """A function that is an object: its attributes go into a `state_dict`."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.calls = 0

    def __call__(self, n: float) -> float:
        self.calls += 1
        return float(self.factor**n)


def halves(n: int) -> float:
    return 0.5 ** (n // 10)


def wave(n: int) -> float:
    return 1.0 + 0.1 * math.sin(n)


def warm_then_cosine(s: Any, o: Any) -> Any:
    members = [s.LinearLR(o, 0.1, total_iters=10), s.CosineAnnealingLR(o, 40)]
    return s.SequentialLR(o, members, milestones=[10])


def three_in_a_row(s: Any, o: Any) -> Any:
    members = [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9), s.StepLR(o, 4, 0.5)]
    return s.SequentialLR(o, members, milestones=[7, 30])


def nested(s: Any, o: Any) -> Any:
    inner = s.SequentialLR(o, [s.ConstantLR(o, 0.5, 3), s.ExponentialLR(o, 0.9)], milestones=[4])
    return in_sequence(s, o, [inner, s.PolynomialLR(o, 50, 2.0)], 25)


def chained(s: Any, o: Any) -> Any:
    return s.ChainedScheduler([s.ConstantLR(o, 0.1, 20), s.ExponentialLR(o, 0.9)])


def chained_in_sequence(s: Any, o: Any) -> Any:
    both = s.ChainedScheduler([s.LinearLR(o, 0.25), s.StepLR(o, 3, 0.9)], optimizer=o)
    return in_sequence(s, o, [both, s.ExponentialLR(o, 0.95)], 12)


def in_sequence(s: Any, o: Any, members: list[Any], milestone: int) -> Any:
    """Members of members are stepped once more when they are put in a sequence, with a warning:
    so in PyTorch, and here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        return s.SequentialLR(o, members, milestones=[milestone])


SCHEDULES = [
    Schedule("LambdaLR", lambda s, o: s.LambdaLR(o, halves)),
    Schedule("LambdaLR", lambda s, o: s.LambdaLR(o, [Counted(0.9) for _ in o.param_groups])),
    Schedule("MultiplicativeLR", lambda s, o: s.MultiplicativeLR(o, wave)),
    Schedule(
        "MultiplicativeLR", lambda s, o: s.MultiplicativeLR(o, [wave for _ in o.param_groups])
    ),
    Schedule("StepLR", lambda s, o: s.StepLR(o, 7), True),
    Schedule("StepLR", lambda s, o: s.StepLR(o, step_size=3, gamma=0.9), True),
    Schedule("MultiStepLR", lambda s, o: s.MultiStepLR(o, [5, 20, 20, 60]), True),
    Schedule("MultiStepLR", lambda s, o: s.MultiStepLR(o, range(0, 90, 9), gamma=0.8), True),
    Schedule("ConstantLR", lambda s, o: s.ConstantLR(o), True),
    Schedule("ConstantLR", lambda s, o: s.ConstantLR(o, factor=0.5, total_iters=40), True),
    Schedule("LinearLR", lambda s, o: s.LinearLR(o), True),
    Schedule("LinearLR", lambda s, o: s.LinearLR(o, 0.9, 0.1, total_iters=50), True),
    Schedule("ExponentialLR", lambda s, o: s.ExponentialLR(o, 0.97), True),
    Schedule("PolynomialLR", lambda s, o: s.PolynomialLR(o), True),
    Schedule("PolynomialLR", lambda s, o: s.PolynomialLR(o, total_iters=80, power=2.5), True),
    Schedule("CosineAnnealingLR", lambda s, o: s.CosineAnnealingLR(o, 100), True),
    Schedule("CosineAnnealingLR", lambda s, o: s.CosineAnnealingLR(o, 15, eta_min=0.01), True),
    Schedule("CosineAnnealingWarmRestarts", lambda s, o: s.CosineAnnealingWarmRestarts(o, 9)),
    Schedule(
        "CosineAnnealingWarmRestarts",
        lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=2, eta_min=1e-3),
    ),
    Schedule("CyclicLR", lambda s, o: s.CyclicLR(o, 0.01, 0.1, step_size_up=9)),
    Schedule("CyclicLR", lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, 4, mode="triangular2")),
    Schedule(
        "CyclicLR",
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, 14, "exp_range", 0.98, cycle_momentum=False),
    ),
    Schedule("CyclicLR", lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, scale_fn=Counted(0.7))),
    Schedule(
        "CyclicLR",
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 9, scale_fn=halves, scale_mode="iterations"),
    ),
    Schedule(
        "CyclicLR",
        lambda s, o: s.CyclicLR(
            o,
            base_lr=[0.01 * (i + 1) for i in range(len(o.param_groups))],
            max_lr=[0.2 * (i + 1) for i in range(len(o.param_groups))],
            step_size_up=20,
            base_momentum=0.5,
            max_momentum=0.99,
        ),
    ),
    Schedule("OneCycleLR", lambda s, o: s.OneCycleLR(o, 0.1, total_steps=101)),
    Schedule(
        "OneCycleLR",
        lambda s, o: s.OneCycleLR(o, 0.1, epochs=11, steps_per_epoch=10, anneal_strategy="linear"),
    ),
    Schedule(
        "OneCycleLR",
        lambda s, o: s.OneCycleLR(
            o,
            [0.1 * (i + 1) for i in range(len(o.param_groups))],
            120,
            pct_start=0.4,
            three_phase=True,
            div_factor=10.0,
            final_div_factor=100.0,
            base_momentum=0.5,
        ),
    ),
    Schedule("OneCycleLR", lambda s, o: s.OneCycleLR(o, 0.1, 101, cycle_momentum=False)),
    Schedule("SequentialLR", warm_then_cosine),
    Schedule("SequentialLR", three_in_a_row),
    Schedule("SequentialLR", nested),
    Schedule("SequentialLR", chained_in_sequence),
    Schedule("ChainedScheduler", chained),
    Schedule("ReduceLROnPlateau", lambda s, o: s.ReduceLROnPlateau(o, patience=4)),
    Schedule(
        "ReduceLROnPlateau",
        lambda s, o: s.ReduceLROnPlateau(o, "max", 0.5, 2, 0.05, "abs", cooldown=3, min_lr=0.02),
    ),
    Schedule(
        "ReduceLROnPlateau",
        lambda s, o: s.ReduceLROnPlateau(
            o, "max", 0.5, 2, 0.05, min_lr=[0.01] * len(o.param_groups), eps=1e-2
        ),
    ),
    Schedule(
        "ReduceLROnPlateau",
        lambda s, o: s.ReduceLROnPlateau(o, "min", 0.3, 0, 0.5, "abs", eps=0),
    ),
]

IDS = [f"{schedule.name}-{i}" for i, schedule in enumerate(SCHEDULES)]


def measure(n: int) -> float:
    """What ReduceLROnPlateau gets to see: it falls, rises, and stays."""
    return [2.0 / (n + 1), 0.5 + 0.3 * math.sin(n), 0.25][n // 35 % 3]


def advance(scheduler: Any, n: int) -> None:
    """The n-th step of a scheduler."""
    if "Plateau" in type(scheduler).__name__:
        scheduler.step(measure(n))
    else:
        scheduler.step()


def observed(optimizer: Any) -> list[Any]:
    """What a scheduler may change: rate and momentum of each group."""
    return [
        (float(group["lr"]), group.get("momentum"), group.get("betas"))
        for group in optimizer.param_groups
    ]


def drive(optimizer: Any, scheduler: Any, start: int, stop: int) -> list[Any]:
    """Steps `start` ... `stop` - 1: what was observed after each of them, and `get_last_lr`."""
    seen = []
    for n in range(start, stop):
        optimizer.step()
        advance(scheduler, n)
        seen.append((observed(optimizer), [float(rate) for rate in scheduler.get_last_lr()]))
    return seen
