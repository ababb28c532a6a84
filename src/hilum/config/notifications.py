"""The keys under ``notifications``: whom to tell, of what, and when a source is expected to have sent."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from datetime import time, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema

from hilum.config.kinds import (
    File,
    Host,
    Kind,
    Line,
    Mark,
    Port,
    Seconds,
    Section,
    SomeSeconds,
    Text,
    Title,
    did_you_mean,
)
from hilum.model import Topic

_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_MAILBOX = re.compile(r"(?:[^<>]*<)?[^@<>\s,;]+@[^@<>\s,;]+>?")
#: Where the machine says in which time zone it is.
_LOCALTIME = Path("/etc/localtime")


def url(value: str) -> str:
    """An address of the web, as it was written; secrets have keys of their own."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("this is not a valid URL; expected for example https://example.org/hook") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("expected a URL that begins with https:// or http:// and a host")
    if parts.username or parts.password:
        raise ValueError("a URL is shown to people: put the credentials into authorization instead")
    if parts.fragment or not value.isascii() or any(letter.isspace() for letter in value):
        raise ValueError("expected a URL without spaces and without '#'")
    return value


def _of_day(value: str) -> str:
    if not _OF_DAY.fullmatch(value):
        raise ValueError(f"expected a time of day such as '08:00', in quotes, found {value!r}")
    return value


def _mailbox(value: str) -> str:
    if not _MAILBOX.fullmatch(value) or ("<" in value) != value.endswith(">"):
        raise ValueError(f"expected an e-mail address, such as pacs@example.org, found {value!r}")
    return value


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (KeyError, OSError, ValueError):  # as zoneinfo has no one name for it
        hint = did_you_mean(value, zoneinfo.available_timezones())
        raise ValueError(f"expected a time zone such as Europe/Berlin, found {value!r}{hint}") from None
    return value


_PLAIN_TEXT = WithJsonSchema({"type": "string", "minLength": 1})
Url = Annotated[Line, AfterValidator(url), Kind("a URL", "https:// or http://"), _PLAIN_TEXT]
TimeOfDay = Annotated[
    str,
    AfterValidator(_of_day),
    Kind("a time of day", "HH:MM in quotes"),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
Mailbox = Annotated[Line, AfterValidator(_mailbox), Kind("an e-mail address"), _PLAIN_TEXT]
Zone = Annotated[Line, AfterValidator(_zone), Kind("a time zone"), _PLAIN_TEXT]

_ALL = tuple(Topic)
_ABOUT = "What to tell through this channel. Left out: all there is."
_AUTHORITIES = "PEM file with the certificates to verify the server by, if those of the system do not suffice."


class Webhook(Section):
    """An HTTP server that is told by POST."""

    url: Annotated[Url, Mark.OURS] = Field(description="Address to POST to. The certificate of https is verified.")
    secret: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="Key that each notice is signed with. Left out, it is not signed."
    )
    authorization: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="Value of the header Authorization, if the server asks for one."
    )
    about: Annotated[tuple[Topic, ...], Field(min_length=1), Mark.OURS] = Field(default=_ALL, description=_ABOUT)
    timeout: Annotated[SomeSeconds, Mark.OURS] = Field(default=10, description="Seconds for the whole request.")
    ca_file: Annotated[File | None, Mark.OURS] = Field(default=None, description=_AUTHORITIES)


