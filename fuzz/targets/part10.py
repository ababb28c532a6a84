"""The heads of files that somebody else wrote: ``read_meta``."""

from __future__ import annotations

from hilum.store.part10 import MetaInfo, NotDicom, file_meta, read_meta
from hilum.store.scan import scan_file_head
from hilum.wire import is_uid


def part10(data: bytes) -> None:
    """Nothing is raised; what is read lies within the file, and is read the same from less of it or written anew."""
    meta = read_meta(data)
    if isinstance(meta, NotDicom):
        assert meta.why.isascii()
        assert 0 < len(meta.why) <= 64
        return
    assert is_uid(meta.transfer_syntax)
    assert 0 <= meta.data_set_offset <= len(data)
    scan_file_head(data[meta.data_set_offset :], meta.transfer_syntax)
    if meta.guessed:
        return
    assert read_meta(data[: meta.data_set_offset]) == meta, "what follows group 0002 changed what is in it"
    if meta.sop_class.isascii() and meta.sop_instance.isascii():
        _round_trip(meta)


def _round_trip(meta: MetaInfo) -> None:
    written = file_meta(
        sop_class=meta.sop_class,
        sop_instance=meta.sop_instance,
        transfer_syntax=meta.transfer_syntax,
        calling="FUZZ",
        implementation_class_uid="2.25.1",
        implementation_version_name="FUZZ",
    )
    again = read_meta(written)
    assert again == MetaInfo(
        transfer_syntax=meta.transfer_syntax,
        sop_class=meta.sop_class,
        sop_instance=meta.sop_instance,
        data_set_offset=len(written),
    )
