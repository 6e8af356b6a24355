"""Read YAML files without losing where each value stands.

Whatever the bytes are, the answer is a :class:`Document` or a list of problems. PyYAML composes
its node tree; the values are made here, because its own constructor forgets line numbers, lets a
repeated key win silently and reads ``NO`` (Norway) as false.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from sorter.errors import Problem
from sorter.files import NOT_A_FILE, open_regular

KeyPath = tuple[str | int, ...]
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 40
MAX_NODES: Final = 200_000
"""Also bounds what aliases expand to."""

_YAML_NAMES: Final = re.compile(r"\b(alias|anchor|tag handle) '.*?'(?=;|$)", re.DOTALL)
_TAG: Final = "tag:yaml.org,2002:"
_BaseLoader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BaseLoader):  # type: ignore[misc]  # the base is chosen when the module loads
    """Plain scalars by the YAML 1.2 core schema: only true and false are booleans."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _kind, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(_pattern), _first)


def is_confidential(path: KeyPath) -> bool:
    """Say whether a value may be a password, written where the place of one belongs."""
    return "security" in path


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file, read.

    Attributes
    ----------
    name : str
        How the file is called in messages.
    text : str
    data : dict
        Mappings, lists and scalars.
    lines : dict
        Line, from 1, of every key path: of the key in a mapping, of the item in a list.
    """

    name: str
    text: str
    data: dict[str, object]
    lines: dict[KeyPath, int] = field(repr=False)

    def line_of(self, path: KeyPath) -> int:
        """Return the line of `path`, or of the nearest section around it that is written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def value_at(self, path: KeyPath) -> Any:
        """Return what stands at `path`; raises LookupError when nothing does."""
        value: Any = self.data
        for part in path:
            value = value[part]
        return value

    def with_value(self, path: KeyPath, value: object) -> Document:
        """Return the document with another value at `path`."""
        changed = replace(self, data=copy.deepcopy(self.data))
        changed.value_at(path[:-1])[path[-1]] = value
        return changed

    def renamed(self, path: KeyPath, key: str) -> Document:
        """Return the document with the last key of `path`, in a mapping, called `key`."""
        changed = replace(self, data=copy.deepcopy(self.data))
        section = changed.value_at(path[:-1])
        section[key] = section.pop(path[-1])
        end = len(path)
        lines = {
            (*path[:-1], key, *place[end:]) if place[:end] == path else place: line
            for place, line in self.lines.items()
        }
        return replace(changed, lines=lines)

    def problem(self, path: KeyPath, problem: str, remedy: str) -> Problem:
        """Return a problem at `path` of this file."""
        where, problem, remedy = map(_printable, (path_text(path), problem, remedy))
        return Problem(self.name, where, self.line_of(path), problem, remedy)


def _printable(text: str) -> str:
    """Return the text with what a terminal would obey, or cannot show, as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def path_text(path: KeyPath) -> str:
    """Return ``line.chutes[3].position_mm``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_text(path: Path, name: str = "") -> str | Problem:
    """Return the file's text, or why there is none."""
    name = name or str(path)
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        remedy = "correct the path or create the file"
        if not path.is_absolute():
            remedy = "run the command in the project's folder, or name the file by its full path"
        return _whole(name, "there is no such file", remedy)
    except IsADirectoryError:
        return _whole(name, "this is a directory", "name a YAML file in it")
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "name a YAML file" if reason == NOT_A_FILE else "make the file readable"
        return _whole(name, f"cannot be read: {reason}", remedy)
    if len(raw) > MAX_BYTES:
        return _whole(
            name,
            f"the file is larger than {MAX_BYTES // 1024 // 1024} MB",
            "a configuration file has some kB; is this the right file?",
        )
    return decode(raw, name)


