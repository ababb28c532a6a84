"""What eats time or memory, crashes or lies costs one picture."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from harness.data import real_file
from harness.waiting import eventually
from hilum.errors import TemporaryError
from hilum.pictures.pool import Pool
from hilum.pictures.process import DecodingProcess, Limits
from stage.pictures.decoding import ask, draw, is_placeholder, pixels

#: Replaces what answers requests by the body of a function, which gets ``asked`` and ``bounds``.
_PROGRAM = """
import ctypes, os, signal, socket, sys, time
from hilum.pictures.decoder import __main__ as decoder
from hilum.pictures import channel
def answer(asked, bounds):
    {body}
decoder._answer = answer
decoder.main(sys.argv[1:])
"""


def doing(body: str) -> Callable[[Limits], DecodingProcess]:
    """Starts decoders that do something else than decoding."""
    program = _PROGRAM.format(body=body.strip().replace("\n", "\n    "))
    return lambda limits: DecodingProcess(limits, ("-c", program))


def told(pool: Pool) -> str:
    """What a decoder says that tries something and answers with what came of it."""
    return draw(pool, real_file("CT_small.dcm")).why


def alive(pool: Pool) -> None:
    """The next picture is there as if nothing had happened."""
    assert pixels(draw(pool, real_file("CT_small.dcm"))).shape == (128, 128)


# --- files


def native(
    tmp_path: Path, rows: int, columns: int, bits: int = 16, *, keyword: str = "PixelData", size: int = 64
) -> Path:
    ds = pydicom.dcmread(real_file("CT_small.dcm"))
    del ds.PixelData
    if "DataSetTrailingPadding" in ds:
        del ds.DataSetTrailingPadding
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit = rows, columns, bits, bits, bits - 1
    path = tmp_path / "native.dcm"
    ds.save_as(path)
    with path.open("ab") as file:
        vr = {"PixelData": b"OW", "DoubleFloatPixelData": b"OD"}[keyword]
        tag = {"PixelData": 0x10, "DoubleFloatPixelData": 0x09}[keyword]
        file.write(struct.pack("<HH2sHI", 0x7FE0, tag, vr, 0, size))
        file.truncate(file.tell() + size)  # zeros that take no room
    return path


def compressed(tmp_path: Path, name: str, frame: bytes, **values: int) -> Path:
    ds = pydicom.dcmread(real_file(name))
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.PixelData = encapsulate([frame])
    path = tmp_path / "compressed.dcm"
    ds.save_as(path)
    return path


def test_more_rows_and_columns_than_can_be(pool: Pool, tmp_path: Path) -> None:
    picture = draw(pool, native(tmp_path, 65535, 65535))
    assert is_placeholder(picture)
    assert picture.why == "it is too large to be shown: 65535 rows, 65535 columns; 16000000 values at most"
    alive(pool)


def test_more_memory_than_it_may_use(pool: Pool, tmp_path: Path) -> None:
    path = native(tmp_path, 4000, 4000, 64, keyword="DoubleFloatPixelData", size=4000 * 4000 * 8)
    picture = draw(pool, path)
    assert is_placeholder(picture)
    assert picture.why == "it needs more memory than a decoder may use (500 MiB)"
    alive(pool)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_file_cut_off(make_pool: Callable[..., Pool], tmp_path: Path, share: float) -> None:
    """CharLS looks for the rest of a JPEG-LS stream for twenty seconds: it gets two."""
    pool = make_pool(limits=Limits(seconds=2))
    for name in ("CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"):
        data = real_file(name).read_bytes()
        path = tmp_path / name
        path.write_bytes(data[: int(len(data) * share)])
        assert draw(pool, path).png.startswith(b"\x89PNG")


def test_run_lengths_that_grow(pool: Pool, tmp_path: Path) -> None:
    run = b"\x81\x00" * (8 << 20)  # 16 MiB stand for 1 GiB
    frame = struct.pack("<16I", 2, 64, 64 + len(run), *[0] * 13) + run + run
    picture = draw(pool, compressed(tmp_path, "MR_small_RLE.dcm", frame))
    assert is_placeholder(picture)
    alive(pool)


def test_jpeg_2000_that_says_it_is_huge(pool: Pool, tmp_path: Path) -> None:
    ds = pydicom.dcmread(real_file("MR_small_jp2klossless.dcm"))
    stream = bytearray(next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1)))
    at = stream.index(b"\xff\x51") + 6  # SIZ: Xsiz, Ysiz; tiles as large
    struct.pack_into(">II", stream, at, 60000, 60000)
    struct.pack_into(">II", stream, at + 16, 60000, 60000)
    picture = draw(pool, compressed(tmp_path, "MR_small_jp2klossless.dcm", bytes(stream)))
    assert is_placeholder(picture)
    alive(pool)


def test_jpeg_that_is_larger_than_its_header_says(pool: Pool, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9000, 9000)).save(file, "JPEG")
    picture = draw(pool, compressed(tmp_path, "SC_rgb_jpeg_dcmtk.dcm", file.getvalue()))
    assert is_placeholder(picture)
    alive(pool)


def test_a_deflated_data_set_that_grows(pool: Pool, tmp_path: Path) -> None:
    ds = pydicom.dcmread(real_file("image_dfl.dcm"))
    pydicom.dcmwrite(tmp_path / "file.dcm", pydicom.dcmread(real_file("image_dfl.dcm")))
    data = (tmp_path / "file.dcm").read_bytes()
    meta = data[: 132 + 12 + ds.file_meta.FileMetaInformationGroupLength]
    squeeze = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    bomb = squeeze.compress(struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, 640 << 20))
    for _ in range(20):
        bomb += squeeze.compress(bytes(32 << 20))
    (tmp_path / "bomb.dcm").write_bytes(meta + bomb + squeeze.flush())
    picture = draw(pool, tmp_path / "bomb.dcm")
    assert is_placeholder(picture)
    assert "memory" in picture.why
    alive(pool)


# --- decoders


def test_one_that_sleeps_is_ended(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(start=doing("time.sleep(3600)"), limits=Limits(seconds=0.5))
    picture = draw(pool, real_file("CT_small.dcm"))
    assert is_placeholder(picture)
    assert picture.why == "decoding took longer than 0.5 s and was ended"
    assert picture.passing


def test_one_that_computes_for_ever_ends_itself(make_pool: Callable[..., Pool]) -> None:
    """Even if nobody is left to end it: the gateway is as patient here as can be."""
    body = "signal.setitimer(signal.ITIMER_PROF, 0.2)\nwhile True: pass"
    pool = make_pool(start=doing(body), limits=Limits(seconds=60))
    assert "of processor time" in told(pool)


def test_one_that_crashes_is_replaced(make_pool: Callable[..., Pool]) -> None:
    started = []

    def start(limits: Limits) -> DecodingProcess:
        started.append(doing("ctypes.string_at(0)")(limits) if not started else DecodingProcess(limits))
        return started[-1]

    pool = make_pool(start=start)
    picture = draw(pool, real_file("CT_small.dcm"))
    assert is_placeholder(picture)
    assert picture.why == "the decoder crashed on it (SIGSEGV)"
    alive(pool)
    assert len(started) == 2


@pytest.mark.parametrize(
    "body",
    [
        "return {}, b'<script>'",
        "return {'why': 5}, b''",
        "return {'why': ''}, b''",
        "os.write(int(sys.argv[1]), b'garbage' * 100); time.sleep(3600)",
        "os.write(int(sys.argv[1]), bytes(8)); time.sleep(3600)",
        "os._exit(0)",
    ],
)
def test_one_that_lies_is_not_believed(make_pool: Callable[..., Pool], body: str) -> None:
    picture = draw(make_pool(start=doing(body), limits=Limits(seconds=2)), real_file("CT_small.dcm"))
    assert is_placeholder(picture)
    assert picture.passing


def test_one_that_cannot_start_says_why(make_pool: Callable[..., Pool]) -> None:
    def start(limits: Limits) -> DecodingProcess:
        return DecodingProcess(
            limits, ("-c", "import sys; sys.modules['jpeg_ls'] = None; " + _PROGRAM.format(body="pass"))
        )

    picture = draw(make_pool(start=start), real_file("CT_small.dcm"))
    assert picture.why.startswith("the decoder cannot start: ")
    assert "jpeg_ls" in picture.why


# --- the cage

_TRY = """
try:
    came = {what}
