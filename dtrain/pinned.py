"""Start this process again with the arithmetic pinned that a job's settings ask for."""

import os
import sys

from dtrain import numerics
from dtrain.errors import RunError

_RESTARTED = "DTRAIN_RESTARTED"  # the process and the pins of its last restart: no second one


def restart_pinned(blas_threads: int, mode: str) -> None:
    """Replace this process by the same command with the pins in its environment, if it lacks them.

    BLAS and NumPy read them only when they are loaded, and the job's file had to be loaded to
    know them. Under a debugger the process stays as it is, with BLAS's threads limited.

    Raises RunError if a restart did not help, SettingError as `numerics.pins`.
    """
    needed = numerics.pins(blas_threads, mode)
    differing = [name for name, value in needed.items() if os.environ.get(name) != value]
    if not differing or sys.gettrace() is not None:
        numerics.limit_threads(blas_threads)
        return
    attempt = " ".join([str(os.getpid()), *(f"{k}={v}" for k, v in sorted(needed.items()))])
    if os.environ.get(_RESTARTED) == attempt:
        raise RunError(f"cannot pin the arithmetic: something here overrides {differing[0]}")
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**os.environ, **needed, _RESTARTED: attempt}
    # sys.executable, because Python finds its virtual environment by argv[0]
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
