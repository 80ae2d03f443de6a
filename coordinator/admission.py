"""Who may take part: what a worker says of itself, against what the run needs. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from dtrain.wire.messages import LAUNCHER, PROTOCOL, WORKER, Hello, Ready, Refused


@dataclass(frozen=True, slots=True)
class Identity:
    """What every worker of a run must agree on."""

    sources: dict[str, str]  # path -> SHA-256 of the job's files
    layout: str
    data: str
    probe: str
    parameters: dict[
        str, str
    ]  # the probe's hash for each parameter, to name the first that differs
    fingerprint: dict[str, str]
    explain: Callable[[dict[str, str], dict[str, str]], str]  # two fingerprints, side by side
    allow_drift: bool = False  # other arithmetic, and so another probe, is accepted


def objection_to_hello(run: Identity, hello: Hello) -> Refused | None:
    """Why this peer may not even prepare, or None."""
    if hello.protocol != PROTOCOL:
        return Refused(
            "protocol",
            f"this coordinator speaks protocol {PROTOCOL}, the {hello.role} on {hello.host} "
            f"speaks {hello.protocol}",
            "install the same version of dtrain on both hosts",
        )
    if hello.role not in (WORKER, LAUNCHER):
        return Refused("protocol", f"unknown role {hello.role!r}", "say worker or launcher")
    differing = differing_files(run.sources, hello.sources)
    if hello.role == WORKER and differing:
        return Refused(
            "job",
            f"the job's files on {hello.host} differ from the coordinator's: "
            + ", ".join(differing),
            "copy the coordinator's files to this host",
        )
    return None


def differing_files(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Paths whose hashes differ or that only one side has."""
    return sorted(
        path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)
    )


def objection_to_ready(run: Identity, host: str, ready: Ready) -> Refused | None:
    """Why this worker may not compute leaves, or None."""
    if drifts(run, ready) and not run.allow_drift:
        return Refused(
            "fingerprint",
            f"the arithmetic of {host} differs from the coordinator's:\n"
            + run.explain(run.fingerprint, ready.fingerprint),
            "make both equal, or this host's results would have other bits; --allow-drift at the "
            "coordinator accepts that",
        )
    if ready.layout != run.layout:
        return Refused(
            "layout",
            f"the model built on {host} has other parameters than the coordinator's",
            "build the model from settings alone, not from what the host has",
        )
    if ready.data != run.data:
        return Refused(
            "data",
            f"the data on {host} are not the coordinator's: there {ready.data}; here {run.data}",
            "copy the coordinator's data to this host, or give its folder with --data",
        )
    if ready.probe != run.probe and not (run.allow_drift and drifts(run, ready)):
        return Refused("probe", _probe_reason(run, host, ready), "dtrain check JOB.py looks for it")
    return None


def drifts(run: Identity, ready: Ready) -> bool:
    """Whether a worker's arithmetic is another one than the run's."""
    return ready.fingerprint != run.fingerprint


def _probe_reason(run: Identity, host: str, ready: Ready) -> str:
    theirs = ready.parameters
    first = next((name for name in run.parameters if theirs.get(name) != run.parameters[name]), "")
    what = "the loss" if first == "loss" else f"the gradient of {first}"
    return (
        f"leaf 0 of step 0 gives other bits on {host} than at the coordinator, first in {what}: "
        "something in the job depends on the process it runs in"
    )
