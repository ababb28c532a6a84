"""Musts 76 to 84: the storage service, seen from its answers and, where they can be looked at, from its files."""

from __future__ import annotations

from typing import Final

from hilum.battery import command
from hilum.battery.association import CT_EXPLICIT, CT_IMPLICIT, ECHO, Association, command_pdu, data_pdus
from hilum.battery.command import Message, store_request
from hilum.battery.instance import PATIENT_ID, PATIENT_NAME, Instance, new_uid
from hilum.battery.musts.dimse import CANNOT_UNDERSTAND, MISMATCH
from hilum.battery.octets import IMPLICIT, MR, USER_ABORT, Heard
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, UnobservableError, fact, must, seen

#: What a storage SCP may answer. Source: PS3.4 Table B.2-1; PS3.7 C.
_FAMILIES: Final = ("A[79]??", "C???", "B00[067]", "0[12]??")


def _as(association: Association, sop_instance: str, content: bytes, message: int = 1) -> Message | Heard:
    """The answer to any data set that is sent under a SOP Instance UID."""
    request = command_pdu(store_request(sop_instance, message), on=CT_EXPLICIT)
    return association.tell(request + data_pdus(content, on=CT_EXPLICIT))


@must(76, "its statuses are those of the storage service, without personal data in their comment", "PS3.4 Table B.2-1")
def statuses(to: Target) -> Findings:
    whole = to.instance().encode()
    failures = 0
    for case, content, wanted in (
        ("another instance's data set", whole, MISMATCH),
        ("half a data set", whole[: len(whole) - 5], CANNOT_UNDERSTAND),
    ):
        with to.associate() as association:
            answer = _as(association, new_uid(), content)
            if not isinstance(answer, Message) or not answer.number(command.STATUS):
                continue  # whether it must be refused is another must
            failures += 1
            yield seen(answer, wanted, *_FAMILIES, case=case)
            comment = answer.text(command.COMMENT) or ""
            yield fact(len(comment) <= 64, f"{len(comment)} characters", "at most 64 characters", "comment")
            told = any(secret in comment for secret in (PATIENT_NAME, PATIENT_ID))
            yield fact(not told, "the patient", "no personal data", "comment")
            offending = answer.elements.get(command.OFFENDING, b"")
            yield fact(len(offending) % 4 == 0, f"{len(offending)} bytes", "tags of 4 bytes", "offending element")
    if not failures:
        raise UnobservableError("it answers no damaged data set with a status of failure")


@must(77, "a data set that is not the command's instance or SOP class is refused, not stored", "PS3.4 B.2.3, A9xx")
def mismatch(to: Target) -> Findings:
    instance, claimed = to.instance(), new_uid()
    other = to.instance(sop_class=MR)
    with to.associate() as association:
        yield seen(_as(association, claimed, instance.encode()), MISMATCH, case="instance")
        yield seen(_as(association, other.sop_instance, other.encode(), 2), MISMATCH, case="SOP class")
    if to.shelf is not None:
        for uid in (claimed, other.sop_instance):
            yield fact(not to.shelf.holding(uid), "stored", "nothing stored")


@must(78, "a damaged data set is refused, not stored, and the association goes on", "PS3.4 B.2.3, Cxxx")
def damaged(to: Target) -> Findings:
    whole = to.instance().encode()
    for case, content in (
        ("an element of 4 GiB", b"\xe0\x7f\x10\0\xf0\xff\xff\xff" + bytes(10)),
        ("cut off", whole[: len(whole) - 5]),
        ("noise", bytes(range(255, 0, -1)) * 2),
        ("empty", b""),
    ):
        uid = new_uid()
        with to.associate() as association:
            yield seen(_as(association, uid, content), CANNOT_UNDERSTAND, MISMATCH, case=case)
            yield seen(association.echo(2), "0000", case=f"C-ECHO after {case}")
        if to.shelf is not None:
            yield fact(not to.shelf.holding(uid), "stored", "nothing stored", case)


@must(80, "when it answers success, the file is there", "PS3.4 B.2.2")
def success_means_stored(to: Target) -> Findings:
    shelf = to.files()
    with to.associate() as association:
        for number in (1, 2, 3):
            instance = to.instance()
            yield seen(association.store(instance, number), "0000")
            yield fact(bool(shelf.holding(instance.sop_instance)), "no file yet", "a file when the answer comes")


@must(81, "over which association an instance comes, and how that ends, makes no difference", "PS3.4 B.4")
def associations_mean_nothing(to: Target) -> Findings:
    shelf = to.files()
    one, two, three = to.instance(), to.instance(), to.instance()
    with to.associate() as first:
        yield seen(first.store(one), "0000")
        with to.associate() as second:
            yield seen(second.store(two), "0000", case="interleaved")
            yield seen(first.store(three, 2), "0000", case="interleaved")
            second.line.send(USER_ABORT)
        yield seen(first.release(), "RELRP")
    for case, instance in (("first", one), ("second, aborted", two), ("first again", three)):
        kept = shelf.wait(instance.sop_instance, to.patience) is not None
        yield fact(kept, "gone", "kept", case)


@must(82, "every byte of the data set is kept", "product; PS3.4 B.4.1, level 2; PS3.5 7")
def every_byte(to: Target) -> Findings:
    shelf = to.files()
    with to.associate(ECHO, CT_EXPLICIT, CT_IMPLICIT) as association:
        for number, context in enumerate((CT_EXPLICIT, CT_IMPLICIT), start=1):
            instance = to.instance(context.transfer_syntaxes[0])
            yield seen(association.store(instance, number, on=context), "0000")
            stored = shelf.wait(instance.sop_instance, to.patience)
            found = None if stored is None else stored.data_set
            case = "Implicit VR" if context.transfer_syntaxes[0] == IMPLICIT else "Explicit VR"
            yield fact(found is not None, "no file", "a file", case)
            yield fact(found == instance.encode(), "other bytes", "the bytes sent", case)


@must(83, "no value is coerced", "PS3.4 B.2.3, B.4.1")
def no_coercion(to: Target) -> Findings:
    shelf = to.files()
    with to.associate() as association:
        instance = to.instance()
        yield seen(association.store(instance), "0000")
        stored = shelf.wait(instance.sop_instance, to.patience)
        if stored is None:
            raise UnobservableError("there is no file")
        changed = [text.decode() for text in instance.texts() if text not in stored.data_set]
        yield fact(not changed, "changed", "every value as it was sent")


@must(84, "an instance that comes again is answered, and one of the two is kept whole", "product; PS3.4 B.2.3")
def same_instance_again(to: Target) -> Findings:
    first = to.instance()
    second = Instance(transfer_syntax=first.transfer_syntax, sop_instance=first.sop_instance, fill=first.fill + 1)
    with to.associate() as association:
        yield seen(association.store(first), "0000")
        yield seen(association.store(first, 2), "0000", case="the same bytes")
        yield seen(association.store(second, 3), "0000", *_FAMILIES, case="other bytes")
        yield seen(association.release(), "RELRP")
    if to.shelf is not None:
        kept = to.shelf.wait(first.sop_instance, to.patience)
        # A peer that encodes data sets anew keeps their values.
        found = [one.pixels() in kept.data_set for one in (first, second)] if kept else []
        yield fact(sum(found) == 1, "a mixture" if kept else "gone", "one of the two", "what is kept")
