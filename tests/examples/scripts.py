"""Running the scripts of examples/from_pytorch with dtrain, or with PyTorch in its place."""

import functools
import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

SCRIPTS = Path(__file__).parents[2] / "examples" / "from_pytorch"
STORED = Path(__file__).parent / "printed"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))

OURS = "import dtrain as torch\n"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Printed(NamedTuple):
    """What a script printed, and the first sentence of each warning."""

    text: str
    warned: list[str]


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """A module as if it were not installed."""
    kept = sys.modules.get(module)
    sys.modules[module] = None
    try:
        yield
    finally:
        sys.modules.pop(module)
        if kept is not None:
            sys.modules[module] = kept


@functools.cache
def run(name: str, by_pytorch: bool = False) -> Printed:
    """Run a script here, without matplotlib and without the user's data."""
    source = (SCRIPTS / f"{name}.py").read_text("utf-8")
    assert OURS in source
    if by_pytorch:
        source = source.replace(OURS, "import torch\n")
    out = io.StringIO()
    environment = {key: value for key, value in os.environ.items() if key != "DTRAIN_DATA"}
    with (
        hidden("matplotlib"),
        patch.dict(os.environ, environment, clear=True),
        warnings.catch_warnings(record=True) as caught,
        redirect_stdout(out),
    ):
        warnings.simplefilter("always")
        exec(compile(source, f"{name}.py", "exec"), {"__name__": "__main__"})
    return Printed(out.getvalue(), [str(each.message).partition(".  ")[0][:200] for each in caught])


def stored(name: str) -> str:
    """What PyTorch printed when `record.py` was run."""
    return (STORED / f"{name}.txt").read_text("utf-8")


def words(text: str) -> list[str]:
    """A text without its numbers, however wide they are."""
    return NUMBER.sub("#", text).split()


def numbers(text: str) -> list[float]:
    """The numbers of a text, in order."""
    return [float(number) for number in NUMBER.findall(text)]
