import pytest

from hilum.errors import LocalError
from hilum.wire import Reject
from hilum.wire.pdu import (
    decode_abort,
    decode_reject,
    encode_abort,
    encode_data_header,
    encode_reject,
    encode_release_rp,
    encode_release_rq,
    max_fragment,
)


def test_the_small_pdus_are_those_of_the_standard() -> None:
    assert encode_release_rq() == bytes.fromhex("05000000000400000000")
    assert encode_release_rp() == bytes.fromhex("06000000000400000000")
    assert encode_abort(2, 6) == bytes.fromhex("07000000000400000206")
    assert encode_reject(Reject.CALLING_NOT_RECOGNIZED) == bytes.fromhex("03000000000400010103")


@pytest.mark.parametrize(
    ("reject", "codes", "words"),
    [
        (Reject.NO_REASON, (1, 1, 1), "no reason"),
        (Reject.APPLICATION_CONTEXT, (1, 1, 2), "application context"),
        (Reject.CALLING_NOT_RECOGNIZED, (1, 1, 3), "calling AE title"),
        (Reject.CALLED_NOT_RECOGNIZED, (1, 1, 7), "called AE title"),
        (Reject.PROTOCOL_VERSION, (1, 2, 2), "protocol version"),
        (Reject.CONGESTION, (2, 3, 1), "congestion"),
        (Reject.LOCAL_LIMIT, (2, 3, 2), "limit"),
        (Reject(4, 5, 6), (4, 5, 6), "does not know"),
    ],
)
def test_rejections_have_the_standards_codes_and_plain_words(reject: Reject, codes: tuple, words: str) -> None:
    assert (reject.result, reject.source, reject.reason) == codes
    assert reject.transient == (codes[0] == 2)
    assert words in str(reject)
    assert "/".join(map(str, codes)) in str(reject)
    assert decode_reject(encode_reject(reject)[6:]) == reject


def test_an_abort_is_read_as_it_was_written() -> None:
    assert decode_abort(encode_abort(2, 5)[6:]) == (2, 5)


def test_codes_are_one_byte_each() -> None:
    for codes in ((256, 0), (0, -1)):
        with pytest.raises(LocalError):
            encode_abort(*codes)


def test_a_data_header_counts_what_follows_it() -> None:
    assert encode_data_header(255, 10, command=True, last=True) == bytes.fromhex("0400 00000010 0000000c ff 03")
    assert encode_data_header(1, 10, command=False, last=False) == bytes.fromhex("0400 00000010 0000000c 01 00")


@pytest.mark.parametrize("maximum", [8, 9, 128, 16384, 131072, 1024 * 1024 + 6, 0xFFFFFFFF, 0])
def test_the_longest_fragment_is_even_fits_and_is_bounded(maximum: int) -> None:
    fragment = max_fragment(maximum)
    assert fragment % 2 == 0
    assert 2 <= fragment <= 1024 * 1024
    assert not maximum or fragment + 6 <= maximum