except BaseException as error:
    came = type(error).__name__
return {{"why": f"{{came}}"}}, __import__("hilum.pictures.placeholder").pictures.placeholder.draw("", 16)
"""


@pytest.mark.parametrize(
    "what",
    [
        "open('/etc/passwd').read()",
        "open('/tmp/hilum-was-here', 'w')",
        "open('/proc/self/environ').read()",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 0)",
        "os.kill(os.getpid(), 0)",
        "os.unlink('/tmp/x')",
        "os.mkdir('/tmp/x')",
        "os.listdir('/')",
        "os.pipe()",
        "os.dup(0)",
        "__import__('resource').prlimit(os.getppid(), 0)",
        "os.setuid(0)",
        "os.pwrite(asked.files[0], b'x', 0)",
    ],
)
def test_what_it_may_not_do(make_pool: Callable[..., Pool], what: str) -> None:
    assert told(make_pool(start=doing(_TRY.format(what=what)))) in {"PermissionError", "OSError"}


def test_what_it_may_do(make_pool: Callable[..., Pool]) -> None:
    """That the tries above fail is the cage's doing."""
    assert told(make_pool(start=doing(_TRY.format(what="os.pread(asked.files[0], 4, 128)")))) == "b'DICM'"
    assert told(make_pool(start=doing(_TRY.format(what="len(bytes(100 << 20))")))) == str(100 << 20)
    assert told(make_pool(start=doing(_TRY.format(what="bytes(900 << 20)")))) == "MemoryError"


