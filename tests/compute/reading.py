"""Jobs whose data, or whose loss, do what gets in the way of reading samples ahead, and some that
do not."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np

import dtrain
from dtrain import keyed
from dtrain.autograd.dtypes import float64, set_default_dtype
from dtrain.data import Dataset, TensorDataset
from dtrain.nn import Dropout, Linear, Module, ReLU, Sequential
from tests.compute.jobs import CLASSES, Classify, images

LATE = 2  # the first step that nobody has seen when it begins to be read ahead
PATIENCE_S = 10.0  # for what happens at once, unless something is broken


def is_ahead() -> bool:
    """Whether this is the thread that reads ahead."""
    return threading.current_thread().name == "read"


class Points(Dataset[Any]):
    """Points, each with an offset that the job knows about; who read which is remembered."""

    def __init__(self, job: "Reads") -> None:
        self.job, (self.x, self.y) = job, images(64)
        self.ahead: list[tuple[int, int]] = []  # step, sample
        self.readers = 0
        self.busy = threading.Lock()

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> Any:
        assert self.busy.acquire(blocking=False), "two threads read at a time"
        try:
            if is_ahead():
                self.ahead.append((self.job.step, index))
            return self.x[index] + self.job.offset(index), self.y[index]
        finally:
            self.busy.release()


class Reads(Classify):
    """Dropout, and points that are read one by one."""

    epochs: int = 2
    max_steps: int | None = 6  # of which four are an epoch

    def model(self) -> Module:
        first, last = Linear(6, self.hidden), Linear(self.hidden, CLASSES)
        return Sequential(first, ReLU(), Dropout(0.3), last)

    def train_data(self) -> Any:
        self.points = Points(self)
        return self.points

    def offset(self, index: int) -> Any:
        return keyed.rng().normal(size=6)


class DrawsNumpy(Reads):
    def offset(self, index: int) -> Any:
        return np.random.normal(size=6)


class DrawsPython(Reads):
    def offset(self, index: int) -> Any:
        return random.random()


class DrawsDtrain(Reads):
    def offset(self, index: int) -> Any:
        return dtrain.rand(1).item()


class Swallows(Reads):
    """Takes any failure for a sample without an offset."""

    def offset(self, index: int) -> Any:
        try:
            return dtrain.rand(1).item()
        except BaseException:
            return 0.0


class SeldomNumpy(Reads):
    def offset(self, index: int) -> Any:
        return np.random.random() if self.step == LATE and index % 3 == 0 else 0.0


class SeldomPython(Reads):
    def offset(self, index: int) -> Any:
        return random.gauss(0, 1) if self.step == LATE and index % 3 == 0 else 0.0


class SeldomDtrain(Reads):
    def offset(self, index: int) -> Any:
        return dtrain.randn(1).item() if self.step == LATE and index % 3 == 0 else 0.0


class Reseeds(Reads):
    """Starts the default generator anew in the midst of an epoch."""

    def offset(self, index: int) -> Any:
        if self.step == LATE:
            dtrain.manual_seed(index)
        return 0.0


class LossDraws(Reads):
    def loss(self, model: Module, batch: Any) -> Any:
        return super().loss(model, batch) * (1 + np.random.random())


class LossSeldomDraws(Reads):
    def loss(self, model: Module, batch: Any) -> Any:
        factor = random.random() if self.step == LATE else 0.0
        return super().loss(model, batch) * (1 + factor)


class BothSeldomDraw(SeldomNumpy):
    def loss(self, model: Module, batch: Any) -> Any:
        factor = np.random.random() if self.step == LATE else 0.0
        return super().loss(model, batch) * (1 + factor)


class CollateDraws(Reads):
    def collate(self, samples: list[Any]) -> Any:
        noise = self.rng.normal(size=6)
        return super().collate([(x + noise, y) for x, y in samples])


class ReadsWhere(Reads):
    """Samples that depend on the step and the epoch."""

    def offset(self, index: int) -> Any:
        return 0.01 * self.step + 0.1 * self.epoch


class Logs(Reads):
    def offset(self, index: int) -> Any:
        self.log("index", float(index))
        self.log("seen", float(self.step), weight=2.0)
        return 0.0


class AtOnce(Reads):
    def train_data(self) -> Any:
        return TensorDataset(*images(self.samples))


class Listed(Points):
    def __getitems__(self, indices: list[int]) -> list[Any]:
        noise = keyed.rng().normal(size=6)  # of the leaf
        return [(self.x[i] + noise, self.y[i]) for i in indices]


class LeafsStream(Reads):
    def train_data(self) -> Any:
        return Listed(self)


class Pooled(Reads):
    """A loss that draws, logs and looks around on a thread of its own."""

    def loss(self, model: Module, batch: Any) -> Any:
        if self.step == LATE:
            with ThreadPoolExecutor(1) as pool:
                extra = pool.submit(lambda: self.epoch + dtrain.rand(1).item()).result()
            return super().loss(model, batch) * (1 + extra)
        return super().loss(model, batch)


class Attached(Reads):
    """Data that only the thread which opened them may use, like a connection of sqlite3."""

    def train_data(self) -> Any:
        self.owner = threading.get_ident()
        return super().train_data()

    def offset(self, index: int) -> Any:
        if threading.get_ident() != self.owner:
            raise RuntimeError("objects created in a thread can only be used in that thread")
        return 0.0


class NeedsModel(Reads):
    """Samples that depend on the weights."""

    def model(self) -> Module:
        self.net = super().model()
        return self.net

    def offset(self, index: int) -> Any:
        with dtrain.no_grad():
            return float(self.net[0].weight.sum().item()) if self.step == LATE else 0.0


class ChangesDtype(Reads):
    def offset(self, index: int) -> Any:
        if self.step == LATE:
            set_default_dtype(float64)
        return 0.0

    def loss(self, model: Module, batch: Any) -> Any:
        return super().loss(model, batch) * dtrain.tensor(1 / 3)


class LossChangesDtype(Reads):
    def loss(self, model: Module, batch: Any) -> Any:
        if self.step == LATE:
            set_default_dtype(float64)
        return super().loss(model, batch) * dtrain.tensor(1 / 3)


class Waits(Reads):
    """A loss that computes when the next leaf's samples have been read, if they are being read."""

    prefetch: ClassVar[Any] = None  # the computer's

    def loss(self, model: Module, batch: Any) -> Any:
        beside = None if self.prefetch is None else self.prefetch._stretch
        self.beside.append(beside is not None)
        assert beside is None or beside.done.wait(PATIENCE_S)
        return super().loss(model, batch)

    def train_data(self) -> Any:
        self.beside: list[bool] = []
        return super().train_data()


