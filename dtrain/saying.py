"""Lines for people. A reader who has gone away (`| head`, a closed terminal) must not end a run."""

import contextlib
import os
from typing import IO


def say(text: str, stream: IO[str]) -> None:
    """Print a line. Once nobody reads the stream any more, it and all later ones go nowhere."""
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):  # a broken pipe; a closed file
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
