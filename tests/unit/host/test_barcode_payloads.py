"""What a payload is read as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sorter.host.barcode import MAX_PAYLOAD_BYTES, Check, Family, read_payload
from sorter.host.s10 import s10_check_digit

SSCC = "340123450000000017"
GTIN = "05901234123457"


@pytest.mark.parametrize(
    ("payload", "family", "identity", "check"),
    [
        # GS1 element strings by AIM identifier, by FNC1, without either
        (b"]C100340123450000000017", "gs1_element_string", f"sscc:{SSCC}", "ok"),
        (b"\x1d00340123450000000017", "gs1_element_string", f"sscc:{SSCC}", "ok"),
        (b"]d2010590123412345721SN1\x1d10LOT", "gs1_element_string", f"sgtin:{GTIN}+SN1", "ok"),
        (b"]Q3010590123412345710LOT\x1d21SN1", "gs1_element_string", f"sgtin:{GTIN}+SN1", "ok"),
        (b"010590123412345721SN1", "gs1_element_string", f"sgtin:{GTIN}+SN1", "ok"),
        (b"01059012341234572112345", "gs1_element_string", f"sgtin:{GTIN}+12345", "ok"),
        (b"(01)05901234123457(21)SN1", "gs1_element_string", f"sgtin:{GTIN}+SN1", "ok"),
        (
            b"]C100340123450000000017010590123412345721SN1",
            "gs1_element_string",
            f"sscc:{SSCC}",
            "ok",
        ),  # SSCC wins
        (b"]C100340123450000000017\x1d17260230", "gs1_element_string", f"sscc:{SSCC}", "ok"),
        (b"]d20105901234123457", "gs1_element_string", None, "ok"),  # a product, not a parcel
        (b"]C100340123450000000018", "gs1_element_string", None, "wrong"),
        (b"]d2010590123412345821SN1", "gs1_element_string", None, "wrong"),
        (b"]C1nonsense", "gs1_element_string", None, "none"),
        (b"]d221A\x1d21B", "gs1_element_string", None, "none"),  # contradicts itself
        (b"]d2\xc5\x82", "gs1_element_string", None, "none"),
        # Digital Link
        (
            b"https://id.gs1.org/01/05901234123457/21/SN1",
            "gs1_digital_link",
            f"sgtin:{GTIN}+SN1",
            "ok",
        ),
        (
            b"HTTPS://ID.GS1.ORG/01/05901234123457/21/SN1",
            "gs1_digital_link",
            f"sgtin:{GTIN}+SN1",
            "ok",
        ),
        (
            b"https://shop.example/p/01/5901234123457/10/L/21/a%2Fb",
            "gs1_digital_link",
            f"sgtin:{GTIN}+a/b",
            "ok",
        ),
        (b"https://id.gs1.org/00/340123450000000017", "gs1_digital_link", f"sscc:{SSCC}", "ok"),
        (b"https://id.gs1.org/00/340123450000000018", "gs1_digital_link", None, "wrong"),
        (
            b"https://shop.example/returns/17",
            "plain",
            "text:https://shop.example/returns/17",
            "none",
        ),
        (b"http://[", "plain", "text:http://[", "none"),
        # SSCC as plain digits
        (b"340123450000000017", "sscc", f"sscc:{SSCC}", "ok"),
        (b"00340123450000000017", "sscc", f"sscc:{SSCC}", "ok"),
        (b"340123450000000018", "sscc", None, "wrong"),
        # UPU S10
        (b"RR473124829PL", "upu_s10", "s10:RR473124829PL", "ok"),
        (b" rr 473 124 829 pl\r\n", "upu_s10", "s10:RR473124829PL", "ok"),
        (b"]C0RR473124829PL", "upu_s10", "s10:RR473124829PL", "ok"),
        (b"RR473124828PL", "upu_s10", None, "wrong"),
        # GTIN alone
        (b"5901234123457", "gtin", None, "ok"),
        (b"]E05901234123458", "gtin", None, "wrong"),
        # digits in the form of a GTIN, but none: a misread, or a number only the registry knows
        (b"4006381333932", "gtin", None, "wrong"),
        (b"12345678", "gtin", None, "wrong"),
        (b"123456789013", "gtin", None, "wrong"),
        (b"05901234123458", "gtin", None, "wrong"),
        (b"123456789", "plain", "text:123456789", "none"),
        # GS1 by its looks only
        (b"01095060001343521021ABC", "gs1_element_string", None, "ok"),  # all of 21ABC is a batch
        (b"01095060001343522", "gs1_element_string", None, "none"),  # half an identifier
        (b"01095060001343522112345678901234567890X", "gs1_element_string", None, "none"),
        (b"010950600013435321SN1", "gs1_element_string", None, "wrong"),
        (b"0034012345000000001810LOT", "gs1_element_string", None, "wrong"),
        (b"0109506000134353ZWROT", "plain", "text:0109506000134353ZWROT", "none"),
        (b"(01)09506000134352(21", "plain", None, "none"),
        (b"(01)zwrot", "plain", None, "none"),
        # plain
        (b"RMA000123", "plain", "text:RMA000123", "none"),
        (b"]C0RMA000123\r\n", "plain", "text:RMA000123", "none"),
        ("Zwrot łódzki".encode(), "plain", "text:Zwrot łódzki", "none"),
        ("٣٤٠١٢٣٤٥٠٠٠٠٠٠٠٠١٧".encode(), "plain", "text:٣٤٠١٢٣٤٥٠٠٠٠٠٠٠٠١٧", "none"),
        (b"(99", "plain", "text:(99", "none"),
        # nothing and junk
        (b"", "empty", None, "none"),
        (b" \r\n", "empty", None, "none"),
        (b"\x1d\x1d", "empty", None, "none"),
        (b"]C1", "empty", None, "none"),
        (b"\xff\xfe", "junk", None, "none"),
        (b"RMA\x00\x07", "junk", None, "none"),
        (b"RMA\x1d1", "junk", None, "none"),
        (b"A" * (MAX_PAYLOAD_BYTES + 1), "junk", None, "none"),
    ],
)
def test_payload(payload, family, identity, check):
    reading = read_payload(payload)
    assert (reading.family, reading.identity, reading.check) == (family, identity, check)
    assert (reading.problem is None) == (reading.identity is not None)


def test_a_serial_number_swallowed_by_the_field_before_it_is_hinted_at():
    swallowed = read_payload(b"01095060001343521021ABC")
    assert swallowed.elements == {"01": "09506000134352", "10": "21ABC"}
    assert "must send the separator FNC1" in swallowed.problem
    for clear in (b"010950600013435210LOT", b"(01)09506000134352(10)21ABC"):
        assert "FNC1" not in read_payload(clear).problem


def test_elements_are_kept_in_order_and_the_symbology_apart():
    reading = read_payload(b"]d2010590123412345721SN1\x1d10LOT\x1d17261231")
    assert list(reading.elements.items()) == [
        ("01", GTIN), ("21", "SN1"), ("10", "LOT"), ("17", "261231"),
    ]  # fmt: skip
    assert (reading.symbology, reading.text[:2]) == ("]d2", "01")


def test_a_field_longer_than_its_kind_allows_is_no_gs1():
    """21 holds at most 20 characters; the 21st is not read as the next field."""
    reading = read_payload(b"]d2" + b"21" + b"9" * 20 + b"10LOT")
    assert reading.identity is None
    assert reading.problem


@pytest.mark.parametrize(
    ("serial", "digit"),
    # the example of the standard, and the two remainders that have rules of their own
    [("47312482", 9), ("00000000", 5), ("00000006", 2), ("00000011", 6), ("10000004", 8)],
)
def test_s10_check_digit(serial, digit):
    assert s10_check_digit(serial) == digit


def test_s10_remainder_ten_gives_zero():
    """Sum 1 (mod 11) would give ten: 8 * 7 = 56 = 5 * 11 + 1."""
    assert s10_check_digit("70000000") == 0


@given(st.integers(0, 99_999_999), st.integers(0, 9), st.integers(0, 7))
def test_any_wrong_digit_of_an_s10_number_is_seen(serial, digit, position):
    good = f"{serial:08d}{s10_check_digit(f'{serial:08d}')}"
    bad = good[:position] + str(digit) + good[position + 1 :]
    reading = read_payload(f"RR{bad}PL".encode())
    expected = Check.OK if bad == good else Check.WRONG
    # the standard maps both 10 and 0 to 0, both 11 and 5 to 5: these pairs cannot be told apart
    if bad != good and s10_check_digit(bad[:8]) == int(bad[8]):
        assert bad[8] in "05"
    else:
        assert reading.check == expected


_NASTY = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet="0123456789()\x1d]C1d2QRPL%/:http?&=", max_size=120).map(str.encode),
    st.builds(bytes.__add__, st.sampled_from([b"]C1", b"]d2", b"\x1d", b"https://a/01/", b"(01)"]),
              st.binary(max_size=200)),
    st.text(alphabet="0123456789", max_size=40).map(str.encode),
)  # fmt: skip


@given(_NASTY)
def test_any_bytes_are_a_value(payload):
    reading = read_payload(payload)
    assert isinstance(reading.family, Family)
    assert (reading.problem is None) == (reading.identity is not None)
    if reading.check is Check.WRONG:
        assert reading.identity is None
    assert read_payload(payload) == reading


@given(_NASTY)
def test_white_space_around_changes_nothing(payload):
    assert read_payload(b"\r\n " + payload + b"\r\n").identity == read_payload(payload).identity


@pytest.mark.parametrize(
    ("payload", "family"),
    [
        (b"]C1" + b"10A\x1d" * 1000, Family.GS1_ELEMENT_STRING),
        (b"]C1" + b"9" * 4000, Family.GS1_ELEMENT_STRING),
        (b"01" * 2048, Family.GS1_ELEMENT_STRING),
        (b"(10)A" * 800, Family.GS1_ELEMENT_STRING),
        (b"http://a/" + b"01/" * 1300, Family.PLAIN),
        (b"http://a/01/12312312312333?" + b"&".join([b"99=A"] * 800), Family.GS1_DIGITAL_LINK),
        (b"(" * 4096, Family.PLAIN),
        (b"]" * 4096, Family.PLAIN),
        (b"%" * 4096, Family.PLAIN),
        (b"\x1d" * 4096, Family.EMPTY),
    ],
)
def test_the_longest_payloads_are_read_to_the_end(payload, family):
    assert read_payload(payload).family is family
