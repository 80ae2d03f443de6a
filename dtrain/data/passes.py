"""One pass over a DataLoader: read in this process, or by worker processes."""

import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dtrain.data.fetchers import fetcher
from dtrain.data.sampler import draw_seed
from dtrain.data.turns import Turns
from dtrain.data.worker import Batch, Failure, Orders, Task

if TYPE_CHECKING:
    from dtrain.data.dataloader import DataLoader


class Pass(Iterator[Any]):
    """What `iter(loader)` returns. Making it draws one seed from the loader's generator."""

    def __init__(self, loader: "DataLoader[Any]") -> None:
        self._reading = loader._reading
        self._sampler = loader._index_sampler
        self._workers = loader.num_workers
        self._indices = iter(self._sampler)
        # PyTorch draws it here also where no worker needs it; the numbers after it must agree.
        self._base_seed = draw_seed(loader.generator)
        self._start(loader)

    def _start(self, loader: "DataLoader[Any]") -> None:
        self._length_said = loader._length_said
        self._given = 0

    def _next(self) -> Any:
        """The next batch. Raises StopIteration after the last."""
        raise NotImplementedError

    def __next__(self) -> Any:
        batch = self._next()
        self._given += 1
        if self._length_said is not None and self._given > self._length_said:
            self._warn_of_length()
        return batch

    def __len__(self) -> int:
        return len(self._sampler)

    def _warn_of_length(self) -> None:
        text = (
            f"Length of IterableDataset {self._reading.dataset} was reported to be "
            f"{self._length_said} (when accessing len(dataloader)), but {self._given} samples have "
            "been fetched."
        )
        if self._workers > 0:
            text += (
                " With worker processes, each has a copy of the dataset; get_worker_info() in its "
                "__iter__ tells which part of the samples a copy is to give."
            )
        warnings.warn(text, stacklevel=3)


class DirectPass(Pass):
    """A pass in which this process reads. Raises what the dataset and collate_fn raise."""

    def __init__(self, loader: "DataLoader[Any]") -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("timeout is for worker processes: it needs num_workers > 0")
        self._fetch = fetcher(self._reading)

    def _next(self) -> Any:
        return self._fetch(next(self._indices))


class PooledPass(Pass):
    """A pass in which worker processes read ahead.

    With persistent workers, `restart` begins the next one. The workers end with the last batch,
    with this object, with the process, or when waiting for them fails.

    Raises what a worker raised, with the worker's traceback as its message; RuntimeError for a
    worker that died, or `timeout` seconds without a batch.
    """

    def __init__(self, loader: "DataLoader[Any]") -> None:
        from dtrain.data.crew import Crew  # multiprocessing is slow to import

        super().__init__(loader)
        self._persistent = loader.persistent_workers
        self._timeout_s = loader.timeout or None
        self._crew = Crew(
            loader.multiprocessing_context,
            [
                Orders(self._reading, self._base_seed, loader.worker_init_fn, i, self._workers)
                for i in range(self._workers)
            ],
        )
        weakref.finalize(self, self._crew.close)
        self._number = -1
        self.restart(loader)

    @property
    def is_closed(self) -> bool:
        """Whether the workers have ended."""
        return self._crew.is_closed

    def restart(self, loader: "DataLoader[Any]") -> None:
        """Begin to read from the beginning, whatever is still under way."""
        self._start(loader)
        self._indices = iter(self._sampler)
        self._number += 1
        ahead = loader.prefetch_factor or 0
        self._turns = Turns(self._workers, ahead, loader.in_order)
        for _ in range(ahead * self._workers):
            self._assign()

    def _next(self) -> Any:
        while self._turns.is_waiting():
            self._take_in()
        if self._turns.is_over():
            if not self._persistent:
                self._crew.close()
            raise StopIteration
        batch = self._turns.hand_out()
        self._assign()
        if isinstance(batch, Failure):
            raise batch.exception()
        return batch

    def _assign(self) -> None:
        """Let a worker read one more batch, if there is one."""
        try:
            index = next(self._indices)
        except StopIteration:
            return
        turn = self._turns.next_turn()
        if turn is not None:
            with self._closing_on_error():
                self._crew.send(turn.worker, Task(self._number, turn.number, index))

    def _take_in(self) -> None:
        """Wait for one message of a worker. One that belongs to an earlier pass is dropped."""
        with self._closing_on_error():
            worker, message = self._crew.receive(self._timeout_s)
        if message.pass_number != self._number:
            return
        if isinstance(message, Batch):
            self._turns.arrive(message.number, message.data)
            return
        self._turns.end(worker)
        if not self._persistent:
            self._crew.dismiss(worker)
        self._assign()

    @contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        """Also for Ctrl+C: a message that has come or gone in part cannot be mended."""
        try:
            yield
        except BaseException:
            self._crew.close()
            raise
