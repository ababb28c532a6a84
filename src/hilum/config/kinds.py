"""What one value of app.yaml may be: each kind checks itself, and says in plain words what it expects.

The words stand in a ``Kind`` beside the type; messages and the reference page are made from them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path, PurePath
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

from hilum.model import AETitle, Uid

#: One year: longer waits are mistakes, and far longer ones overflow a ``timedelta``.
LONGEST_SECONDS = 31_536_000

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_-]*)\}")

#: What a command of the process engine may ask for.
PLACEHOLDERS = ("input", "output", "job", "workflow")


class Section(BaseModel):
    """A group of keys. Kebab-case in YAML, snake_case in Python; what it does not know it refuses."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        validate_by_name=True,
        validate_by_alias=True,
        protected_namespaces=(),
    )


class Mark(Enum):
    """What the reference says of a key beside its type; stands in a field's annotation."""

    OURS = "ours"  # Hilum's own: the spec does not have it
    RESTART = "restart"  # a change counts from the next start on
    SECRET = "secret"  # never shown  # noqa: S105 - the name of a mark


@dataclass(frozen=True, slots=True)
class Kind:
    """How messages and the reference speak of a type.

    Attributes:
        name: With its article: "an AE title".
        range: What is allowed beyond that: "1 to 16 characters"; empty if there is nothing to say.
    """

    name: str
    range: str = ""

    @property
    def phrase(self) -> str:
        """To be read after "expected": ``a whole number from 1 to 5``."""
        if not self.range:
            return self.name
        if self.numeric and self.range[0].isdigit():
            return f"{self.name} from {self.range}"
        return f"{self.name} ({self.range})"

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.name.endswith("number")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is near; capitals do not count."""
    folded = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold()[:100], folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or nothing when no known word is near."""
    found = nearest(word, known)
    return f"; did you mean '{found}'?" if found else ""


def _born(parse: Callable[[str], object], **constraints: Any) -> GetPydanticSchema:  # noqa: ANN401 - pydantic's own
    """The schema of a type that is made from a text and checks itself when it is made."""

    def build(_source: object, _handler: object) -> core_schema.CoreSchema:
        text = core_schema.no_info_before_validator_function(
            lambda value: str(value) if isinstance(value, PurePath) else value,
            core_schema.str_schema(metadata={"pydantic_js_updates": constraints}),
        )
        return core_schema.no_info_after_validator_function(
            parse, text, serialization=core_schema.to_string_ser_schema()
        )

    return GetPydanticSchema(build)


def _text(value: str) -> str:
    if not value:
        raise ValueError("this is empty; expected at least one character")
    if value != value.strip():
        raise ValueError("this starts or ends with a space; remove it")
    if character := _CONTROL.search(value):
        raise ValueError(f"this has the control character {character[0]!r}; write it on one line, without any")
    return value


def _folder(value: str) -> Path:
    path = _text(value)
    if path.startswith("~"):
        raise ValueError("'~' is the shell's word for a home folder and means nothing here; write the folder in full")
    return Path(path)


def _host(value: str) -> str:
    host = _text(value)
    if _is_address(host):
        return host
    if "://" in host:
        raise ValueError(f"expected only an IP address or host name, found the URL {host!r}")
    if re.fullmatch(r"[^:]+:[0-9]+", host):
        raise ValueError(f"expected only an IP address or host name, found {host!r}; the port has a key of its own")
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit() or ":" in host:
        raise ValueError(f"{host!r} is not a valid IP address; expected four numbers from 0 to 255, or IPv6")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{host!r} is neither an IP address nor a host name")
    return host


def _network(value: str) -> str:
    address, slash, _ = _text(value).partition("/")
    if value == "*":
        raise ValueError("'*' is not an address; list 0.0.0.0/0 for any, or set reject-unknown-sources to false")
    if not slash or "://" in value:
        return _host(value)
    try:
        ipaddress.ip_network(value)
    except ValueError:
        try:
            whole = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is not a valid network; expected for example 10.0.0.0/24") from None
        raise ValueError(
            f"{value!r} is an address within a network; write {whole} for the whole network or {address} for this one"
        ) from None
    return value


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _sop_class(value: str) -> Uid:
    from hilum.wire import uids  # noqa: PLC0415 - most files name no UID, and the table takes time to import

    names = {name: uid for name in uids.keywords() if (uid := uids.keyword_to_uid(name)) and uids.is_storage(uid)}
    return _uid(_text(value), names, "a storage SOP class")


def _transfer_syntax(value: str) -> Uid:
    from hilum.wire import uids  # noqa: PLC0415 - likewise

    known = {name: uid for name in uids.keywords() if (uid := uids.keyword_to_uid(name))}
    names = {name: uid for name, uid in known.items() if uid.startswith("1.2.840.10008.1.2")}
    return _uid(_text(value), names, "a transfer syntax")


