"""From the bytes of app.yaml to plain values, each with its place. Nothing in the file is ever executed.

The YAML library only parses: values are made here, so that no tag can construct anything, a duplicate key can be told
from a single one, and an alias cannot be repeated without end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import Scanner

from hilum.config.places import Finding, KeyPath, Places, Position, shown_key

#: A thousand AE titles with all their keys need about a quarter of it.
MAX_FILE_BYTES = 1_048_576
#: How many values aliases may repeat altogether; "billion laughs" asks for 10^9.
MAX_REPEATED = 10_000
#: Levels of nesting; the settings have seven.
MAX_DEPTH = 20

_TOO_DEEP = "the values are nested too deeply to be a configuration"
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(
    _TAG + name for name in ("str", "int", "float", "bool", "null", "seq", "map", "merge", "timestamp", "value")
)
_INTEGER = re.compile(r"([-+]?)(0x[0-9a-fA-F]+|0o[0-7]+|[0-9]+)")
_UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNPAIRED = re.compile("[\ud800-\udfff]")

#: What a value is once read: ``None``, bool, int, float, str, list or dict with text keys.
Value = Any


class UnreadableError(Exception):
    """Nothing of the document can be used."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


def read(path: Path) -> str:
    """The text of the file.

    Raises:
        UnreadableError: There is no such file, or it cannot be a configuration.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableError("there is no such file; 'hilum init' writes one to start from") from None
    except IsADirectoryError:
        raise UnreadableError("this is a folder; expected a YAML file, usually called app.yaml") from None
    except OSError as error:
        raise UnreadableError(f"the file cannot be read: {error.strerror}; check its owner and mode") from None
    return decoded(data)


def decoded(data: bytes) -> str:
    """The text of a file's content.

    Raises:
        UnreadableError: It cannot be a configuration.
    """
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableError("the file is larger than 1 MiB; expected a configuration of some kilobytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise UnreadableError(
            "the file is not UTF-8 from here on; save it again as UTF-8", Position(line, column)
        ) from None
    if character := _UNPRINTABLE.search(text):
        start = character.start()
        raise UnreadableError(
            f"there is the character U+{ord(character[0]):04X} here, which YAML does not allow; remove it",
            Position(text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)),
        )
    return text


def parse(text: str, places: Places) -> tuple[dict[str, Value], list[Finding]]:
    """The document's root and everything that is wrong with its form; ``places`` is filled in.

    Where something is wrong the value is left out, or the first of several is kept, so that the rest can be checked.

    Raises:
        UnreadableError: It is not YAML, empty, or not made of keys and values.
    """
    root = _compose(text)
    if root is None or _is_null(root):
        raise UnreadableError("the file is empty; 'hilum init' writes one to start from")
    reading = _Reading(places)
    value = reading.value(root, ())
    if not isinstance(value, dict):
        raise UnreadableError(
            "expected keys and values, beginning for example with 'dicom:'", _position(root.start_mark)
        )
    return value, reading.findings


def parse_value(text: str, variable: str) -> Value:
    """One value, as it would stand after a key: for overrides from the environment.

    Raises:
        UnreadableError: It is not YAML, or something in it is wrong.
    """
    if character := _UNPRINTABLE.search(text):
        raise UnreadableError(f"the character U+{ord(character[0]):04X} is not allowed")
    root = _compose(text)
    if root is None:
        return None
    reading = _Reading(Places(file=variable))
    value = reading.value(root, ())
    if reading.findings:
        raise UnreadableError(reading.findings[0].problem.message)
    return value


class _ShallowScanner(Scanner):
    """Stops at deep nesting; without it, a file of brackets alone keeps the scanner busy for half a minute."""

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: ANN401, N803 - theirs
        if self.flow_level > MAX_DEPTH:
            raise UnreadableError(_TOO_DEEP, _position(self.reader.get_mark()))
        super().fetch_flow_collection_start(TokenClass, to_push)


def _compose(text: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _ShallowScanner
    yaml.composer.warn_double_anchors = False
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        raise _syntax_error(error) from None
    except UnreadableError:
        raise
    except RecursionError:
        raise UnreadableError(_TOO_DEEP) from None
    except Exception as error:  # noqa: BLE001 - on malformed text the parser raises more than it documents
        raise UnreadableError(f"this is not valid YAML: {type(error).__name__}") from None
    return node


class _Reading:
    """Makes values of nodes; one for each document."""

    def __init__(self, places: Places) -> None:
        self.findings: list[Finding] = []
        self._places = places
        self._seen: set[int] = set()
        self._above: set[int] = set()
        self._repeated = 0

    def value(self, node: Node, path: KeyPath) -> Value:
        """The value of a node and of all below it."""
        self._places.values.setdefault(path, _position(node.start_mark))
        if len(path) > MAX_DEPTH:
            raise UnreadableError(_TOO_DEEP, _position(node.start_mark))
        if not self._allowed(node, path):
            return None
        self._above.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._above.discard(id(node))

    def _allowed(self, node: Node, path: KeyPath) -> bool:
        if id(node) in self._above:
            message = f"the alias *{node.anchor} stands within the very value that it repeats; remove it"
            return self._damaged(node, path, message)
        if id(node) in self._seen:
            # A long text counts as many: it is not repeated in memory, but wherever it is checked.
            self._repeated += 1 + (len(node.value) // 64 if isinstance(node, ScalarNode) else 0)
            if self._repeated > MAX_REPEATED:
                raise UnreadableError(
                    f"aliases (*name) repeat more than {MAX_REPEATED} values; write fewer of them",
                    _position(node.start_mark),
                )
        self._seen.add(id(node))
        tag = str(node.tag)
        if tag not in _PLAIN_TAGS:
            shown = shown_key(tag.replace(_TAG, "!!"))
            return self._damaged(node, path, f"the tag {shown} is not allowed; write a plain value")
        return True

    def _scalar(self, node: Node, path: KeyPath) -> Value:
        # An escape in double quotes can make half of a character, which no text can hold.
        if _UNPAIRED.search(node.value):
            self._damaged(node, path, "there is an escape here for half of a character; write the character itself")
            return None
        return _plain(str(node.value), str(node.tag).removeprefix(_TAG))

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Value]:
        result: dict[str, Value] = {}
        merged: list[tuple[Node, Node]] = []
        for key_node, value_node in node.value:
            if str(key_node.tag) == _TAG + "merge":
                merged.append((key_node, value_node))
                continue
            key = key_node.value
            if not isinstance(key_node, ScalarNode) or _is_null(key_node) or _UNPAIRED.search(key):
                self._found(key_node, path, "a key must be a text; found something else before the ':'")
                continue
            here = (*path, key)
            if key in result:
                first = self._places.keys[here].line
                self._found(key_node, here, f"this key stands already in line {first}; keep one of the two")
                self._elsewhere(value_node, here)
                continue
            self._places.keys[here] = _position(key_node.start_mark)
            result[key] = self.value(value_node, here)
        for key_node, value_node in merged:
            found = self._elsewhere(value_node, path)
            if not isinstance(found, dict):
                self._found(value_node, path, "expected an alias of keys and values after '<<:'")
                continue
            for key in [key for key in found if key not in result]:
                result[key] = found[key]
                self._places.keys[*path, key] = self._places.values[*path, key] = _position(key_node.start_mark)
        return result

    def _elsewhere(self, node: Node, path: KeyPath) -> Value:
        """A value that does not stand at its own path, and must not change the places of what does."""
        outer, self._places = self._places, Places(file=self._places.file)
        try:
            return self.value(node, path)
        finally:
            self._places = outer

    def _damaged(self, node: Node, path: KeyPath, message: str) -> bool:
        self._places.damaged.add(path)
        self._found(node, path, message)
        return False

    def _found(self, node: Node, path: KeyPath, message: str) -> None:
        self.findings.append(self._places.at(_position(node.start_mark), message, path))


def _position(mark: StreamMark) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _is_null(node: Node) -> bool:
    return str(node.tag) == _TAG + "null"


def _plain(text: str, tag: str) -> Value:
    """What the text means in YAML 1.2; anything that is not quite a number stays a text."""
    match tag:
        case "null":
            return None
        case "bool" if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        case "int" if number := _INTEGER.fullmatch(text.replace("_", "")):
            digits = number[2]
            base = 16 if digits.startswith("0x") else 8 if digits.startswith("0o") else 10
            # Python refuses to read thousands of digits; no key takes a number of forty.
            return int(number[1] + digits.removeprefix("0x").removeprefix("0o"), base) if len(digits) < 40 else text
        case "float":
            return _real(text)
        case _:
            return text


def _real(text: str) -> float | str:
    try:
        number = float(text.replace("_", ""))
    except ValueError:
        return text
    return number if abs(number) < 1e300 else text


@dataclass(frozen=True, slots=True)
class _Plain:
    """What the parser says, and what that means.

    Attributes:
        begins: The mistake is where the thing begins that the parser was busy with, not where it gave up.
    """

    technical: str
    message: str
    begins: bool = False


_PLAIN = (
    _Plain(r"'\\t' that cannot start", "there is a tab here; YAML is indented with spaces"),
    _Plain(r"character '(.)' that cannot start", "a value cannot begin with {0}; put it in quotes"),
    _Plain(
        r"mapping values are not allowed",
        "there is a ':' where none can be; put the value in quotes if the ':' is part of it, or check the indentation",
    ),
    _Plain(
        r"could not find expected ':'", "expected 'key: value' or '- entry'; this line, or the one before, is neither"
    ),
    _Plain(r"undefined alias '(.*)'", "there is no anchor &{0} for the alias *{0}; put it in quotes if it is a text"),
    _Plain(r"expected a single document", "a second document begins here; write one document, without a line '---'"),
    _Plain(r"scanning a quoted scalar.*end of stream", "the quote that is opened here is never closed", begins=True),
    _Plain(
        r"expected ',' or '([\]}])'",
        "expected ',' or '{0}'; the bracket that was opened in line {line} is not closed, or a ',' is missing",
    ),
    _Plain(r"expected the node content", "there is no value here, or a bracket that was opened is not closed"),
    _Plain(r"escape sequence|unknown escape", "there is an unknown '\\' in double quotes; use single ones, or '\\\\'"),
    _Plain(
        r"expected <block end>, but found '-'|sequence entries are not allowed",
        "an entry '-' stands where none can be; check the indentation: all entries of a list begin in one column",
    ),
    _Plain(
        r"expected <block end>",
        "this does not belong to the lines above it; check the indentation: all keys of a section begin in one column",
    ),
)


def _syntax_error(error: MarkedYAMLError) -> UnreadableError:
    technical = " ".join(str(part) for part in (error.context, error.problem) if part)
    began = _position(error.context_mark) if error.context_mark else None
    gave_up = _position(error.problem_mark) if error.problem_mark else began
    for plain in _PLAIN:
        if match := re.search(plain.technical, technical):
            message = plain.message.format(*match.groups(), line=began.line if began else "?")
            return UnreadableError(message, began if plain.begins else gave_up)
    return UnreadableError(f"this is not valid YAML: {' '.join(technical.split())}", gave_up)
