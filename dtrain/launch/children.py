"""Child processes: started with the pinned environment, watched, ended."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

KILL_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A child has ended; `code` is negative for a signal, as in subprocess."""

    name: str
    pid: int
    code: int

    @property
    def reason(self) -> str:
        """In words."""
        if self.code >= 0:
            return f"its process ended with exit code {self.code}"
        return f"its process was ended by {signal.Signals(-self.code).name}"


class Children:
    """Starts processes, and tells at once when one ends: each has a thread that waits for it."""

    def __init__(self, environment: Mapping[str, str], wake: Callable[[], None]) -> None:
        self._environment = {**os.environ, **environment}
        self._wake = wake
        self._alive: dict[str, subprocess.Popen[bytes]] = {}
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()

    def start(self, name: str, module: str, arguments: Sequence[str]) -> int:
        """`python -m module arguments…`; its standard input is a lifeline that we hold."""
        # -P: a folder named like one of our packages in the working directory is not imported
        command = [sys.executable, "-P", "-m", module, *arguments, "--lifeline"]
        child = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.PIPE,
            # Ctrl+C reaches the whole foreground group: it is ours to pass on, once and in order
            start_new_session=True,
        )
        self._alive[name] = child
        threading.Thread(target=self._wait, args=(name, child), daemon=True).start()
        return child.pid

    def _wait(self, name: str, child: subprocess.Popen[bytes]) -> None:
        code = child.wait()  # the deadline of a child is its lifeline
        self._ended.put(Ended(name, child.pid, code))
        self._wake()

    def ended(self) -> list[Ended]:
        """Those that have ended since the last call."""
        ended = []
        while not self._ended.empty():
            one = self._ended.get_nowait()
            self._alive.pop(one.name, None)
            ended.append(one)
        return ended

    @property
    def alive(self) -> list[str]:
        """Names of those that have not been reported as ended."""
        return list(self._alive)

    def signal(self, number: int, names: Sequence[str] | None = None) -> None:
        """Send a signal to these, by default to all."""
        for name in names if names is not None else self.alive:
            child = self._alive.get(name)
            if child is not None and child.poll() is None:
                child.send_signal(number)

    def end(self, patience_s: float = KILL_AFTER_S) -> None:
        """Leave no child behind: ask, wait, kill."""
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + patience_s
        for child in list(self._alive.values()):
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(KILL_AFTER_S)
        self._alive.clear()
