from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmobs_trace.receiver.bodies import decoded
from llmobs_trace.receiver.http import Malformed

BODY = b'{"a": "' + b"x" * 5000 + b'"}'
MOST = 1 << 20


def zipped(data: bytes) -> bytes:
    """The same bytes whenever it is."""
    return gzip.compress(data, mtime=0)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", zipped(BODY)),
        (" GZip ", zipped(BODY)),
        ("x-gzip", zipped(BODY)),
        ("gzip", zipped(BODY[:100]) + zipped(BODY[100:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
    ],
)
def test_a_body_is_expanded_as_its_coding_says(coding: str, data: bytes) -> None:
    assert decoded(data, coding, MOST) == BODY


@pytest.mark.parametrize(
    ("coding", "data", "status"),
    [
        ("br", BODY, 415),
        ("gzip, gzip", zipped(zipped(BODY)), 415),
        ("gzip", BODY, 400),
        ("gzip", b"", 400),
        ("gzip", zipped(BODY)[:-5], 400),
        ("gzip", zipped(BODY) + b"more", 400),
        ("gzip", zipped(b"") * 1000, 400),
        ("gzip", zipped(BODY)[:-8] + b"\0" * 8, 400),
        ("deflate", zlib.compress(BODY) + b"more", 400),
        ("deflate", b"", 400),
    ],
)
def test_what_can_t_be_expanded_is_refused(coding: str, data: bytes, status: int) -> None:
    with pytest.raises(Malformed) as refused:
        decoded(data, coding, MOST)
    assert (refused.value.status, refused.value.header) == (status, "Content-Encoding")


@pytest.mark.parametrize("compress", [zipped, zlib.compress, raw_deflate])
def test_expanding_stops_at_the_bound(compress: object) -> None:
    assert callable(compress)
    coding = "gzip" if compress is zipped else "deflate"
    assert decoded(compress(bytes(MOST)), coding, MOST) == bytes(MOST)
    for size in (MOST + 1, 64 * MOST):
        with pytest.raises(Malformed) as refused:
            decoded(compress(bytes(size)), coding, MOST)
        assert refused.value.status == 413


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_expanded_or_refused(coding: str, data: bytes, is_cut: bool) -> None:
    whole = zipped(data) if coding == "gzip" else zlib.compress(data)
    for given_bytes in (data, whole[:-1] if is_cut else whole):
        try:
            found = decoded(given_bytes, coding, 1000)
        except Malformed:
            continue
        assert len(found) <= 1000
