"""The pages say what is true: their links lead somewhere, their commands exist, their code runs."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dtrain.cli import main
from tests.repo.files import Block, blocks, pages
from tests.repo.modules import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
JOB_LINES_MAX = 20
SHELL = {"cd", "python3", ".", "git", "pip", "export", "bash", "kill", "sed"}


def anchors(page: str) -> set[str]:
    """The names that GitHub gives a page's headings."""
    headings = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(page)]
    return {heading.strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages())
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    links = [link for link in LINK.findall(pages()[page]) if "://" not in link]
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        known = anchors(target.read_text("utf-8")) if anchor and target.is_file() else {anchor}
        if not target.exists() or anchor not in known:
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_every_python_block_compiles(block: Block) -> None:
    compile(block.text, block.page, "exec")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command of every shell block; continued lines joined, output and comments left out."""
    for page, language, text in blocks("console", "sh", "shell", "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            if language == "console":
                if not line.startswith("$ "):
                    continue
                line = line.removeprefix("$ ")
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words = words[1:]
            if words:
                yield page, words


@pytest.mark.parametrize(("page", "words"), list(commands()), ids=lambda part: str(part)[:60])
def test_every_command_on_a_page_exists(page: str, words: list[str]) -> None:
    program = words[0].rpartition("/")[2]
    if program == "dtrain":
        check_dtrain(words[1:])
    elif program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert not {word for word in words[1:] if "=" not in word} - set(targets)
    elif "/" in words[0] and not words[0].startswith(".venv/"):
        assert (ROOT / words[0]).is_file()
    else:
        assert program in SHELL | {"pip", "python", "pytest", "ruff", "mypy"}


def check_dtrain(words: list[str]) -> None:
    """A subcommand that exists, with options that it has."""
    command = main.commands.get_command(click.Context(main.commands), words[0])
    assert command is not None, f"there is no command {words[0]}"
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    used = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    assert not used - known - {"--help"}, f"dtrain {words[0]} has no {sorted(used - known)}"


def job_block() -> str:
    [text] = [
        text for page, _, text in blocks("python") if page == "README.md" and "dtrain.Job)" in text
    ]
    return text


def test_the_readme_shows_a_job_in_twenty_lines() -> None:
    assert sum(1 for line in job_block().splitlines() if line.strip()) <= JOB_LINES_MAX


def test_the_job_of_the_readme_trains(tmp_path: Path) -> None:
    job = tmp_path / "job.py"
    job.write_text(job_block(), "utf-8")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "dtrain.cli.main",
            "run",
            job,
            "--workers",
            "0",
            "--set",
            "epochs=1",
            "--run-dir",
            tmp_path / "run",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"digest [0-9a-f]{64}", run.stdout.splitlines()[-1])


def test_the_readme_trains_from_python(tmp_path: Path) -> None:
    [text] = [
        text
        for page, _, text in blocks("python")
        if page == "README.md" and "dtrain.train(" in text
    ]
    script = [sys.executable, "-c", text]
    run = subprocess.run(
        script,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"\b[0-9a-f]{64}\b", run.stdout)
