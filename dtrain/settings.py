"""Settings: the annotated attributes of a job class, their types, defaults and limits. Pure.

    class Digits(dtrain.Job):
        hidden: int = 64            # a setting: Digits(hidden=128), --set hidden=128

A value is a bool, int, float, str or None, so that it can be written to JSON, TOML and a message.
Each setting has a class, which says what a resumed run may do with it:

    neutral   may change: it does not touch the weights
    extends   may grow: the run goes on for longer
    result    may not change: other weights would come out
"""

import difflib
import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Union

from dtrain.errors import SettingError

Value = bool | int | float | str | None
SettingClass = Literal["result", "extends", "neutral"]

KINDS: tuple[type, ...] = (bool, int, float, str)
INT_MAX = 2**62  # what arithmetic on settings may double without leaving 64 bits
WORDS = {"true": True, "yes": True, "on": True, "1": True}
WORDS |= {"false": False, "no": False, "off": False, "0": False}
CLASSES: dict[str, SettingClass] = {
    "epochs": "extends",
    "max_steps": "extends",
    "max_seconds": "neutral",  # of each process: it says when to pause, not what to reach
    "eval_every": "neutral",  # but see `class_when`
    "monitor": "neutral",
    "patience": "neutral",
    "checkpoint_every": "neutral",
    "keep_last": "neutral",
    "keep_best": "neutral",
    "on_checkpoint_error": "neutral",
}


@dataclass(frozen=True)
class Rule:
    """What the value of one of the job's own settings must fulfil, and that in words."""

    holds: Callable[[Any], bool]
    words: str


AT_LEAST_ONE = Rule(lambda v: v >= 1, "at least 1")
RULES: dict[str, Rule] = {
    "epochs": AT_LEAST_ONE,
    "max_steps": AT_LEAST_ONE,
    "max_seconds": Rule(lambda v: v > 0, "more than 0"),
    "batch_size": AT_LEAST_ONE,
    "micro_batches": AT_LEAST_ONE,
    "eval_batch_size": AT_LEAST_ONE,
    "eval_every": AT_LEAST_ONE,
    "lr_scheduler_interval": Rule(lambda v: v in ("step", "epoch"), "'step' or 'epoch'"),
    "clip_grad_norm": Rule(lambda v: v > 0, "more than 0"),
    "clip_grad_value": Rule(lambda v: v > 0, "more than 0"),
    "on_nonfinite": Rule(lambda v: v in ("raise", "skip"), "'raise' or 'skip'"),
    "ema": Rule(lambda v: 0 < v < 1, "between 0 and 1, such as 0.999"),
    "scale_batch": AT_LEAST_ONE,
    "monitor": Rule(
        lambda v: len(v.split()) == 2 and v.split()[0] in ("min", "max"),
        "'min NAME' or 'max NAME', such as 'max accuracy'",
    ),
    "patience": AT_LEAST_ONE,
    "checkpoint_every": AT_LEAST_ONE,
    "keep_last": AT_LEAST_ONE,
    "keep_best": Rule(lambda v: v >= 0, "at least 0"),
    "on_checkpoint_error": Rule(lambda v: v in ("continue", "stop"), "'continue' or 'stop'"),
    "seed": Rule(lambda v: v >= 0, "at least 0"),
    "dtype": Rule(lambda v: v in ("float32", "float64"), "'float32' or 'float64'"),
    "chunk_elements": Rule(  # in float64 half of what a frame on the wire may have
        lambda v: 16 <= v <= 2**24 and v % 16 == 0, "a multiple of 16 from 16 to 2**24"
    ),
    "blas_threads": AT_LEAST_ONE,
    "numerics": Rule(lambda v: v in ("native", "portable"), "'native' or 'portable'"),
}