class Security(StrEnum):
    """How the way to a mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Mail(Section):
    """Mailboxes that are told."""

    host: Annotated[Host, Mark.OURS] = Field(description="The mail server (SMTP).")
    port: Annotated[Port | None, Mark.OURS] = Field(
        default=None, description="Its TCP port. Left out: 587 with starttls, 465 with tls, 25 with none."
    )
    security: Annotated[Security, Mark.OURS] = Field(
        default=Security.STARTTLS,
        description="How the connection is protected. The server's certificate is verified unless it is none.",
    )
    user: Annotated[Text | None, Mark.OURS] = Field(
        default=None, description="Name for the login. Left out, there is none."
    )
    password: Annotated[Text | None, Mark.OURS, Mark.SECRET] = Field(
        default=None, repr=False, description="Password for the login."
    )
    sender: Annotated[Mailbox, Mark.OURS] = Field(
        alias="from", description="Address that the mails come from: pacs@example.org, or Hilum <pacs@example.org>."
    )
    recipients: Annotated[tuple[Mailbox, ...], Field(min_length=1), Mark.OURS] = Field(
        alias="to", description="Addresses that the mails go to."
    )
    about: Annotated[tuple[Topic, ...], Field(min_length=1), Mark.OURS] = Field(default=_ALL, description=_ABOUT)
    timeout: Annotated[SomeSeconds, Mark.OURS] = Field(default=20, description="Seconds for the whole conversation.")
    ca_file: Annotated[File | None, Mark.OURS] = Field(default=None, description=_AUTHORITIES)

    @property
    def real_port(self) -> int:
        """The one that counts."""
        return self.port or {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}[self.security]


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Expected(Section):
    """A source that is missed if it has not sent by some time of the day."""

    source: Annotated[Title, Mark.OURS] = Field(description="Calling AE title of the source.")
    by: Annotated[TimeOfDay, Mark.OURS] = Field(
        description="Time of the day, in quotes, by which it has usually sent something."
    )
    since: Annotated[TimeOfDay, Mark.OURS] = Field(
        default="00:00", description="Time of the same day from which on what it sends counts."
    )
    days: Annotated[tuple[Day, ...], Field(min_length=1), Mark.OURS] = Field(
        default=_WEEK, description="Days of the week on which it is expected."
    )
    timezone: Annotated[Zone | None, Mark.OURS] = Field(
        default=None, description="Time zone of by and since, such as Europe/Berlin. Left out, that of this machine."
    )

    @property
    def weekdays(self) -> frozenset[int]:
        """Its days; 0 is Monday."""
        return frozenset(_WEEK.index(day) for day in self.days)

    @property
    def moments(self) -> tuple[time, time]:
        """``since`` and ``by``."""
        return time.fromisoformat(self.since), time.fromisoformat(self.by)

    @property
    def zone(self) -> tzinfo:
        """The time zone that counts."""
        return zoneinfo.ZoneInfo(self.timezone) if self.timezone else local_zone()


def local_zone() -> tzinfo:
    """That of this machine; UTC if it does not say."""
    try:
        with _LOCALTIME.open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


class NoticeRetry(Section):
    """What happens when a channel does not take a notice."""

    waits: Annotated[tuple[SomeSeconds, ...], Field(min_length=1), Mark.OURS] = Field(
        default=(10, 60, 300, 1800),
        description="Seconds to wait before the second, third, ... attempt; the last one repeats. Each is made up to "
        "a fifth longer or shorter, at random.",
    )
    give_up_after: Annotated[Seconds, Mark.OURS] = Field(
        default=86_400, description="Seconds after which no new attempt is made: old news helps nobody."
    )


class Notifications(Section):
    """Who is told of what goes wrong."""

    gateway: Annotated[Text | None, Mark.OURS] = Field(
        default=None, description="What this gateway is called in notices. Left out: the name of the machine."
    )
    webhooks: Annotated[Mapping[Text, Webhook], Mark.OURS] = Field(
        default_factory=dict, description="HTTP servers that are told, by a name for each."
    )
    mail: Annotated[Mapping[Text, Mail], Mark.OURS] = Field(
        default_factory=dict, description="Mailboxes that are told, by a name for each."
    )
    again_after: Annotated[SomeSeconds, Mark.OURS] = Field(
        default=3600,
        description="Seconds in which news of one subject are gathered after one was told; then one notice counts "
        "them all.",
    )
    retry: Annotated[NoticeRetry, Mark.OURS] = Field(
        default=NoticeRetry(), description="What happens when a channel does not take a notice."
    )
    expected: Annotated[tuple[Expected, ...], Mark.OURS] = Field(
        default=(), description="Sources that are missed when they are quiet."
    )

    def beneath(self, folder: Path) -> Self:
        """The same with relative files made absolute, from ``folder``."""
        webhooks = {name: one.model_copy(update=_file(one, folder)) for name, one in self.webhooks.items()}
        mail = {name: one.model_copy(update=_file(one, folder)) for name, one in self.mail.items()}
        return self.model_copy(update={"webhooks": webhooks, "mail": mail})


def _file(one: Webhook | Mail, folder: Path) -> dict[str, Path]:
    return {} if one.ca_file is None else {"ca_file": folder / one.ca_file}
