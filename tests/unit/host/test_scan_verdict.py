"""What several codes on one parcel mean together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorter.host.verdict import verdict
from sorter.model.codes import ScanVerdict
from sorter.model.frames import ScanRead

SSCC_A = b"]C100340123450000000017"
SSCC_B = b"]C100340123450000000024"
SGTIN = b"]d2010590123412345721SN1"
SGTIN_LINK = b"https://id.gs1.org/01/05901234123457/21/SN1"
S10 = b"RR473124829PL"
GTIN = b"5901234123457"
BAD_S10 = b"RR473124828PL"
BAD_GTIN = b"4006381333932"
RUN_TOGETHER = b"01095060001343521021ABC"


def scan(*codes, truncated=False):
    return ScanRead(1, 0, 0, 0, tuple(codes), truncated)


@pytest.mark.parametrize(
    ("codes", "expected", "identity"),
    [
        ((), ScanVerdict.NO_READ, None),
        ((b"",), ScanVerdict.NO_READ, None),
        ((b"\xff\x00",), ScanVerdict.NO_READ, None),
        ((SSCC_A,), ScanVerdict.READ, "sscc:340123450000000017"),
        ((SSCC_A, SSCC_A), ScanVerdict.READ, "sscc:340123450000000017"),
        ((SSCC_A, b"00340123450000000017"), ScanVerdict.READ, "sscc:340123450000000017"),
        ((SGTIN, SGTIN_LINK), ScanVerdict.READ, "sgtin:05901234123457+SN1"),
        ((SSCC_A, SSCC_B), ScanVerdict.CONFLICT, None),
        ((SSCC_A, S10), ScanVerdict.CONFLICT, None),
        ((SSCC_A, SGTIN), ScanVerdict.CONFLICT, None),
        ((GTIN, SSCC_A), ScanVerdict.READ, "sscc:340123450000000017"),
        ((SSCC_A, b"ROUTE 7"), ScanVerdict.READ, "sscc:340123450000000017"),
        ((b"\xff", SSCC_A), ScanVerdict.READ, "sscc:340123450000000017"),
        ((BAD_S10, S10), ScanVerdict.READ, "s10:RR473124829PL"),
        ((b"RMA1",), ScanVerdict.READ, "text:RMA1"),
        ((b"RMA1", b"RMA2"), ScanVerdict.CONFLICT, None),
        ((b"RMA1", GTIN), ScanVerdict.READ, "text:RMA1"),
        ((GTIN,), ScanVerdict.READ, "text:5901234123457"),
        ((BAD_S10,), ScanVerdict.READ, "text:RR473124828PL"),
        ((BAD_GTIN,), ScanVerdict.READ, "text:4006381333932"),
        ((BAD_GTIN, S10), ScanVerdict.READ, "s10:RR473124829PL"),
        ((BAD_GTIN, b"RMA1"), ScanVerdict.READ, "text:RMA1"),
        ((RUN_TOGETHER, S10), ScanVerdict.READ, "s10:RR473124829PL"),
        ((RUN_TOGETHER, b"RMA1"), ScanVerdict.READ, "text:RMA1"),
        ((b"(01)x", b"RMA1"), ScanVerdict.READ, "text:RMA1"),
    ],
)
def test_verdict(codes, expected, identity):
    assert verdict(scan(*codes)) == (expected, identity)
    assert verdict(scan(*reversed(codes))) == (expected, identity)


def test_a_result_whose_only_code_did_not_fit_is_a_no_read():
    assert verdict(scan(truncated=True)) == (ScanVerdict.NO_READ, None)


def test_registered_text_next_to_a_valid_number_is_a_conflict():
    def registered(reading):
        return "text:RMA1" if reading.text == "RMA1" else None

    assert verdict(scan(b"RMA1", b"ROUTE 7"), registered) == (ScanVerdict.READ, "text:RMA1")
    assert verdict(scan(b"RMA1", S10), registered) == (ScanVerdict.CONFLICT, None)


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([SSCC_A, S10, GTIN])), max_size=6)
)
def test_a_verdict_names_an_identity_only_when_read(codes):
    result, identity = verdict(scan(*codes))
    assert (identity is not None) == (result is ScanVerdict.READ)
