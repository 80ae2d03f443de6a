"""`python -m dtrain.check.fresh JOB`: what a fresh process computes for a job, as JSON."""

import argparse
import json
import resource
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import xxhash

from dtrain import jobfile
from dtrain.checked import job_of
from dtrain.errors import DtrainError, ImpureError
from dtrain.gradsum import pack
from dtrain.layout import Array
from dtrain.leaf import LeafComputer
from dtrain.probe import probe

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of a unit of ru_maxrss


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The arguments; `dtrain.check.purity` writes them."""
    parser = argparse.ArgumentParser(prog="python -m dtrain.check.fresh", description=__doc__)
    parser.add_argument("job", help="JOB.py, JOB.py:Class or package.module:Class")
    parser.add_argument("--settings", default="{}", help="JSON")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--backwards", action="store_true", help="in another order, and measure")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Compute, and write what came of it; or what was wrong."""
    options = parse(argv)
    try:
        said = look(options)
    except ImpureError as error:
        said = {"impure": str(error)}
    except DtrainError as error:
        said = {"error": str(error)}
    options.out.write_text(json.dumps(said))
    return 0


def look(options: argparse.Namespace) -> dict[str, Any]:
    """Build the job, and compute leaf 0 and what else `observe` does."""
    cls = jobfile.load(jobfile.JobSpec.parse(options.job))
    job = job_of(cls, json.loads(options.settings))
    job._use_data(options.data)
    return observe(LeafComputer(job), options.backwards)


def observe(computer: LeafComputer, backwards: bool = False) -> dict[str, Any]:
    """Hashes of everything that must be the same bits in every process, in one of two orders.

    backwards: evaluate first, and compute the last leaf before the first; then measure the memory
        of a leaf, too
    """
    said: dict[str, Any] = {"data": computer.data_identity, "weights": _weights(computer)}
    if backwards:
        said["evaluation"] = _evaluation(computer)
        computer.train(0, computer.schedule.leaves(0) - 1)
    found = probe(computer)
    said |= {"gradients": found.per_parameter, "probe": found.hash}
    if backwards:
        said["leaf_bytes"] = leaf_bytes(computer)
    else:
        said["evaluation"] = _evaluation(computer)
    said["process_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
    return said


def leaf_bytes(computer: LeafComputer) -> int:
    """The most that one leaf has allocated at once: arrays, and Python's own objects."""
    tracemalloc.start()
    try:
        computer.train(0, 0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _weights(computer: LeafComputer) -> dict[str, str]:
    """Hashes of the initial weights and buffers, by name."""
    layout = computer.layout
    views = {p.name: layout.view(computer.vectors, p) for p in layout.parameters}
    names = [buffer.name for buffer in layout.buffers]
    views |= dict(zip(names, computer.buffers, strict=True))
    return {name: _hash(array) for name, array in views.items()}


def _evaluation(computer: LeafComputer) -> str:
    if not computer.schedule.eval_leaves:
        return ""
    fields, arrays = pack(computer.evaluate(0, 0).tail)
    return repr(fields) + "".join(map(_hash, arrays))


def _hash(array: Array) -> str:
    return xxhash.xxh3_64_hexdigest(array.tobytes())


if __name__ == "__main__":
    sys.exit(main())