@dataclass(frozen=True)
class Setting:
    """One declared setting. `required` settings have no default; theirs is None."""

    name: str
    kinds: tuple[type, ...]
    optional: bool
    default: Value
    required: bool = False

    def class_when(self, watched: bool) -> SettingClass:
        """What a resumed run may do with it.

        watched: whether a schedule of rates or an early stop depends on evaluations; then it
                 matters when they are made, and of what
        """
        if watched and self.name in ("eval_every", "monitor"):
            return "result"
        return CLASSES.get(self.name, "result")

    @property
    def type_name(self) -> str:
        """The type as it is written in Python: `int | None`."""
        return " | ".join([k.__name__ for k in self.kinds] + ["None"] * self.optional)

    def __str__(self) -> str:
        default = "no default" if self.required else f"default {self.default!r}"
        return f"{self.name} ({self.type_name}, {default})"


def declared(job_class: type) -> dict[str, Setting]:
    """The settings of a job class: the base classes' first, each in the order of writing.

    Raises SettingError for an annotation that is not a setting's type, a default of another type
    than its annotation, or a name that a job needs for itself.
    """
    annotations: dict[str, Any] = {}
    for base in reversed(job_class.__mro__):
        annotations |= _annotations(base)
    return {
        name: _setting(job_class, name, annotation)
        for name, annotation in annotations.items()
        if not name.startswith("_") and typing.get_origin(annotation) is not ClassVar
    }


def resolve(job_class: type, given: Mapping[str, Any], where: str = "") -> dict[str, Value]:
    """Every setting's value: the given one, checked, or else the default.

    `where` says in an error where the values come from: "--set", a file's name.
    Raises SettingError for an unknown name, a wrong type, a value out of range.
    """
    known = declared(job_class)
    for name in given:
        _known(job_class, known, name, where)
    values = {
        name: _checked(job_class, setting, given[name], where)
        if name in given
        else _default(job_class, setting)
        for name, setting in known.items()
    }
    _check_ranges(job_class, values)
    return values


def parse(job_class: type, assignments: Iterable[str]) -> dict[str, Value]:
    """The values of `--set K=V` options; of a name given twice the last one counts."""
    known = declared(job_class)
    values: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals:
            raise SettingError(f"--set {assignment}: write it as NAME=VALUE")
        setting = _known(job_class, known, name, "--set")
        values[name] = _from_text(job_class, setting, text.strip())
    return values


def read_config(job_class: type, path: Path) -> dict[str, Value]:
    """The values of a TOML file: `hidden = 128`, one a line; "none" stands for None."""
    import tomllib  # slow to load, for a file that few runs have

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"--config {path}: {error.strerror}") from None
    except ValueError as error:  # of tomllib, of UTF-8, and of an int of 5000 digits
        raise SettingError(f"--config {path} is not a TOML file: {error}") from None
    known = declared(job_class)
    values: dict[str, Value] = {}
    for name, value in table.items():
        setting = _known(job_class, known, name, str(path))
        none = setting.optional and value == "none"
        values[name] = None if none else _checked(job_class, setting, value, str(path))
    return values


def _annotations(base: type) -> dict[str, Any]:
    if base is object:
        return {}
    try:
        return inspect.get_annotations(base, eval_str=True)
    except Exception as error:
        raise SettingError(
            f"an annotation of {base.__qualname__} cannot be read: {error}; "
            "a setting is annotated as bool, int, float or str, or one of them | None"
        ) from None


def _setting(job_class: type, name: str, annotation: Any) -> Setting:
    union = typing.get_origin(annotation) in (Union, types.UnionType)
    parts = typing.get_args(annotation) if union else (annotation,)
    kinds = tuple(kind for kind in KINDS if kind in parts)
    optional = type(None) in parts or None in parts
    if not kinds or len(kinds) + optional != len(parts):
        raise SettingError(
            f"{job_class.__name__}.{name}: a setting is a bool, int, float or str, or one of them "
            f"| None, not {annotation!r}; leave out the annotation if it is not meant as a setting"
        )
    if any(name in vars(base) and _is_part_of_job(base, name) for base in job_class.__mro__):
        raise SettingError(f"{job_class.__name__}.{name}: a job has a method of that name; rename")
    required = not hasattr(job_class, name)
    return Setting(name, kinds, optional, getattr(job_class, name, None), required)