# --- the pool


def test_nothing_runs_before_it_is_needed(make_pool: Callable[..., Pool]) -> None:
    assert make_pool().running == 0


def test_idle_processes_are_ended(make_pool: Callable[..., Pool]) -> None:
    started: list[DecodingProcess] = []

    def start(limits: Limits) -> DecodingProcess:
        started.append(DecodingProcess(limits))
        return started[-1]

    pool = make_pool(start=start, idle=timedelta(milliseconds=50))
    alive(pool)
    eventually(lambda: pool.running == 0, what="the process to be ended")
    eventually(lambda: not Path(f"/proc/{started[0].pid}").exists(), what="the process to be gone")
    alive(pool)
    assert len(started) == 2


def test_as_many_work_at_once_as_there_may_be(make_pool: Callable[..., Pool], tmp_path: Path) -> None:
    """Two that wait for each other come to an end only if both are at work."""
    os.mkfifo(tmp_path / "fifo")
    fifo = os.open(tmp_path / "fifo", os.O_RDWR)
    read_and_pass_on = """
os.read(asked.files[0], 1) if os.fstat(asked.files[0]).st_mode & 0o10000 else 0
return {"why": "passed"}, __import__("hilum.pictures.placeholder").pictures.placeholder.draw("", 16)
"""
    pool = make_pool(start=doing(read_and_pass_on), processes=2, limits=Limits(seconds=30))
    waits = ask(pool, [Path(f"/proc/self/fd/{fifo}")])
    assert ask(pool, [real_file("CT_small.dcm")]).future.result(30)  # while the first one still reads
    assert not waits.future.done()
    os.write(fifo, b"x")
    assert waits.future.result(30)
    os.close(fifo)


def test_too_many_are_turned_away(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(start=doing("time.sleep(3600)"), queue=2, limits=Limits(seconds=60))
    first = ask(pool, [real_file("CT_small.dcm")])
    eventually(first.future.running, what="the first to be begun")
    waiting = [ask(pool, [real_file("CT_small.dcm")]) for _ in range(2)]
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TemporaryError, match="2 pictures wait"):
        ask(pool, [real_file("CT_small.dcm")])
    assert len(os.listdir("/proc/self/fd")) == descriptors  # its file has been closed
    for one in (first, *waiting):
        one.abandon()


def test_nobody_waits_any_more(make_pool: Callable[..., Pool]) -> None:
    """What is being done is ended, what waits is not begun, and others get their turn."""
    started = []

    def start(limits: Limits) -> DecodingProcess:
        started.append(doing("time.sleep(3600)")(limits) if not started else DecodingProcess(limits))
        return started[-1]

    pool = make_pool(start=start, limits=Limits(seconds=600))
    first = ask(pool, [real_file("CT_small.dcm")])
    eventually(first.future.running, what="the first to be begun")
    second = ask(pool, [real_file("CT_small.dcm")])
    second.abandon()
    first.abandon()
    alive(pool)
    assert second.future.cancelled()
    assert len(started) == 2


def test_the_end_ends_all(make_pool: Callable[..., Pool]) -> None:
    started: list[DecodingProcess] = []

    def start(limits: Limits) -> DecodingProcess:
        started.append(doing("time.sleep(3600)")(limits))
        return started[-1]

    pool = make_pool(start=start, limits=Limits(seconds=600))
    first = ask(pool, [real_file("CT_small.dcm")])
    eventually(lambda: first.future.running() and started, what="the first to be begun")
    pool.close()
    assert not Path(f"/proc/{started[0].pid}").exists()


def test_files_are_closed_when_it_is_over(pool: Pool) -> None:
    alive(pool)
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        alive(pool)
    assert len(os.listdir("/proc/self/fd")) == descriptors
