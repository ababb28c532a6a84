"""From what ``app.yaml`` says to what each step wants to know. Everything here is made anew at each reload."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Self, assert_never

from hilum import config
from hilum.association.admission import AdmissionRules, Balancer, Source
from hilum.association.peer import Peer
from hilum.association.settings import AcceptorSettings, RequestorTimeouts
from hilum.deliver.settings import DeliverySettings
from hilum.engine.folder import FolderEngine
from hilum.engine.http import Files, HttpEngine, Platform
from hilum.engine.port import Engine, Run
from hilum.engine.process import ProcessEngine
from hilum.engine.ray import Cluster, Limits, RayEngine, Wanted
from hilum.engine.worker import EngineSettings
from hilum.exchange import Server
from hilum.group.policy import key_of
from hilum.job import processors
from hilum.job.adoption import AdoptionSettings
from hilum.job.worker import PlanSettings
from hilum.ledger.grouping import Grouping
from hilum.ledger.shown import JobView
from hilum.notify.mail import Mail, Security
from hilum.notify.policy import Expectation
from hilum.notify.webhook import Webhook
from hilum.notify.wording import Site
from hilum.notify.worker import NotifySettings, Route
from hilum.results.worker import ResultSettings
from hilum.retry import RetryRule
from hilum.store.receive import StoreRule, StoreSettings
from hilum.store.spool import Durability
from hilum.wire import NegotiationPolicy

#: How often a process is looked at whose end the system tells at once; where it does not, delivery waits for the look.
_PROCESS_WATCH = timedelta(seconds=0.5 if hasattr(os, "pidfd_open") else 0.05)
_GB = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """One configuration, in the words of the steps; replaced as a whole by a reload.

    Raises:
        PermanentError: A processor cannot be loaded.
    """

    settings: config.Settings
    acceptor: AcceptorSettings
    store: StoreSettings
    plan: PlanSettings
    adoption: AdoptionSettings
    engine: EngineSettings
    results: ResultSettings
    delivery: DeliverySettings
    notify: NotifySettings
    keep_delivered: timedelta

    @classmethod
    def of(cls, settings: config.Settings) -> Self:
        """Translate."""
        retention = settings.storage.retention_days
        return cls(
            settings=settings,
            acceptor=_acceptor(settings.dicom.scp),
            store=_store(settings),
            plan=_plan(settings),
            adoption=AdoptionSettings(
                roots=(settings.storage.payloads, settings.storage.output),
                workflows=settings.workflows,
                every=timedelta(seconds=settings.storage.scan_seconds),
            ),
            engine=_engine(settings),
            results=ResultSettings(
                settle={
                    name: timedelta()
                    if isinstance(engine, config.ProcessEngine)
                    else timedelta(seconds=settings.storage.scan_seconds)
                    for name, engine in settings.engines.items()
                },
                max_bytes=int(settings.dicom.scp.limits.object_gb * _GB),
                keep_failed=timedelta(days=retention.failed),
            ),
            delivery=_delivery(settings.dicom.scu),
            notify=notify_of(settings),
            keep_delivered=timedelta(days=retention.delivered),
        )


def _acceptor(scp: config.Scp) -> AcceptorSettings:
    return AcceptorSettings(
        rules=AdmissionRules(
            called=frozenset(ae.title for ae in scp.ae_titles),
            sources=tuple(Source.parse(source.host_ip, source.ae_title) for source in scp.sources),
            reject_unknown_sources=scp.reject_unknown_sources,
            max_associations=scp.max_associations,
        ),
        negotiation=_negotiation(scp),
        balancers=tuple(map(Balancer.parse, scp.proxies)),
        max_pdu_length=scp.max_pdu_length,
        artim=timedelta(seconds=scp.timeouts.artim),
        pdu=timedelta(seconds=scp.timeouts.pdu),
        idle=timedelta(seconds=scp.timeouts.idle),
        pre_association=scp.limits.pre_association,
        pre_association_per_host=scp.limits.pre_association_per_host,
        object_bytes=int(scp.limits.object_gb * _GB),
        log_commands=scp.log_dimse_datasets,
    )


def _negotiation(scp: config.Scp) -> NegotiationPolicy:
    if scp.verification.transfer_syntaxes:
        return NegotiationPolicy(
            verification=scp.verification.enabled,
            verification_transfer_syntaxes=tuple(scp.verification.transfer_syntaxes),
        )
    return NegotiationPolicy(verification=scp.verification.enabled)


def grouping_of(ae: config.AE) -> Grouping:
    """How one AE groups."""
    return Grouping(
        key_of=partial(key_of, kind=ae.timeout_group, windowed=ae.timeout > 0),
        window=timedelta(seconds=ae.timeout),
        overwrite=ae.overwrite_same_instance,
    )


def _store(settings: config.Settings) -> StoreSettings:
    scp = settings.dicom.scp
    rules: Mapping[str, StoreRule] = {
        ae.title: StoreRule(
            grouping=grouping_of(ae),
            ignored=ae.ignored_sop_classes,
            accept_broken=ae.aborted_associations is config.AbortedAssociations.ACCEPT,
        )
        for ae in scp.ae_titles
    }
    # An AE title can leave the configuration while its associations are held: they are grouped in the simplest way.
    gone = StoreRule(grouping=grouping_of(config.AE()), ignored=frozenset(), accept_broken=False)
    return StoreSettings(
        spool=settings.storage.temporary,
        rules=lambda called: rules.get(called, gone),
        durability=Durability(scp.durability),
        aborted_retention=timedelta(seconds=scp.aborted_retention),
        log_data_sets=scp.log_dimse_datasets,
    )


def _plan(settings: config.Settings) -> PlanSettings:
    return PlanSettings(
        processors={
            ae.title: tuple(processors.load(name) for name in ae.processors) for ae in settings.dicom.scp.ae_titles
        },
        workflows=settings.workflows,
        tries={
            name: engine.attempts
            for name, engine in settings.engines.items()
            if not isinstance(engine, config.FolderEngine)
        },
        spool=settings.storage.temporary,
        payloads=settings.storage.payloads,
        keep=timedelta(days=settings.storage.retention_days.failed),
    )


def engine_of(settings: config.Settings, name: str) -> Engine:
    """The engine that an entry of ``engines`` describes."""
    match engine := settings.engines[name]:
        case config.FolderEngine():
            return FolderEngine()
        case config.ProcessEngine():
            return ProcessEngine(
                name=name,
                command=engine.command,
                timeout=timedelta(seconds=engine.timeout),
                grace=timedelta(seconds=engine.grace),
                environment=engine.environment,
            )
        case config.RayEngine():
            return _ray(name, engine, settings.storage.payloads)
        case config.HttpEngine():
            return _http(name, engine, settings)
        case never:
            assert_never(never)


def _http(name: str, engine: config.HttpEngine, settings: config.Settings) -> HttpEngine:
    server = Server(
        url=engine.url,
        authorization=None if engine.token is None else f"Bearer {engine.token}",
        timeout=engine.timeout,
        authorities=engine.ca_file,
    )
    return HttpEngine(
        platform=Platform(name=name, server=server, secret=engine.secret),
        files=Files(engine.files),
        payloads=settings.storage.payloads,
        there=engine.payloads_on_platform,
        largest=int(settings.dicom.scp.limits.object_gb * _GB),
    )


def _ray(name: str, engine: config.RayEngine, payloads: Path) -> RayEngine:
    return RayEngine(
        cluster=Cluster(
            name=name,
            server=Server(
                url=engine.url,
                authorization=None if engine.token is None else f"Bearer {engine.token}",
                authorities=engine.ca_file,
            ),
        ),
        command=engine.command,
        wanted=Wanted(
            cpus=engine.cpus,
            gpus=engine.gpus,
            memory=int(engine.memory_gb * _GB),
            resources=engine.resources,
            labels=engine.labels,
        ),
        limits=Limits(pending=timedelta(seconds=engine.pending_timeout), run=timedelta(seconds=engine.timeout)),
        environment=engine.environment,
        runtime=engine.runtime_env,
        payloads=payloads,
        there=engine.payloads_on_nodes,
    )


def _engine(settings: config.Settings) -> EngineSettings:
    return EngineSettings(
        engines={name: engine_of(settings, name) for name in settings.engines},
        max_jobs={
            name: engine.max_jobs
            for name, engine in settings.engines.items()
            if not isinstance(engine, config.FolderEngine)
        },
        watch_every={name: _watch_every(settings, engine) for name, engine in settings.engines.items()},
        keep_failed=timedelta(days=settings.storage.retention_days.failed),
    )


def _watch_every(settings: config.Settings, engine: config.Engine) -> timedelta:
    match engine:
        case config.ProcessEngine():
            return _PROCESS_WATCH
        case config.RayEngine() | config.HttpEngine():
            return timedelta(seconds=engine.poll_seconds)
        case config.FolderEngine():
            return timedelta(seconds=settings.storage.scan_seconds)
        case never:
            assert_never(never)


def _delivery(scu: config.Scu) -> DeliverySettings:
    return DeliverySettings(
        calling=scu.ae_title,
        destinations={one.name: Peer(host=one.host_ip, port=one.port, called=one.ae_title) for one in scu.destinations},
        max_associations=scu.max_associations,
        retry=RetryRule(
            waits=tuple(timedelta(seconds=wait) for wait in scu.retry.waits),
            give_up_after=timedelta(seconds=scu.retry.give_up_after),
        ),
        timeouts=RequestorTimeouts(
            connect=timedelta(seconds=scu.timeouts.connect),
            association=timedelta(seconds=scu.timeouts.association),
            dimse=timedelta(seconds=scu.timeouts.dimse),
        ),
    )


def notify_of(settings: config.Settings) -> NotifySettings:
    """Who is told of what."""
    told = settings.notifications
    webhooks = {name: Route(channel=_webhook(one), topics=frozenset(one.about)) for name, one in told.webhooks.items()}
    mail = {name: Route(channel=_mail(one), topics=frozenset(one.about)) for name, one in told.mail.items()}
    return NotifySettings(
        routes={**webhooks, **mail},
        expected=tuple(_expectation(one) for one in told.expected),
        again_after=timedelta(seconds=told.again_after),
        retries=RetryRule(
            waits=tuple(timedelta(seconds=wait) for wait in told.retry.waits),
            give_up_after=timedelta(seconds=told.retry.give_up_after),
        ),
        site=Site(gateway=told.gateway or socket.gethostname(), public_url=(settings.web.public_url or "").rstrip("/")),
    )


def _webhook(one: config.Webhook) -> Webhook:
    server = Server(url=one.url, authorization=one.authorization, timeout=one.timeout, authorities=one.ca_file)
    return Webhook(server=server, secret=one.secret)


def _mail(one: config.Mail) -> Mail:
    return Mail(
        host=one.host,
        port=one.real_port,
        security=Security(one.security),
        user=one.user,
        password=one.password,
        sender=one.sender,
        recipients=one.recipients,
        timeout=one.timeout,
        authorities=one.ca_file,
    )


def _expectation(one: config.Expected) -> Expectation:
    since, by = one.moments
    return Expectation(source=one.source, since=since, by=by, days=one.weekdays, zone=one.zone)


def folders(settings: config.Settings) -> tuple[Path, ...]:
    """The folders that a gateway makes if they are not there."""
    return settings.storage.temporary, settings.storage.payloads, settings.storage.output


def log_tail(settings: config.Settings, job: JobView, lines: int) -> str:
    """The last lines that the present attempt of a job wrote; empty if there are none."""
    run = Run(
        job_id=job.id,
        job_name=job.name,
        folder=Path(job.folder),
        workflow=job.workflow,
        workflow_name=job.workflow_name,
        attempt=job.attempt,
    )
    if job.engine not in settings.engines:
        # The entry has left the configuration since; if it ran a command, the log is where it always is.
        return ProcessEngine(name=job.engine, command=("-",), timeout=timedelta()).logs(run, lines)
    return engine_of(settings, job.engine).logs(run, lines)