def _is_part_of_job(base: type, name: str) -> bool:
    """Whether a class defines a name as a method or property: no value for a setting."""
    return isinstance(vars(base)[name], types.FunctionType | property)


def _known(job_class: type, known: Mapping[str, Setting], name: str, where: str) -> Setting:
    if name in known:
        return known[name]
    if hasattr(job_class, name) and not callable(getattr(job_class, name)):
        default = getattr(job_class, name)
        kind = type(default).__name__ if isinstance(default, KINDS) else "float"
        raise SettingError(
            f"{_prefix(where)}{job_class.__name__}.{name} is no setting, because it has no "
            f"annotation; write {name}: {kind} = {default!r}"
        )
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    advice = f"did you mean {known[near[0]]}?" if near else f"it has: {', '.join(known)}"
    raise SettingError(f"{_prefix(where)}{job_class.__name__} has no setting '{name}'; {advice}")


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""


def _wrong_type(job_class: type, setting: Setting, value: object, where: str) -> SettingError:
    given = repr(value) if isinstance(value, str) else f"{value!r} ({type(value).__name__})"
    return SettingError(
        f"{_prefix(where)}setting {setting} of {job_class.__name__} cannot be {given}"
    )


def _out_of_bounds(job_class: type, setting: Setting, rule: str, where: str) -> SettingError:
    """Without the value: an int of 5000 digits cannot even be printed."""
    return SettingError(f"{_prefix(where)}setting {setting} of {job_class.__name__}: {rule}")


def _is_finite(value: numbers.Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that is too large for a float
        return False


def _default(job_class: type, setting: Setting) -> Value:
    if setting.required:
        name = setting.name
        raise SettingError(
            f"setting {setting} of {job_class.__name__} is not given; "
            f"write --set {name}=... or {job_class.__name__}({name}=...)"
        )
    return _checked(job_class, setting, setting.default, "its default")


def _checked(job_class: type, setting: Setting, value: object, where: str) -> Value:
    """A Python value as the setting's type; an int is good for a float, a bool only for a bool."""
    if value is None and setting.optional:
        return None
    if type(value).__name__ in ("bool", "bool_"):
        kind, converted = bool, bool(value)
        if kind in setting.kinds:
            return converted
    elif isinstance(value, numbers.Integral) and int in setting.kinds:
        if -INT_MAX <= int(value) <= INT_MAX:
            return int(value)
        raise _out_of_bounds(job_class, setting, "an int must be from -2**62 to 2**62", where)
    elif isinstance(value, numbers.Real) and float in setting.kinds:
        if _is_finite(value):
            return float(value)
        raise _out_of_bounds(job_class, setting, "a float must be finite", where)
    elif isinstance(value, str) and str in setting.kinds:
        return str(value)
    raise _wrong_type(job_class, setting, value, where)


def _from_text(job_class: type, setting: Setting, text: str) -> Value:
    """A command line's text as the first of the setting's types that it can be."""
    if setting.optional and text.lower() == "none":
        return None
    for kind in setting.kinds:
        try:
            value = WORDS[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            continue
        return _checked(job_class, setting, value, "--set")
    raise _wrong_type(job_class, setting, text, "--set")


def _check_ranges(job_class: type, values: Mapping[str, Value]) -> None:
    for name, rule in RULES.items():
        value = values.get(name)
        if value is not None and not rule.holds(value):
            raise SettingError(
                f"setting {name} of {job_class.__name__} must be {rule.words}, not {value!r}"
            )
    batch_size, micro_batches = values.get("batch_size"), values.get("micro_batches")
    assert isinstance(batch_size, int), "RULES are about the settings that every job has"
    assert isinstance(micro_batches, int), "RULES are about the settings that every job has"
    if micro_batches > batch_size:
        raise SettingError(
            f"setting micro_batches of {job_class.__name__} must be between 1 and "
            f"batch_size ({batch_size}), not {micro_batches}"
        )
