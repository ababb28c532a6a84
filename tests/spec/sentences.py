"""What the specification says, fact by fact, in words of our own and in its order.

The specification is the documentation of the Clara DICOM Adapter. A test names the sentences it checks with
``@sentence``; what nothing can be checked of says why. A fact that stands there several times stands here once, where
it says most. ``spec.trace`` makes docs/spec-trace.md of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Sentence:
    """One fact.

    Attributes:
        says: What the specification says.
        differs: Where Hilum deliberately does otherwise or goes further, and why.
        untestable: Why no test can check it; empty = there is one.
    """

    says: str
    differs: str = ""
    untestable: str = ""


def sentence(*ids: str) -> Callable[[Test], Test]:
    """Mark a test with the sentences that it checks.

    Raises:
        KeyError: One of them is not in ``SENTENCES``.
    """
    for one in ids:
        SENTENCES[one]

    def mark(test: Test) -> Test:
        test.sentences = ids  # type: ignore[attr-defined]
        return test

    return mark


_NO_CONTAINER: Final = "Hilum is a Python program; how a container is run is not its matter"

SECTIONS: Final[Mapping[str, Mapping[str, Sentence]]] = {
    "Overview": {
        "dicom": Sentence("receives and sends DICOM objects by the standard's protocols"),
        "part-10": Sentence("reads files in the format of part 10"),
    },
    "Running it": {
        "docker": Sentence(
            "needs Docker of a certain version, an image to pull and a network", untestable=_NO_CONTAINER
        ),
        "mounts": Sentence("configuration and job folders are mounted into the container", untestable=_NO_CONTAINER),
        "listening": Sentence("once launched with its configuration, the SCP listens on its port"),
        "watching": Sentence("once launched, the SCU watches the mounted folder for new `job.done` files"),
        "stopping": Sentence("`docker stop` ends it"),
    },
    "Configuration": {
        "app-yaml": Sentence(
            "`app.yaml` is a YAML file with the sections `dicom.scp`, `dicom.scu` and the workflow mappings",
            "`workflows` and `storage` are read at the top level and under `dicom`: the samples' indentation is lost",
        ),
        "one-workflow-each": Sentence(
            "several AE titles can be configured, each mapped to a workflow with one destination",
            "an AE title may have several workflows, and a workflow several destinations: one series serves many",
        ),
    },
    "Sample: mapping an AE title to a workflow": {
        "mapping": Sentence("the sample configures two AE titles with a workflow each"),
        "mapping.source": Sentence("associations are accepted from the source with that AE title and IP address"),
        "mapping.batch": Sentence("what is sent to an AE title in one association is one batch"),
        "mapping.trigger": Sentence("when the association is closed, the configured workflow is triggered"),
        "mapping.results": Sentence("when the workflow completes, its results go to its destination"),
        "mapping.routes": Sentence(
            "device → NVIDIADGX100 → first workflow → MyOrthanc, device → NVIDIADGX101 → second → PACS"
        ),
    },
    "Sample: grouping by association": {
        "by-association": Sentence("the sample sets `timeout` to 300 and `timeout-group` to Association"),
        "by-association.several": Sentence(
            "files may come in several associations as long as all come within the timeout"
        ),
        "by-association.elapsed": Sentence("when the timeout has elapsed, the configured workflow is triggered"),
    },
    "Sample: grouping by Patient ID": {
        "by-patient": Sentence("the sample sets `timeout` to 300 and `timeout-group` to Patient"),
        "by-patient.grouped": Sentence("received instances are grouped by Patient ID (0010,0020)"),
        "by-patient.timers": Sentence("each distinct Patient ID has a timer of its own"),
        "by-patient.elapsed": Sentence("a Patient ID that gets no new instance within the timeout triggers a job"),
    },
    "Reference: `dicom.scp`": {
        "scp.port.default": Sentence("`port` is an integer, 104 if left out"),
        "scp.port": Sentence(
            "`port` is the TCP port of the SCP", "0 takes any free port: several can run beside each other"
        ),
        "ae-titles.default": Sentence("`ae-titles` may be left out; then there is one, ClaraSCP"),
        "ae-titles": Sentence("`ae-titles` lists the called AE titles"),
        "max-associations.default": Sentence("`max-associations` is an integer, 2 if left out"),
        "max-associations.range": Sentence(
            "`max-associations` is from 1 to 5",
            "up to 1000 is accepted, above 5 with a warning: a hospital has more than five scanners",
        ),
        "max-associations": Sentence(
            "`max-associations` limits how many associations are open at a time",
            "the next one is told so by a transient rejection within a second; the original let it hang",
        ),
        "verification": Sentence("`verification` may be left out"),
        "verification.enabled.default": Sentence("`verification.enabled` is true if left out"),
        "verification.enabled": Sentence(
            "`verification.enabled` switches C-ECHO on",
            "off refuses the presentation context, not the association: storage goes on beside it",
        ),
        "verification.transfer-syntaxes": Sentence(
            "`verification.transfer-syntaxes` lists the transfer syntaxes supported for verification",
            "left out or empty means the three uncompressed ones: every device knows one of them",
        ),
        "reject-unknown-sources.default": Sentence("`reject-unknown-sources` is true if left out"),
        "reject-unknown-sources": Sentence(
            "`reject-unknown-sources` rejects calling AE titles that are not in `sources`"
        ),
        "log-dimse-datasets.default": Sentence("`log-dimse-datasets` is false if left out"),
        "log-dimse-datasets": Sentence(
            "`log-dimse-datasets` says whether command sets and data sets are written to the log",
            "pixel data is left out, it tells a reader nothing; off, no personal data is in the log at all",
        ),
        "sources": Sentence("`sources` lists the devices that may send; several can be configured"),
        "sources.optional": Sentence("`sources` may be left out if `reject-unknown-sources` is false"),
        "sources.host-ip": Sentence(
            "`host-ip` of a source is an IP address or a host name",
            "IPv6 and whole networks (CIDR) too: scanners get their addresses by DHCP",
        ),
        "sources.ae-title": Sentence("`ae-title` of a source is its calling AE title"),
    },
    "Reference: `dicom.scp.ae-titles[]`": {
        "ae-title": Sentence("`ae-title` is the AE title, ClaraSCP if left out"),
        "timeout.default": Sentence("`timeout` is in whole seconds, 0 if left out"),
        "timeout.zero": Sentence("with a `timeout` of 0 each association is a request of its own"),
        "timeout": Sentence(
            "when no instance came within `timeout`, a workflow request is made for all that did",
            "a window stays open under an association that contributed to it: a slow series is not torn in two",
        ),
        "timeout.several": Sentence("`timeout` serves data sets that are sent over several associations"),
        "timeout-group.default": Sentence("`timeout-group` is Association or Patient, Association if left out"),
        "timeout-group.windows": Sentence(
            "`timeout-group` counts when `timeout` is greater than 0",
            "with 0, Patient splits what one association brought: a job never gets two patients unasked",
        ),
        "timeout-group.association": Sentence("Association groups all instances received within the timeout"),
        "timeout-group.patient": Sentence(
            "Patient groups all instances with the same Patient ID received within the timeout",
            "Study and Series exist too; two instances without a Patient ID never meet, they may be two patients",
        ),
        "overwrite-same-instance.default": Sentence("`overwrite-same-instance` is false if left out"),
        "overwrite-same-instance": Sentence(
            "`overwrite-same-instance` overwrites an instance that has the same SOP Instance UID",
            "either way the answer is success, and what was dropped has a line of history",
        ),
        "ignored-sop-classes.default": Sentence("`ignored-sop-classes` may be left out"),
        "ignored-sop-classes": Sentence(
            "`ignored-sop-classes` lists SOP class UIDs that are not stored on disk",
            "keywords like CTImageStorage are understood; the answer is success, so that a sender does not stop",
        ),
        "processors.default": Sentence("`processors` is the JobProcessor if left out"),
        "processors": Sentence(
            "`processors` are executed after the release of the association or the timeout",
            "others than the JobProcessor are Python classes, `package.module:Class`: .NET ones cannot be loaded",
        ),
        "processors.job": Sentence("the JobProcessor triggers a job for the mapped workflow"),
    },
    "Reference: `dicom.scu`": {
        "scu.ae-title": Sentence("`ae-title` is the calling AE title of the SCU", "ClaraSCU if left out"),
        "scu.max-associations.default": Sentence("`max-associations` is an integer, 2 if left out"),
        "scu.max-associations.range": Sentence(
            "`max-associations` is from 1 to 5", "as for the SCP: up to 1000, above 5 with a warning"
        ),
        "scu.max-associations": Sentence("`max-associations` limits how many outgoing associations are open at a time"),
        "destinations.optional": Sentence("`destinations` may be left out"),
        "destinations.name": Sentence("`name` of a destination is what workflows call it"),
        "destinations.host-ip": Sentence("`host-ip` of a destination is an IP address or a host name"),
        "destinations.port": Sentence("`port` of a destination is a port number"),
        "destinations.ae-title": Sentence("`ae-title` of a destination is its AE title"),
    },
    "Reference: `workflows[]`": {
        "workflows.name": Sentence("`name` is the name of the mapping"),
        "workflows.clara-ae-title": Sentence("`clara-ae-title` is the AE title that the workflow belongs to"),
        "workflows.destination-name": Sentence(
            "`destination-name` is the name of an entry of `destinations`",
            "a list of names sends to each of them; left out, results stay in the folder",
        ),
        "workflows.destination": Sentence("`destination` is the name of the destination that results go to"),
        "workflows.workflow": Sentence(
            "`workflow` names the workflow to execute; optional", "left out, it is the `name` of the mapping"
        ),
    },
    "Reference: `storage`": {
        "storage.temporary.default": Sentence(
            "`temporary` is ./storage if left out", "relative to `app.yaml`, not to where the program was started"
        ),
        "storage.temporary": Sentence("`temporary` is where received instances are stored"),
        "storage.payloads.default": Sentence("`payloads` is /app/payloads if left out"),
        "storage.payloads": Sentence("`payloads` is where the payloads of workflows are stored"),
        "storage.output.default": Sentence("`output` is /app/output if left out"),
        "storage.output": Sentence(
            "`output` is watched by the SCU", "for job folders of the same structure; `payloads` is watched as well"
        ),
    },
    "Using the SCP service": {
        "scp.commands": Sentence("the SCP accepts C-ECHO and C-STORE"),
        "scp.stored-at-once": Sentence("received instances are saved at once in `storage.temporary`"),
        "scp.to-payloads": Sentence(
            "with the JobProcessor all instances are moved to `storage.payloads` after the timeout",
            "each workflow of the AE title gets a folder; without any, instances are kept and shown as stored only",
        ),
        "scp.registered": Sentence(
            "they are moved after they were registered with the Clara Core API",
            "they are moved once the ledger has them: Hilum is made for any platform",
            untestable="the platform's API is not part of what Hilum replaces",
        ),
        "scp.original-syntax": Sentence("instances are stored as they came, in their original transfer syntax"),
        "scp.decoding": Sentence(
            "decoding is left to the workflow's container; toolkits are recommended",
            untestable="a duty of the workflow's author; that the input is not decoded is checked above",
        ),
    },
    "Using the SCU service": {
        "job-folder": Sentence("a job folder has `job.meta`, `output/` with the results, and `output/job.done`"),
        "job-folder.meta": Sentence(
            "`job.meta` holds the UUID of the workflow", "a job folder made by hand may name the mapping instead"
        ),
        "job-folder.created": Sentence("the job folder and its `job.meta` are made when the SCP triggers a job"),
        "job-folder.output": Sentence("the workflow's container puts all results in the output folder"),
        "job-folder.mapped": Sentence(
            "the output folder is mapped into the container",
            "it exists when the job starts, and a `process` engine's command is told where: nothing is mounted",
        ),
        "job-folder.done": Sentence("`job.done` is made when all results are written, and triggers the SCU"),
        "job-folder.scanned": Sentence(
            "the SCU scans the folder for all DICOM files",
            "sub-folders too; what is not sent is listed with the reason, and `job.done` too early does no harm",
        ),
        "job-folder.scheduled": Sentence(
            "the DICOM files are scheduled for the configured destination",
            "they are sent again until the destination takes them or `retry` gives up, and a receipt is written",
        ),
        "scu.as-is": Sentence("instances are sent as they are, with no codec conversion"),
    },
    "Conformance": {
        "conformance.statement": Sentence(
            "users must update the conformance statement to their application",
            "Hilum's own is docs/conformance.md, made from the code",
            untestable="a duty of whoever builds a product on it",
        ),
    },
    "Conformance: SCP": {
        "scp.several-titles": Sentence("several AE titles can be defined, each mapped to a workflow"),
        "scp.storage-classes": Sentence(
            "all storage SOP classes are accepted", "private ones too: bytes are kept whatever they mean"
        ),
        "scp.any-syntax": Sentence(
            "any proposed transfer syntax is accepted", "the first that the sender lists, which it prefers"
        ),
        "scp.no-decoding": Sentence("accepted instances are stored on disk as they are, without decoding"),
        "scp.ignoring": Sentence("each AE title may be configured to ignore and not save certain SOP classes"),
        "scp.never-initiates": Sentence("the SCP accepts associations but does not initiate any"),
        "scp.two": Sentence("the SCP accepts 2 (configurable) simultaneous associations"),
        "scp.synchronous": Sentence("asynchronous mode is not supported"),
        "scp.implementation": Sentence(
            "Implementation Class UID and Version Name are those of fo-dicom 4.0.0",
            "they are Hilum's own: PS3.7 D.3.3.2 wants them to name the implementation that speaks",
        ),
        "scp.released": Sentence(
            "an association must be released for its instances to reach a workflow",
            "`aborted-associations: accept` takes others too: PS3.4 B.4 attaches no meaning to how one ends",
        ),
        "scp.aborted": Sentence(
            "what came over an aborted or interrupted association is removed at once or after a configured time",
            "after `aborted-retention`, by default a day, in which an operator can still accept it: see ADR 6",
        ),
        "scp.security": Sentence("no security profile of DICOM is supported; the environment must be secured"),
        "scp.checks-calling": Sentence("the calling AE title can be checked when an association is requested"),
        "scp.checks-called": Sentence(
            "the called AE title can be checked when an association is requested",
            "it always is: what it decides, workflow and grouping, cannot be guessed",
        ),
        "scp.limited-list": Sentence("associations can be limited to a list of calling AE titles"),
    },
    "Conformance: SCU": {
        "scu.at-startup": Sentence("the SCU is started with the system"),
        "scu.one-title": Sentence("the SCU has a single configurable AE title"),
        "scu.pushes": Sentence("the SCU pushes results in DICOM format to a remote SCP by C-STORE"),
        "scu.several": Sentence("several remote SCPs can be configured and used in workflows"),
        "scu.storage-classes": Sentence("all SOP classes of the storage service class are sent"),
        "scu.stored-syntax": Sentence(
            "an object is sent in the transfer syntax in which it is stored, never converted"
        ),
        "scu.never-accepts": Sentence("the SCU initiates associations but does not accept any"),
        "scu.two": Sentence("2 (configurable) SCU instances send at a time"),
        "scu.synchronous": Sentence("asynchronous mode is not supported"),
        "scu.implementation": Sentence(
            "Implementation Class UID and Version Name are those of fo-dicom 4.0.0",
            "they are Hilum's own, as for the SCP",
        ),
        "scu.security": Sentence("security profiles are not applicable", untestable="the specification claims nothing"),
    },
    "Licences and support": {
        "licences": Sentence("terms, licences and forums", untestable="says nothing about behaviour"),
    },
}

SENTENCES: Final[Mapping[str, Sentence]] = {id_: one for part in SECTIONS.values() for id_, one in part.items()}
