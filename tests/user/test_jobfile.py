"""Loading a job's class, and naming it for another process."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dtrain.errors import JobError
from dtrain.job import Job
from dtrain.jobfile import JobSpec, load, sources, spec_of

JOB = "import dtrain.job\nclass Net(dtrain.job.Job):\n    hidden: int = 3\n"
Write = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def _modules_and_paths_are_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return make


def refused(text: str) -> str:
    with pytest.raises(JobError) as caught:
        load(JobSpec.parse(text))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("text", ["job.py", "a/job.py:Net", "package.module:Net"])
def test_a_spec_is_written_as_it_was_read(text: str) -> None:
    assert str(JobSpec.parse(text)) == text


@pytest.mark.parametrize("text", ["", "a-b", "job.py:", "job.py:a b", "module", "a..b:Net", ":Net"])
def test_what_is_no_job_is_answered_with_the_forms(text: str) -> None:
    assert "JOB.py, JOB.py:Class or package.module:Class" in refused(text)


def test_a_forgotten_ending_is_suggested(write: Write) -> None:
    write("net.py", JOB)
    assert "did you mean net.py:Net?" in refused("net:Net")


def test_the_one_job_of_a_file_needs_no_name(write: Write) -> None:
    write("net.py", JOB)
    assert load(JobSpec("net.py"))().settings()["hidden"] == 3


def test_modules_beside_the_file_can_be_imported(write: Write) -> None:
    write("sub/size_of_it.py", "SIZE = 9\n")
    text = JOB.replace("import dtrain.job", "import dtrain.job, size_of_it").replace(
        "3", "size_of_it.SIZE"
    )
    write("sub/net.py", text)
    assert load(JobSpec("sub/net.py"))().settings()["hidden"] == 9


def test_a_file_named_like_a_module_that_is_there_does_not_replace_it(write: Write) -> None:
    import json

    write("json.py", JOB)
    job_class = load(JobSpec("json.py"))
    assert job_class.__name__ == "Net"
    assert sys.modules["json"] is json


def test_annotations_kept_as_text_are_understood(write: Write) -> None:
    write("late.py", "from __future__ import annotations\n" + JOB)
    assert load(JobSpec("late.py"))(hidden=4).settings()["hidden"] == 4


def test_a_module_of_a_package_is_loaded_from_the_working_directory(write: Write) -> None:
    write("pack_a/__init__.py", "")
    write("pack_a/net.py", JOB)
    assert load(JobSpec.parse("pack_a.net:Net")).__module__ == "pack_a.net"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no file absent.py" in refused("absent.py")


def test_a_missing_module_is_named() -> None:
    assert "there is no module no_such_pack.net" in refused("no_such_pack.net:Net")


def test_a_file_without_a_job_lists_its_classes(write: Write) -> None:
    write("none_in_it.py", "from dtrain.job import Job\nclass A: pass\nclass B: pass\n")
    assert "no subclass of dtrain.Job; its classes: A, B" in refused("none_in_it.py")


def test_a_file_with_two_jobs_says_how_to_name_one(write: Write) -> None:
    write("two.py", JOB + "class Other(Net): pass\n")
    assert "has 2 jobs; write two.py:Net or two.py:Other" in refused("two.py")
    assert load(JobSpec("two.py", "Other")).__name__ == "Other"


def test_a_name_that_is_no_job_is_refused(write: Write) -> None:
    write("odd_one.py", JOB + "class Plain: pass\n")
    assert "it is no dtrain.Job" in refused("odd_one.py:Plain")
    assert "there is none in it; its classes: Net" in refused("odd_one.py:Nett")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nx / 0\n", "ZeroDivisionError: division by zero (raises.py:2)"),
        ("def f(:\n", "raises.py:1"),
        ("import no_such_package_at_all\n", "No module named 'no_such_package_at_all'"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3 (raises.py:2)"),
    ],
)
def test_an_import_that_raises_says_what_and_where_in_one_line(
    write: Write, text: str, said: str
) -> None:
    write("raises.py", text)
    assert said in refused("raises.py")


def test_an_error_in_a_helper_names_the_helper(write: Write) -> None:
    write("broken_helper.py", "\n\n1 / 0\n")
    write("net.py", "import broken_helper\n" + JOB)
    assert "broken_helper.py:3" in refused("net.py")


def test_the_cause_keeps_the_users_traceback(write: Write) -> None:
    write("raises.py", "1 / 0\n")
    with pytest.raises(JobError) as caught:
        load(JobSpec("raises.py"))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_file_that_failed_can_be_mended_and_loaded_again(write: Write) -> None:
    write("mended.py", "1 / 0\n")
    refused("mended.py")
    write("mended.py", JOB)
    assert load(JobSpec("mended.py")).__name__ == "Net"


def test_a_loaded_class_is_found_again_by_its_spec(write: Write) -> None:
    write("sub/again.py", JOB)
    assert str(spec_of(load(JobSpec("sub/again.py")))) == "sub/again.py:Net"


def test_a_class_of_a_package_is_named_by_its_module(write: Write) -> None:
    write("pack_b/__init__.py", "")
    write("pack_b/net.py", JOB)
    assert str(spec_of(load(JobSpec.parse("pack_b.net:Net"))())) == "pack_b.net:Net"


def test_a_class_inside_a_function_is_refused_with_what_to_do() -> None:
    class Local(Job):
        pass

    with pytest.raises(JobError, match="move it there, or train with workers=0"):
        spec_of(Local())


def test_a_class_of_a_notebook_is_refused_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    job_class = type("Net", (Job,), {"__module__": "__main__"})
    with pytest.raises(JobError, match=r"notebook.*net\.py"):
        spec_of(job_class)


# Sources


def names(spec: str) -> list[str]:
    return list(sources(JobSpec.parse(spec)))


def test_sources_are_the_file_and_what_it_imports_from_its_folder(write: Write) -> None:
    write("j/net.py", "import helper, json, numpy, dtrain\nfrom parts import layers\n")
    write("j/helper.py", "import deeper\n")
    write("j/deeper.py", "")
    write("j/parts/__init__.py", "")
    write("j/parts/layers.py", "from . import sizes\nfrom .more import thing\n")
    write("j/parts/sizes.py", "")
    write("j/parts/more.py", "from ..unrelated import x\n")
    write("j/unused.py", "")
    assert names("j/net.py") == [
        *("deeper.py", "helper.py", "net.py", "parts/__init__.py", "parts/layers.py"),
        *("parts/more.py", "parts/sizes.py"),
    ]


def test_the_folder_may_be_imported_from_as_a_package(write: Write) -> None:
    write("j/net.py", "from j.helper import x\nfrom j import other\nimport k.helper\n")
    write("j/helper.py", "")
    write("j/other.py", "")
    write("k/helper.py", "")
    assert names("j/net.py") == ["helper.py", "net.py", "other.py"]


def test_imports_inside_functions_count(write: Write) -> None:
    write("j/net.py", "def f():\n    if 1:\n        import helper\n")
    write("j/helper.py", "")
    assert names("j/net.py") == ["helper.py", "net.py"]


def test_modules_that_import_each_other_are_found_once(write: Write) -> None:
    write("j/net.py", "import helper\n")
    write("j/helper.py", "import net\n")
    assert names("j/net.py") == ["helper.py", "net.py"]


@pytest.mark.parametrize("folder", [".venv/lib/site-packages", "site-packages", "venv"])
def test_installed_packages_below_the_folder_do_not_count(write: Write, folder: str) -> None:
    write("j/net.py", f"import {folder.split('/')[0].strip('.')}.thing\n")
    write(f"j/{folder}/thing.py", "")
    assert names("j/net.py") == ["net.py"]


def test_the_sources_of_a_module_are_those_of_its_package(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write("pack_c/__init__.py", "")
    write("pack_c/net.py", "from pack_c import helper\nimport beside\n")
    write("pack_c/helper.py", "")
    write("beside.py", "")
    assert names("pack_c.net:Net") == [*("pack_c/__init__.py", "pack_c/helper.py", "pack_c/net.py")]


def test_a_change_in_a_helper_changes_its_hash_alone(write: Write) -> None:
    write("j/net.py", "import helper\n")
    write("j/helper.py", "x = 1\n")
    before = sources(JobSpec("j/net.py"))
    write("j/helper.py", "x = 2\n")
    after = sources(JobSpec("j/net.py"))
    assert [name for name in before if before[name] != after[name]] == ["helper.py"]


def test_the_sources_of_a_missing_file_are_refused() -> None:
    with pytest.raises(JobError, match=r"no file absent\.py"):
        sources(JobSpec("absent.py"))


def test_a_file_that_was_changed_within_a_second_is_the_one_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "twice.py"
    seen = []
    for size in (40, 48):
        file.write_text(f"import dtrain\nclass Twice(dtrain.Job):\n    size: int = {size}\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        seen.append(load(JobSpec(str(file)))().size)
    assert seen == [40, 48]
