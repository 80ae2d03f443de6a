"""Settings: what is declared, what is accepted, and what an error says."""

import string
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import settings
from dtrain.errors import SettingError
from dtrain.job import Job


class Net(Job):
    hidden: int = 64
    rate: float = 0.1
    name: str = "plain"
    tied: bool = False
    limit: int | None = None
    clip: float | None = 1.0
    labels: ClassVar[list[str]] = []
    epochs = 7
    _cache: dict[str, int] = {}  # noqa: RUF012


def message(*assignments: str, job: type = Net) -> str:
    with pytest.raises(SettingError) as caught:
        settings.resolve(job, settings.parse(job, assignments))
    return str(caught.value)


def test_annotated_attributes_are_settings_the_jobs_own_first() -> None:
    names = list(settings.declared(Net))
    assert names[0] == "epochs"
    assert names[-6:] == ["hidden", "rate", "name", "tied", "limit", "clip"]


def test_a_default_given_without_an_annotation_counts() -> None:
    assert Net().epochs == 7


def test_keyword_arguments_are_settings() -> None:
    assert Net(hidden=128).hidden == 128


def test_settings_returns_every_value() -> None:
    assert Net(hidden=128).settings() == {**Net().settings(), "hidden": 128}


def test_a_value_changed_by_hand_is_checked_when_it_is_asked_for() -> None:
    job = Net()
    job.batch_size = 0
    with pytest.raises(SettingError, match="batch_size of Net must be at least 1, not 0"):
        job.settings()


def test_the_last_of_two_assignments_counts() -> None:
    assert settings.parse(Net, ["hidden=1", "hidden=2"]) == {"hidden": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hidden=1_000", 1000),
        ("rate=1e-3", 0.001),
        ("rate=3", 3.0),
        ("name=a=b", "a=b"),
        ("name=none", "none"),
        ("tied=yes", True),
        ("tied=0", False),
        ("limit=none", None),
        ("limit=3", 3),
        ("clip=None", None),
    ],
)
def test_text_is_read_as_the_settings_type(text: str, value: object) -> None:
    [found] = settings.parse(Net, [text]).values()
    assert (found, type(found)) == (value, type(value))


def test_an_unknown_name_is_answered_with_the_nearest_its_type_and_default() -> None:
    assert message("hiden=3") == (
        "--set: Net has no setting 'hiden'; did you mean hidden (int, default 64)?"
    )


def test_a_name_like_none_is_answered_with_all_of_them() -> None:
    assert message("zzzz=3").endswith(", ".join(settings.declared(Net)))


@pytest.mark.parametrize(
    "assignment",
    ["hidden=abc", "hidden=1.5", "hidden=none", "hidden=true", "rate=x", "tied=2", "limit=x"],
)
def test_a_wrong_type_is_refused_with_the_type_and_the_default(assignment: str) -> None:
    name, _, text = assignment.partition("=")
    found = message(assignment)
    assert str(settings.declared(Net)[name]) in found
    assert text in found


@pytest.mark.parametrize(
    "assignment",
    ["rate=nan", "rate=-inf", "rate=1e999", "hidden=9999999999999999999999", f"seed={2**63}"],
)
def test_a_number_that_no_message_or_file_can_carry_is_refused(assignment: str) -> None:
    assert assignment.partition("=")[0] in message(assignment)


