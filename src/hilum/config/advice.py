"""What is allowed in app.yaml but probably not meant."""

from __future__ import annotations

from urllib.parse import urlsplit

from hilum.config.engines import Files, HttpEngine, RayEngine
from hilum.config.kinds import Section, is_loopback
from hilum.config.notifications import Security
from hilum.config.places import KeyPath, dotted
from hilum.config.settings import Settings
from hilum.errors import Problem
from hilum.model import Topic

#: The spec's limit of ``max-associations``.
_ORIGINAL_MAX_ASSOCIATIONS = 5


def warnings(settings: Settings) -> list[Problem]:
    """What an operator should look at, in the order of the keys; the settings work all the same."""
    scp = settings.dicom.scp
    found = [*_limits(settings), *_ae_titles(settings)]
    if scp.reject_unknown_sources and not scp.sources:
        message = (
            "nobody can send: there are no sources, and reject-unknown-sources is true; "
            "list the devices that may send, or set it to false"
        )
        found.append((("dicom", "scp", "sources"), message))
    if scp.log_dimse_datasets:
        message = "the log will hold personal data of patients; set it to false when the test is over"
        found.append((("dicom", "scp", "log-dimse-datasets"), message))
    for index, proxy in enumerate(scp.proxies):
        if proxy.endswith("/0"):
            message = "everybody may say whose connection theirs is; list the balancers only"
            found.append((("dicom", "scp", "proxies", index), message))
    if settings.web.enabled and settings.web.port and settings.web.port == scp.port:
        found.append((("web", "port"), f"dicom.scp.port is {scp.port} too; give each a port of its own"))
    found += [*_engines(settings), *_notifications(settings)]
    return [
        Problem(where=settings.places.where(path), path=dotted(settings.places.written(path)), message=message)
        for path, message in found
    ]


def _limits(settings: Settings) -> list[tuple[KeyPath, str]]:
    counts = (("scp", settings.dicom.scp.max_associations), ("scu", settings.dicom.scu.max_associations))
    return [
        (
            ("dicom", part, "max-associations"),
            f"{count} is fine here, but the original would refuse it: it allows 1 to 5",
        )
        for part, count in counts
        if count > _ORIGINAL_MAX_ASSOCIATIONS
    ]


def _ae_titles(settings: Settings) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = []
    used = {workflow.clara_ae_title for workflow in settings.workflows}
    for index, ae in enumerate(settings.dicom.scp.ae_titles):
        path: KeyPath = ("dicom", "scp", "ae-titles", index)
        if not ae.processors:
            message = f"what is sent to {ae.title} is stored, but no job starts: it has no processors"
            found.append(((*path, "processors"), message))
        elif ae.title not in used:
            message = f"what is sent to {ae.title} is stored, but no job starts: no entry of workflows names it"
            found.append(((*path, "ae-title"), message))
        found += _lower_case(ae, (*path, "ae-title"), ae.title)
    return [*found, *_lower_case(settings.dicom.scu, ("dicom", "scu", "ae-title"), settings.dicom.scu.ae_title)]


def _lower_case(section: Section, path: KeyPath, title: str) -> list[tuple[KeyPath, str]]:
    if title in {title.upper(), type(section).model_fields["ae_title"].default}:
        return []
    message = (
        f"{title} has lower-case letters; AE titles are case-sensitive and many devices only know upper case: "
        f"{title.upper()} is safer"
    )
    return [(path, message)]


def _engines(settings: Settings) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = []
    for name, engine in settings.engines.items():
        if not isinstance(engine, HttpEngine | RayEngine):
            continue
        host = urlsplit(engine.url).hostname or ""
        if engine.token is not None and engine.url.startswith("http:") and not is_loopback(host):
            message = (
                "the token is sent as it is over a connection that is not protected; use https, or a network of its own"
            )
            found.append((("engines", name, "url"), message))
        if isinstance(engine, HttpEngine) and engine.files is Files.HTTP and engine.payloads_on_platform is not None:
            message = "it means nothing while files go by HTTP; remove it, or set files to shared"
            found.append((("engines", name, "payloads-on-platform"), message))
    return found


def _notifications(settings: Settings) -> list[tuple[KeyPath, str]]:
    found: list[tuple[KeyPath, str]] = []
    told, top = settings.notifications, "notifications"
    for name, webhook in told.webhooks.items():
        if webhook.secret is None:
            message = "notices are not signed: whoever gets them cannot tell whose they are; set secret"
            found.append(((top, "webhooks", name), message))
        if webhook.authorization is not None and webhook.url.startswith("http:"):
            message = "authorization is sent as it is over a connection that is not protected; use https"
            found.append(((top, "webhooks", name, "url"), message))
    for name, mail in told.mail.items():
        if mail.user is not None and mail.security is Security.NONE:
            message = "the password is sent as it is over a connection that is not protected; use starttls or tls"
            found.append(((top, "mail", name, "security"), message))
    abouts = [*(one.about for one in told.webhooks.values()), *(one.about for one in told.mail.values())]
    if told.expected and not any(Topic.SOURCE_QUIET in about for about in abouts):
        message = "nobody is told when a source is quiet: add a channel under webhooks or mail"
        found.append(((top, "expected"), message))
    known = {source.ae_title for source in settings.dicom.scp.sources}
    for index, one in enumerate(told.expected):
        if known and settings.dicom.scp.reject_unknown_sources and one.source not in known:
            message = f"{one.source} is not in dicom.scp.sources, so that it is rejected and always quiet"
            found.append(((top, "expected", index, "source"), message))
    return found