def decode(raw: bytes, name: str) -> str | Problem:
    """Return `raw` as text, or the problem with its first bad byte."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Problem(
            name,
            "",
            line,
            f"byte 0x{raw[error.start]:02x} is not UTF-8",
            "save the file with UTF-8 encoding",
        )
    return text


def parse(text: str, name: str) -> tuple[Document | None, list[Problem]]:
    """Return the document, or None and what is wrong with the text.

    A repeated key, a foreign tag and the like give problems *and* a document, so that the other
    problems of the file can be found in the same go.
    """
    trouble = _too_deep(text, name)
    if trouble is not None:
        return None, [trouble]
    try:
        root = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: text that UTF-8 cannot hold
        return None, [_syntax_problem(error, name, text)]
    if root is None:
        return None, [
            Problem(name, "", 1, "the file is empty", "begin with a line like: kind: line")
        ]
    if not isinstance(root, yaml.MappingNode):
        return None, [
            Problem(
                name,
                "",
                root.start_mark.line + 1,
                "the file holds no keys at its outermost level",
                "begin with a line like: kind: line",
            )
        ]
    builder = _Builder(name)
    data = builder.build_root(root)
    if builder.overflowed:
        return None, [builder.problems[-1]]
    return Document(name, text, data, builder.lines), builder.problems


def _whole(name: str, problem: str, remedy: str) -> Problem:
    return Problem(name, "", 0, problem, remedy)


def _too_deep(text: str, name: str) -> Problem | None:
    """Look for nesting that would exhaust the stack: the composer is recursive, events are not."""
    depth = nodes = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            nodes += 1
            if depth > MAX_DEPTH or nodes > 2 * MAX_NODES:
                what = "is nested too deeply" if depth > MAX_DEPTH else "holds too many values"
                line = event.start_mark.line + 1 if event.start_mark else 1
                return Problem(name, "", line, f"the file {what}", "is this the right file?")
    except (yaml.YAMLError, ValueError) as error:
        return _syntax_problem(error, name, text)
    return None


def _syntax_problem(error: Exception, name: str, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    # A password that begins with * or & is taken for an alias or anchor, and quoted.
    what = _YAML_NAMES.sub(r"\1", what)
    where = f" (column {mark.column + 1})" if mark is not None else ""
    if mark is not None:
        line = mark.line + 1
    elif isinstance(error, yaml.reader.ReaderError):  # a character that no YAML has
        line = text.encode(errors="replace")[: error.position].count(b"\n") + 1
    else:
        line = 1
    return Problem(
        name,
        "",
        line,
        f"this is not YAML: {what}{where}",
        "check indentation, colons, quotes and brackets here and in the line before",
    )


class _Builder:
    """Makes plain values out of a node tree and notes their lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.overflowed = False
        self._nodes = 0
        self._open: set[int] = set()  # ids of the collections around the present node

    def build_root(self, root: yaml.MappingNode) -> dict[str, object]:
        self.lines[()] = root.start_mark.line + 1
        self._open.add(id(root))
        return self._mapping(root, ())

    def build(self, node: yaml.Node, path: KeyPath) -> object:
        self._nodes += 1
        self.lines.setdefault(path, node.start_mark.line + 1)
        if self._nodes > MAX_NODES or self.overflowed:
            if not self.overflowed:
                self._add(node, path, "aliases expand to too many values", "write them out")
            self.overflowed = True
            return None
        if id(node) in self._open:
            self._add(node, path, "an alias stands inside its own anchor", "write the values out")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.add(id(node))
        value = (
            self._mapping(node, path)
            if isinstance(node, yaml.MappingNode)
            else self._sequence(node, path)
        )
        self._open.discard(id(node))
        return value

    def _add(self, node: yaml.Node, path: KeyPath, problem: str, remedy: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.name, path_text(path), line, problem, remedy))

    def _check_tag(self, node: yaml.Node, path: KeyPath, standard: str) -> None:
        if node.tag != _TAG + standard:
            tag = "" if is_confidential(path) else f" {node.tag.replace(_TAG, '!!')}"
            self._add(node, path, f"the tag{tag} means nothing here", "leave the tag out")

    def _sequence(self, node: yaml.Node, path: KeyPath) -> list[object]:
        self._check_tag(node, path, "seq")
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, object]:
        self._check_tag(node, path, "map")
        values: dict[str, object] = {}
        first_line: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            line = key_node.start_mark.line + 1
            if key in values:
                self._add(
                    key_node,
                    (*path, key),
                    f"the key is written twice, first in line {first_line[key]}",
                    "keep one of the two",
                )
                continue
            first_line[key] = line
            self.lines[(*path, key)] = line
            values[key] = self.build(value_node, (*path, key))
        return values

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._add(node, path, "a key is a list or a mapping", "keys are plain words")
            return None
        if node.value == "<<" and not node.style:
            self._add(node, path, "merge keys (<<) are not supported", "write the keys out")
            return None
        if node.tag != _TAG + "str":
            shown, quoted = f" {node.value!r}", f': "{node.value}"'
            if is_confidential(path):
                shown = quoted = ""
            self._add(node, path, f"the key{shown} is not text", f"put it in quotes{quoted}")
            return None
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        text, kind = str(node.value), node.tag.removeprefix(_TAG)
        try:
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            shown = "this" if is_confidential(path) else repr(text[:20])
            self._add(node, path, f"{shown} is not a number", "write a number, like 12 or 0.5")
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "null":
            return None
        self._check_tag(node, path, "str")
        return text