class Refilled(Points):
    """Each sample is in the same memory as the one before."""

    def __init__(self, job: "Reads") -> None:
        super().__init__(job)
        self.buffer = np.empty(6)

    def __getitem__(self, index: int) -> Any:
        self.buffer[:] = self.x[index]
        return self.buffer, self.y[index]


class Retaken(Refilled):
    """Each batch is in the same memory as the one before."""

    def take(self, at: Any) -> Any:
        self.buffer.resize((4, 6), refcheck=False)
        batch = np.take(self.x, at, axis=0, out=self.buffer[: len(at)])
        return [dtrain.from_numpy(batch), dtrain.from_numpy(self.y[at])]


class Retakes(Waits):
    def train_data(self) -> Any:
        super().train_data()
        return Retaken(self)


class Refills(Waits):
    """Leaves of one sample, whose memory is the batch's too."""

    batch_size: int = 4
    max_steps: int | None = 20

    def train_data(self) -> Any:
        super().train_data()
        return Refilled(self)

    def collate(self, samples: list[Any]) -> Any:
        if len(samples) > 1:  # of an evaluation
            return super().collate(samples)
        [(x, y)] = samples
        return dtrain.from_numpy(x[None]), dtrain.tensor([int(y)])


class Box:
    """A type that nobody knows."""

    def __init__(self, content: Any) -> None:
        self.content = content


class Boxed(Refilled):
    def __getitem__(self, index: int) -> Any:
        return Box(super().__getitem__(index))


class RefillsBoxes(Refills):
    def train_data(self) -> Any:
        super().train_data()
        return Boxed(self)

    def collate(self, samples: list[Any]) -> Any:
        boxed = isinstance(samples[0], Box)
        return super().collate([samples[0].content] if boxed else samples)


class Viewed(Points):
    def __getitem__(self, index: int) -> Any:
        return self.x[index], self.y[index]


class ChangesSamples(Refills):
    """A loss that writes into what it is given, which is the data's own memory."""

    def train_data(self) -> Any:
        super().train_data()
        return Viewed(self)

    def loss(self, model: Module, batch: Any) -> Any:
        self.change(batch[0])
        return super().loss(model, batch)

    def change(self, x: Any) -> None:
        x.mul_(0.5)


class ClipsSamples(ChangesSamples):
    """The same, but a second time changes nothing."""

    def change(self, x: Any) -> None:
        x.clamp_(-1, 1)


STILL = [Reads, ReadsWhere, Logs, AtOnce, CollateDraws]  # nothing in the way of reading ahead
DRAWING = [
    DrawsNumpy, DrawsPython, DrawsDtrain, Swallows, SeldomNumpy, SeldomPython, SeldomDtrain,
    Reseeds, LossDraws, LossSeldomDraws, BothSeldomDraw, LeafsStream, Pooled, Attached, NeedsModel,
    ChangesDtype, LossChangesDtype,
]  # fmt: skip
REUSING = [Retakes, Refills, ClipsSamples]  # memory: what they read is copied
