"""Parameter models as text: TOML, YAML and JSON in, commented YAML out, single values by their dotted names.

This module alone knows how settings are written down; which there are, and what is allowed, stands in `config`. What a
text leaves out keeps the value that it had.
"""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ValidationError

from napari_spoco.config import Parameters, SegmentationConfig, TrainingConfig

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

_Model = TypeVar("_Model", bound=Parameters)
_LINE_LENGTH = 110


def read_config(path: str | os.PathLike[str], base: _Model) -> _Model:
    """Read settings from a file on top of others.

    Parameters
    ----------
    path
        .toml, .yaml, .yml or .json with the names of the model; sections are the nested models. TOML has no null:
        what is to be None needs one of the others.
    base
        Settings that stay where the file says nothing.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        The file is of another kind or broken, or a name or value is not allowed; the message names the file and the
        dotted field, what was expected and what came.
    """
    return change_config(base, read_document(path), source=str(path))


def read_training_config(path: str | os.PathLike[str]) -> TrainingConfig:
    """Read the settings of a training; errors as `read_config`."""
    return read_config(path, TrainingConfig())


def read_segmentation_config(path: str | os.PathLike[str]) -> SegmentationConfig:
    """Read the settings of a segmentation; errors as `read_config`."""
    return read_config(path, SegmentationConfig())


def set_values(base: _Model, assignments: Sequence[str]) -> _Model:
    """Change settings by assignments such as "loss.instance_loss=bce"; values are YAML scalars or [lists].

    Raises
    ------
    ValueError
        An assignment has no "=" or cannot be read, or its name or value is not allowed.
    """
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"expected NAME=VALUE, such as loss.instance_loss=bce, got {assignment!r}")
        try:
            value = _load_yaml(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{assignment}: expected a value in YAML ({_one_line(error)})") from error
        for part in reversed(name.strip().split(".")):
            value = {part: value}
        base = change_config(base, value)
    return base


def change_config(base: _Model, changes: Mapping[str, Any], *, source: str = "") -> _Model:
    """Return settings with some values replaced, in nested models too; `source` stands first in error messages.

    Raises
    ------
    ValueError
        A name or value is not allowed.
    """
    return parse_parameters(type(base), _merged(base.model_dump(mode="json"), changes), source=source)


def parse_parameters(model: type[_Model], values: Mapping[str, Any], *, source: str = "") -> _Model:
    """Make parameters of plain values; numbers in quotes, and true for 1, are errors.

    Raises
    ------
    ValueError
        Names each wrong field with its dotted name, what was expected and what came.
    """
    try:
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        raise ValueError("; ".join(_sentence(model, dict(problem), source) for problem in problems)) from error


def read_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the names and values in a .toml, .yaml, .yml or .json file; an empty one has none.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        The file is of another kind, broken, or says something twice.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise ValueError(f"{path}: expected a file ending in {', '.join(_READERS)}")
    content = path.read_bytes()
    try:
        values = _READERS[suffix](content.decode("utf-8-sig"))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: expected {suffix[1:].upper()} ({_one_line(error)})") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected names with values, got {_shown(values)}")
    return values


def write_yaml(config: Parameters) -> str:
    """Return settings as YAML that `read_config` reads back, each with its title, unit, help and what is allowed."""
    return "\n".join(_yaml_lines(config, type(config)(), indent="")).lstrip("\n") + "\n"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """YAML 1.1 without two of its traps: 1e-3 is a number, and a name that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = [(str(self.construct_object(key)), None) for key, _ in node.value]
        _unique(pairs)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def _load_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


def _load_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


_READERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _load_yaml,
    ".yml": _load_yaml,
    ".json": _load_json,
}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} stands there twice")
    return dict(pairs)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        before = base.get(name)
        if not isinstance(before, dict):
            merged[name] = value
        elif value is not None:  # A section of which every line is a comment says nothing.
            merged[name] = _merged(before, value) if isinstance(value, dict) else value
    return merged


def _sentence(model: type[Parameters], problem: Mapping[str, Any], source: str) -> str:
    """Say what is wrong with one field."""
    name = ".".join(map(str, problem["loc"]))
    where = f"{source}: {name}" if source else name
    if problem["type"] == "extra_forbidden":
        return f"{where}: there is no such name{_suggestion(model, name)}"
    if problem["type"] == "missing":
        return f"{where}: expected a value, got none"
    expected = re.sub(r"^\w+ should (be|have) |^Value error, |, not \d+$", "", problem["msg"])
    expected = expected.replace("a valid array", "a list such as [64, 64]")
    return f"{where}: expected {expected}, got {_shown(problem['input'])}"


def _suggestion(model: type[Parameters], name: str) -> str:
    """Return the name that was probably meant: the same one in another section, or a similar one."""
    known = list(_dotted_names(model))
    last = name.rpartition(".")[2]
    similar = [other for other in known if other.rpartition(".")[2] == last] or get_close_matches(name, known, n=1)
    return f"; did you mean {similar[0]}?" if similar else ""


def _dotted_names(model: type[Parameters], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Parameters):
            yield from _dotted_names(field.annotation, f"{prefix}{name}.")


def _yaml_lines(config: Parameters, defaults: Parameters, indent: str) -> Iterator[str]:
    for name, field in type(config).model_fields.items():
        value, default = getattr(config, name), getattr(defaults, name)
        if isinstance(value, Parameters):
            yield ""
            yield from _comment((type(value).__doc__ or "").partition("\n")[0], indent)
            yield f"{indent}{name}:"
            yield from _yaml_lines(value, default, f"{indent}  ")
        else:
            notes = [] if value == default else [f"default {_as_yaml(default)}"]
            yield from _comment(_describe(field, notes), indent)
            yield f"{indent}{name}: {_as_yaml(value)}"


def _describe(field: FieldInfo, notes: list[str]) -> str:
    """Return title, unit, help, what is allowed, and notes."""
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    title = f"{field.title} ({unit})" if unit else str(field.title)
    choices = " | ".join(_as_yaml(choice) for choice in _choices(field.annotation))
    allowed = [choices] if choices else [words.format(limit) for words, limit in _bounds(field)]
    rest = ", ".join([*allowed, *notes])
    return f"{title}: {field.description}" + (f" [{rest}]" if rest else "")


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of a Literal, and None where it is allowed."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    parts = get_args(annotation)
    choices = [choice for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    return (*choices, None) if choices and type(None) in parts else tuple(choices)


def _bounds(field: FieldInfo) -> Iterator[tuple[str, Any]]:
    for bound in field.metadata:
        match bound:
            case Ge(limit):
                yield "at least {}", limit
            case Gt(limit):
                yield "above {}", limit
            case Le(limit):
                yield "at most {}", limit
            case Lt(limit):
                yield "below {}", limit
            case MinLen(limit):
                yield "at least {} of them", limit


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _LINE_LENGTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ")


def _as_yaml(value: Any) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _shown(value: Any) -> str:
    return textwrap.shorten(repr(value), 80)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
