"""DataLoader: batches of a dataset, for a training loop of one's own.

Nothing of a job uses it: a job's samples are handed out by the service.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from dtrain.data.collate import default_collate, default_convert
from dtrain.data.dataset import Dataset, IterableDataset
from dtrain.data.fetchers import Reading
from dtrain.data.passes import DirectPass, PooledPass
from dtrain.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from dtrain.data.worker import get_worker_info
from dtrain.random import Generator

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T = TypeVar("T", covariant=True)

FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class DataLoader(Generic[T]):
    """Batches of a dataset; every `for batch in loader` is one pass over it.

        batch_size          samples of a batch; None: single samples, not collated
        shuffle             another order each pass: PyTorch's, for the same seed
        sampler             indices in an order of one's own
        batch_sampler       lists of indices, in place of the three above and drop_last
        num_workers         processes that read ahead; 0: read in this process
        collate_fn          a list of samples -> a batch (or one sample -> what to give)
        drop_last           leave out a last batch that is short
        timeout             seconds to wait for a batch of the workers; 0: no limit
        worker_init_fn      called in each worker with its number, before it reads
        multiprocessing_context   how workers start: "fork", "spawn", ...; None: Python's default
        generator           where the order and the workers' seeds come from
        prefetch_factor     batches that each worker reads ahead; by default 2
        persistent_workers  keep the workers for the next pass
        in_order            False: give batches as they are ready
        pin_memory, pin_memory_device   mean nothing on a CPU, and are ignored

    Each worker has a copy of the dataset, and seeds `random`, NumPy's and dtrain's generators as
    PyTorch's does. With "fork" nothing is pickled but batches; with "spawn" the dataset and the
    functions are, so they must be defined at the top of a module.

    Raises:  ValueError for options that exclude each other or are out of range, as in PyTorch; in
             a pass, what the dataset or collate_fn raises (from a worker: an exception of the same
             class, with its traceback as message), and RuntimeError when a worker dies.
    Warns:   of more workers than processors.
    Source:  torch.utils.data.DataLoader (2.13).
    """

    dataset: Dataset[T]
    _is_complete = False

    def __init__(
        self,
        dataset: Dataset[T],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _require_worker_options(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.generator = generator
        self.persistent_workers = persistent_workers

        is_iterable = isinstance(dataset, IterableDataset)
        if is_iterable:
            _require_no_order(shuffle, sampler, batch_sampler)
        _require_one_order(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            sampler = _default_sampler(dataset, is_iterable, bool(shuffle), generator)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        plain = default_convert if batch_sampler is None else default_collate
        self.collate_fn: Callable[[Any], Any] = collate_fn or plain
        self._length_said: int | None = None  # what `len` of an iterable dataset was, if asked
        self._pass: PooledPass | None = None
        self._is_complete = True
        _warn_of_workers(num_workers)

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes are started, or None for Python's default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self._context = None if context is None else _context(context, self.num_workers)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_complete and name in FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if not self.num_workers:
            return DirectPass(self)
        if not self.persistent_workers:
            return PooledPass(self)
        if self._pass is None or self._pass.is_closed:
            self._pass = PooledPass(self)
        else:
            self._pass.restart(self)
        return self._pass

    def __len__(self) -> int:
        """Batches of a pass; of an IterableDataset, as its own length says, if it has one."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        self._length_said = n = len(self.dataset)  # type: ignore[arg-type]  # TypeError if none
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    @property
    def _reading(self) -> Reading:
        batched = self.batch_sampler is not None
        return Reading(self.dataset, batched, self.collate_fn, self.drop_last)


class _Endless(Sampler[None]):
    """For an IterableDataset, whose samples have no index and which ends by itself."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


def _default_sampler(
    dataset: Any, is_iterable: bool, shuffle: bool, generator: Generator | None
) -> Sampler[Any]:
    if is_iterable:
        return _Endless()
    return RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)


def _require_worker_options(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing. Let num_workers > "
            "0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _require_no_order(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {
        "shuffle": shuffle if shuffle not in (False, None) else None,
        "sampler": sampler,
        "batch_sampler": batch_sampler,
    }
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )


def _require_one_order(
    batch_size: int | None, shuffle: bool, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                "drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _context(context: Any, num_workers: int) -> Any:
    """A start method by its name, or a context as it is."""
    import multiprocessing
    from multiprocessing.context import BaseContext

    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > "
            f"0), but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context


def _warn_of_workers(num_workers: int) -> None:
    has_affinity = hasattr(os, "sched_getaffinity")  # macOS has not
    processors = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    if num_workers > processors:
        warnings.warn(
            f"This DataLoader will create {num_workers} worker processes in total. Our suggested "
            f"max number of worker in current system is {processors}, which is smaller than what "
            "this DataLoader is going to create. More workers than processors make loading slower.",
            stacklevel=3,
        )
