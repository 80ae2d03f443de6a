"""`dtrain`: the group of all commands, and how errors become lines and exit codes.

    0  done                  1  the run failed            2  the user's mistake
    130, 143                 stopped by Ctrl+C, SIGTERM

Commands import what they compute with when they are called, so that `--help` is quick.
"""

import sys
import traceback
from collections.abc import Callable, Sequence

import click

from dtrain.cli.after import evaluate, reproduce
from dtrain.cli.check import check
from dtrain.cli.coordinator import coordinator
from dtrain.cli.inspect import checkpoint, digest, status, stop
from dtrain.cli.new import new
from dtrain.cli.options import DEBUG, debug_option
from dtrain.cli.run import run
from dtrain.cli.worker import worker
from dtrain.errors import DtrainError, LeafError, UserError
from dtrain.saying import say
from dtrain.version import VERSION

OK, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


class InOrder(click.Group):
    """Lists commands in the order in which people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, as they were added."""
        return list(self.commands)


@click.group(
    cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(VERSION, message="dtrain %(version)s")
@debug_option
def commands() -> None:
    """Train on CPUs: the final weights are the same bits for any number of workers."""


for command in (
    *(new, check, run, coordinator, worker, status, checkpoint, stop),
    *(digest, evaluate, reproduce),
):
    commands.add_command(command)


def entry(argv: Sequence[str] | None = None) -> int:
    """Run a command line, by default this process's own; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        with commands.make_context("dtrain", arguments) as context:
            return _reported(lambda: commands.invoke(context) or OK, context)
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.ClickException as error:
        say(f"dtrain: {_one_line(error)}", sys.stderr)
        return MISTAKE


def _reported(command: Callable[[], int], context: click.Context) -> int:
    """A command's exit code; what dtrain raises on purpose is told in a line."""
    try:
        return command()
    except KeyboardInterrupt:
        return INTERRUPTED
    except DtrainError as error:
        if context.meta.get(DEBUG):
            traceback.print_exc()
        elif isinstance(error, LeafError):
            say(error.trace.rstrip(), sys.stderr)
        say(f"dtrain: {error}", sys.stderr)
        return MISTAKE if isinstance(error, UserError) else FAILED


def _one_line(error: click.ClickException) -> str:
    """A mistake on the command line, and where its options are listed."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see {context.command_path} --help" if context else message


if __name__ == "__main__":
    sys.exit(entry())