def _uid(text: str, names: Mapping[str, Uid], what: str) -> Uid:
    """A UID as such, or by its keyword."""
    if text[0].isdigit():
        return Uid(text)
    if text not in names:
        raise ValueError(f"expected {what}, as a UID or by its keyword, found {text!r}{did_you_mean(text, names)}")
    return names[text]


def _without_empty_lists(value: object) -> object:
    # The spec's reference writes the empty list of transfer syntaxes as a list of one empty list: "- []".
    return tuple(entry for entry in value if entry != []) if isinstance(value, list) else value


def _argument(value: str) -> str:
    if "\0" in value:
        raise ValueError("a NUL character cannot be part of a command")
    for word in _PLACEHOLDER.findall(value):
        if word not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            meant = nearest(word, PLACEHOLDERS)
            hint = f"; did you mean {{{meant}}}?" if meant else ""
            raise ValueError(f"nothing is put in place of {{{word}}}; known are {known}{hint}")
    return value


def _variable(value: str) -> str:
    if not value or "=" in value or "\0" in value:
        raise ValueError(f"{value!r} cannot be the name of an environment variable")
    return value


def _variable_value(value: str) -> str:
    if "\0" in value:
        raise ValueError("a NUL character cannot be part of an environment variable")
    return value


#: How the URL of a ledger on a server begins; the scheme names the driver, too.
SERVER: Final = "postgresql+psycopg"
_PASSWORD: Final = re.compile(r"(://[^/@]*?:)[^/@]*(?=@)|(?<=[?&])((?:ssl)?password=)[^&]*")


def _ledger(value: str) -> str:
    # A URL may hold a password: messages quote its scheme only.
    scheme, separator, rest = _text(value).partition("://")
    if not separator:
        raise ValueError(f"expected a URL such as sqlite:///hilum.db; for a file write sqlite:///{value.lstrip('/')}")
    if scheme.startswith("postgres") and scheme != SERVER:
        raise ValueError(f"expected {SERVER}://, which names the driver, too; found a URL of the kind {scheme!r}")
    if scheme == SERVER:
        return _server(value)
    if scheme != "sqlite":
        raise ValueError(
            f"expected sqlite:///<file> or {SERVER}://<user>@<host>/<database>, found a URL of the kind {scheme!r}"
        )
    if not rest.startswith("/") or rest.strip("/") in {"", ":memory:"} or "?" in rest:
        raise ValueError(
            "expected sqlite:/// and a file, for example sqlite:///hilum.db; the ledger must outlive Hilum"
        )
    return value


def _server(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(
            f"expected {SERVER}://<user>@<host>:<port>/<database>; its host or port cannot be read"
        ) from None
    if not parts.path.strip("/"):
        raise ValueError(f"expected {SERVER}://<user>@<host>/<database>; the name of the database is missing")
    return value


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}********", url)


def _one_or_many(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


#: For kinds that say more than that it is a text.
Line = Annotated[str, Field(min_length=1), AfterValidator(_text)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_text), Kind("text")]
Title = Annotated[
    AETitle,
    _born(AETitle, minLength=1, maxLength=16, pattern=r"^[ -\[\]-~]+$"),
    Kind("an AE title", "1 to 16 characters, no backslash"),
]
Folder = Annotated[Path, _born(_folder, minLength=1), Kind("a folder")]
File = Annotated[Path, _born(_folder, minLength=1), Kind("a file")]
Host = Annotated[str, Field(min_length=1), AfterValidator(_host), Kind("an IP address or host name")]
Network = Annotated[
    str, Field(min_length=1), AfterValidator(_network), Kind("an IP address, network (CIDR) or host name")
]
ListenPort = Annotated[int, Field(ge=0, le=65535)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]
SomeSeconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]
SopClasses = Annotated[
    frozenset[
        Annotated[
            Uid,
            _born(_sop_class, minLength=1),
            Kind("an SOP class UID or keyword"),
        ]
    ],
    Kind("a list of SOP class UIDs or keywords"),
]
TransferSyntaxes = Annotated[
    tuple[
        Annotated[
            Uid,
            _born(_transfer_syntax, minLength=1),
            Kind("a transfer syntax UID or keyword"),
        ],
        ...,
    ],
    BeforeValidator(_without_empty_lists),
    Kind("a list of transfer syntax UIDs or keywords"),
]
#: One name, or a list of names; always a tuple in Python.
Names = Annotated[
    tuple[Text, ...],
    BeforeValidator(_one_or_many),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}]}
    ),
    Kind("a name or a list of names"),
]
Argument = Annotated[str, AfterValidator(_argument), Kind("text")]
Variable = Annotated[str, AfterValidator(_variable), Kind("the name of an environment variable")]
VariableValue = Annotated[str, AfterValidator(_variable_value), Kind("text")]
LedgerUrl = Annotated[
    str,
    AfterValidator(_ledger),
    WithJsonSchema({"type": "string", "pattern": r"^(sqlite:///.+|postgresql\+psycopg://.+)"}),
    Kind("a URL", "sqlite:/// and a file, or postgresql+psycopg://user@host/database"),
]