@pytest.mark.parametrize(
    "assignment",
    [
        *("epochs=0", "max_steps=0", "max_seconds=0", "batch_size=0", "micro_batches=0"),
        *("micro_batches=65", "eval_batch_size=0", "eval_every=0", "seed=-1", "dtype=float16"),
        *("chunk_elements=17", "chunk_elements=33554432", "blas_threads=0", "numerics=fast"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(assignment: str) -> None:
    name, _, text = assignment.partition("=")
    assert message(assignment).startswith(f"setting {name} of Net must be ")
    assert text in message(assignment)


@pytest.mark.parametrize("given", [{"hidden": 10**5000}, {"rate": 10**5000}])
def test_a_number_that_cannot_be_printed_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="must be"):
        Net(**given)


def test_an_assignment_without_a_value_says_how_to_write_it() -> None:
    assert message("hidden") == "--set hidden: write it as NAME=VALUE"


@pytest.mark.parametrize("value", [True, 1.5, "64", None, [1]])
def test_python_values_of_another_type_are_refused(value: object) -> None:
    with pytest.raises(SettingError, match="hidden"):
        Net(hidden=value)


def test_an_annotation_that_is_no_settings_type_says_so() -> None:
    class Lists(Job):
        sizes: list[int] = []  # noqa: RUF012

    with pytest.raises(SettingError, match=r"Lists\.sizes.*leave out the annotation"):
        Lists()


def test_a_default_of_another_type_is_refused() -> None:
    class Wrong(Job):
        epochs = "3"  # type: ignore[assignment]

    with pytest.raises(SettingError, match="its default: setting epochs"):
        Wrong()


def test_a_setting_named_like_a_method_is_refused() -> None:
    class Wrong(Job):
        model: str = "mlp"  # type: ignore[assignment]

    with pytest.raises(SettingError, match=r"Wrong\.model: a job has a method of that name"):
        Wrong()


def test_a_setting_without_a_default_must_be_given() -> None:
    class Needs(Job):
        corpus: str

    assert Needs(corpus="a").settings()["corpus"] == "a"
    with pytest.raises(SettingError, match=r"corpus.*is not given; write --set corpus="):
        Needs()


def test_what_a_resumed_run_may_change_is_known() -> None:
    classes = {name: one.class_when(False) for name, one in settings.declared(Net).items()}
    assert classes["max_steps"] == "extends"
    assert classes["eval_every"] == "neutral"
    assert classes["hidden"] == "result"


def config(folder: Path, text: str) -> dict[str, Any]:
    file = folder / "job.toml"
    file.write_text(text)
    return dict(settings.read_config(Net, file))


def test_a_config_file_gives_settings(tmp_path: Path) -> None:
    found = config(tmp_path, 'hidden = 128\nrate = 1\nlimit = "none"\ntied = true\n')
    assert found == {"hidden": 128, "rate": 1.0, "limit": None, "tied": True}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hidden = ", "is not a TOML file"),
        ("hiden = 1", "did you mean hidden"),
        ('hidden = "128"', "cannot be '128'"),
        ("[hidden]\na = 1", "cannot be"),
        (f"hidden = {'9' * 5000}", "is not a TOML file"),
        ("rate = inf", "a float must be finite"),
    ],
)
def test_a_mistake_in_a_config_file_names_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said) as caught:
        config(tmp_path, text)
    assert "job.toml" in str(caught.value)


def test_a_config_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none\.toml: No such file"):
        settings.read_config(Net, tmp_path / "none.toml")


WORDS = st.text(string.ascii_letters + string.digits + " =._-", max_size=8)


INTS = st.integers(-(2**62), 2**62)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(INTS, FLOATS, WORDS.map(str.strip), st.booleans())
def test_what_is_written_is_what_is_read(hidden: int, rate: float, name: str, tied: bool) -> None:
    lines = [f"hidden={hidden}", f"rate={rate!r}", f"name={name}", f"tied={tied}"]
    assert settings.parse(Net, lines) == {
        "hidden": hidden,
        "rate": rate,
        "name": name,
        "tied": tied,
    }


@given(WORDS, WORDS)
def test_any_assignment_is_read_or_refused_as_a_setting(name: str, text: str) -> None:
    with suppress(SettingError):  # and nothing else
        [found] = settings.parse(Net, [f"{name}={text}"])
        assert found == name.strip()


@given(st.dictionaries(st.sampled_from(["hidden", "limit"]), st.integers(1, 10**6)))
def test_values_survive_being_taken_from_a_job_and_given_to_another(given: dict[str, int]) -> None:
    values = Net(**given).settings()
    assert Net(**values).settings() == values
