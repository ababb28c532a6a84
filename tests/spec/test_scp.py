"""The storage SCP and what it negotiates; the peer is pynetdicom."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
import pytest
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_role
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

from harness.data import make_instance
from harness.site import Site
from harness.waiting import eventually
from spec.job_folder import uids, wait_for_jobs
from spec.peers import CT_IMAGE_STORAGE, ECHO, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION, Archive, modality
from spec.sentences import sentence

MakeGateway = Callable[..., Site]

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PRIVATE_CLASS, PRIVATE_SYNTAX = "1.2.826.0.1.3680043.10.1469.1", "1.2.826.0.1.3680043.10.1469.2"
ABSTRACT_SYNTAX_NOT_SUPPORTED, TRANSFER_SYNTAXES_NOT_SUPPORTED = 3, 4


def app_yaml(scp: str = "") -> str:
    return f"""
        dicom:
          scp:
            ae-titles: [{{ae-title: AI}}]
            reject-unknown-sources: false
            {scp}
        workflows: [{{name: ct, clara-ae-title: AI, workflow: wf-1}}]
        """


@sentence("scp.commands", "dicom")
def test_c_echo_and_c_store_are_accepted_and_no_other_service(gateway: MakeGateway, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "ct")
    contexts = [ECHO, (CT_IMAGE_STORAGE, [EXPLICIT_LE]), (FIND, [IMPLICIT_LE])]
    with gateway(app_yaml()) as site:
        with modality(site.port, *contexts) as association:
            assert association.send_c_echo().Status == 0
            assert association.send_c_store(path).Status == 0
            [refused] = association.rejected_contexts
            assert (refused.abstract_syntax, refused.result) == (FIND, ABSTRACT_SYNTAX_NOT_SUPPORTED)
        [job] = wait_for_jobs(site, 1)
        assert job.instances == uids(path)


@sentence("scp.storage-classes")
def test_all_storage_sop_classes_are_accepted_and_private_ones(gateway: MakeGateway) -> None:
    classes = [PRIVATE_CLASS, *(context.abstract_syntax for context in AllStoragePresentationContexts)]
    assert len(classes) > 128
    with gateway(app_yaml()) as site:
        for some in (classes[:128], classes[128:]):
            with modality(site.port, *((one, [EXPLICIT_LE]) for one in some)) as association:
                assert [one.abstract_syntax for one in association.accepted_contexts] == some


@sentence("scp.any-syntax")
def test_any_proposed_transfer_syntax_is_accepted_the_first_one_of_several(gateway: MakeGateway) -> None:
    syntaxes = [PRIVATE_SYNTAX, *map(str, ALL_TRANSFER_SYNTAXES)]
    with gateway(app_yaml()) as site:
        # Each alone, and each as the first of all that follow.
        contexts = [(CT_IMAGE_STORAGE, [one]) for one in syntaxes]
        contexts += [(CT_IMAGE_STORAGE, syntaxes[number:]) for number in range(len(syntaxes))]
        with modality(site.port, *contexts) as association:
            chosen = [str(one.transfer_syntax[0]) for one in association.accepted_contexts]
            assert chosen == syntaxes * 2


@pytest.mark.parametrize("key", ["", "verification: {enabled: true}", "verification: {transfer-syntaxes: []}"])
@sentence("verification", "verification.enabled.default", "verification.enabled")
def test_c_echo_is_answered_in_each_uncompressed_transfer_syntax_by_default(gateway: MakeGateway, key: str) -> None:
    with gateway(app_yaml(key)) as site:
        for syntax in (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE):
            with modality(site.port, (VERIFICATION, [syntax])) as association:
                assert association.send_c_echo().Status == 0


@sentence("verification.enabled")
def test_c_echo_can_be_switched_off_and_storage_goes_on(gateway: MakeGateway, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "ct")
    with gateway(app_yaml("verification: {enabled: false}")) as site:
        with modality(site.port, ECHO, (CT_IMAGE_STORAGE, [EXPLICIT_LE])) as association:
            [refused] = association.rejected_contexts
            assert (refused.abstract_syntax, refused.result) == (VERIFICATION, ABSTRACT_SYNTAX_NOT_SUPPORTED)
            assert association.send_c_store(path).Status == 0
        wait_for_jobs(site, 1)


@pytest.mark.parametrize(
    ("proposed", "accepted"),
    [
        ([EXPLICIT_BE], EXPLICIT_BE),
        ([IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE], EXPLICIT_LE),
        ([IMPLICIT_LE], None),
    ],
)
@sentence("verification.transfer-syntaxes")
def test_verification_is_accepted_in_the_configured_transfer_syntaxes_only(
    gateway: MakeGateway, proposed: Sequence[str], accepted: str | None
) -> None:
    key = f"verification: {{transfer-syntaxes: ['{EXPLICIT_LE}', '{EXPLICIT_BE}']}}"
    with gateway(app_yaml(key)) as site, modality(site.port, (VERIFICATION, proposed)) as association:
        assert [one.transfer_syntax for one in association.accepted_contexts] == ([[accepted]] if accepted else [])
        if accepted is None:
            assert [one.result for one in association.rejected_contexts] == [TRANSFER_SYNTAXES_NOT_SUPPORTED]


@sentence("scp.never-initiates")
def test_the_scp_accepts_associations_and_only_results_open_one(
    gateway: MakeGateway, archive: Archive, tmp_path: Path
) -> None:
    path = make_instance(tmp_path / "ct")
    keys = f"""
        dicom:
          scp: {{ae-titles: [{{ae-title: AI}}], reject-unknown-sources: false}}
          scu: {{destinations: [{archive.entry()}]}}
        workflows: [{{name: ct, clara-ae-title: AI, destination-name: ARCHIVE, workflow: wf-1}}]
        """
    both = build_role(CT_IMAGE_STORAGE, scu_role=True, scp_role=True)
    with gateway(keys) as site:
        with modality(site.port, (CT_IMAGE_STORAGE, [EXPLICIT_LE]), extended=[both]) as association:
            [role] = association.acceptor.role_selection.values()
            assert (role.scu_role, role.scp_role) == (True, False), "it would not send on this association either"
            association.send_c_store(path)
        [job] = wait_for_jobs(site, 1)
        assert archive.callers == []
        job.finish(path)
        eventually(lambda: archive.stored, what="the result")


@sentence("scp.synchronous")
def test_asynchronous_operations_are_not_granted(gateway: MakeGateway) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 8
    with gateway(app_yaml()) as site, modality(site.port, extended=[window]) as association:
        assert association.is_established
        assert association.acceptor.asynchronous_operations == (1, 1)


@sentence("scp.implementation")
def test_the_scp_names_itself_and_not_another_implementation(gateway: MakeGateway, tmp_path: Path) -> None:
    path = make_instance(tmp_path / "ct")
    with gateway(app_yaml()) as site:
        with modality(site.port, (CT_IMAGE_STORAGE, [EXPLICIT_LE])) as association:
            acceptor = association.acceptor
            class_uid, version_name = str(acceptor.implementation_class_uid), acceptor.implementation_version_name
            association.send_c_store(path)
        [job] = wait_for_jobs(site, 1)
        meta = pydicom.dcmread(job.inputs[0]).file_meta
    assert class_uid.startswith("2.25.")
    assert version_name is not None
    assert version_name.startswith("HILUM")
    assert (meta.ImplementationClassUID, meta.ImplementationVersionName) == (class_uid, version_name)


@sentence("scp.security")
def test_a_secured_connection_is_not_understood_and_harms_nobody(gateway: MakeGateway) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with gateway(app_yaml()) as site:
        with socket.create_connection(("127.0.0.1", site.port), 10) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain)
        with modality(site.port) as association:
            assert association.send_c_echo().Status == 0
