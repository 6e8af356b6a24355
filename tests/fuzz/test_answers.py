"""What a peer answers is taken exactly when it is what was asked for; all else is a rejection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from hypothesis import event, example, given
from hypothesis import strategies as st

from sorter.config.models import OpcUaLink
from sorter.errors import JournalError
from sorter.model.mailbox import SCAN_WORDS, STATUS_WORDS
from sorter.runtime.explain import explain
from sorter.runtime.parcel_search import UnknownParcel
from sorter.runtime.replay import replay

from .journals import recorded
from .links import _answer, _frame, _modbus, _opcua
from .target import Run

SCAN = b"\1"
"""What the targets ask for by their first byte: one scan slot, or the status block."""
STATUS = b"\0"
SAMPLES: dict[str, Any] = {
    "UInt16": 7,
    "Int16": -7,
    "UInt32": 70_000,
    "Double": float("nan"),
    "String": "text",
    "Boolean": True,
    "ByteString": b"bytes",
}
SERVER_TIME = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture(scope="module")
def opcua() -> Run:
    return _opcua(Path())


@pytest.fixture(scope="module")
def modbus() -> Run:
    return _modbus(Path())


@given(
    asked=st.sampled_from([(SCAN, SCAN_WORDS), (STATUS, STATUS_WORDS)]),
    kind=st.sampled_from(sorted(SAMPLES)) | st.just("UInt16"),
    more=st.sampled_from([0] * 4 + [-1000, -1, 1, 3000]),
    as_array=st.booleans() | st.just(True),
    status=st.sampled_from([0, 0, 0, 0x4000_0000, 0x8031_0000, 0x80AB_0000]),
    age_ms=st.sampled_from([-50, 0, 10, 900, 1100, 86_400_000]),
    results=st.sampled_from([1, 1, 1, 0, 2]),
)
@example((SCAN, SCAN_WORDS), "UInt16", 0, True, 0, 86_400_000, 1)
@example((STATUS, STATUS_WORDS), "UInt16", 0, True, 0, 0, 1)
@example((STATUS, STATUS_WORDS), "UInt16", 0, True, 0, 1100, 1)
def test_an_opc_ua_value_is_taken_when_it_is_whole_good_and_fresh(
    opcua: Run,
    asked: tuple[bytes, int],
    kind: str,
    more: int,
    as_array: bool,
    status: int,
    age_ms: int,
    results: int,
) -> None:
    """A scan slot is as old as the last scan; the status block is written at each PLC cycle."""
    block, words = asked
    sample = SAMPLES[kind]
    content = [sample] * max(0, words + more) if as_array else sample
    variant = ua.Variant(content, ua.VariantType[kind], is_array=as_array)
    value = ua.DataValue(
        variant,
        ua.StatusCode(status),  # type: ignore[arg-type]
        SourceTimestamp=SERVER_TIME - timedelta(milliseconds=age_ms),
        ServerTimestamp=SERVER_TIME,
    )
    said = opcua(block + _answer([value] * results))
    right = (kind, more, as_array, status, results) == ("UInt16", 0, True, 0, 1)
    fresh = block == SCAN or age_ms <= OpcUaLink().source_age_limit_ms
    event(said.split(":")[0])
    assert (said == "accepted") == (right and fresh), said


@given(
    code=st.sampled_from([3, 3, 3, 4, 0x10, 0x17, 0x83, 0x80, 0xFF]),
    said_bytes=st.sampled_from([2 * SCAN_WORDS] * 3 + [0, 2, 2 * SCAN_WORDS - 2, 0xFF]),
    sent_bytes=st.sampled_from([2 * SCAN_WORDS] * 3 + [0, 1, 2 * SCAN_WORDS - 1, 250]),
)
@example(3, 2 * SCAN_WORDS, 2 * SCAN_WORDS)
@example(0x17, 2 * SCAN_WORDS, 2 * SCAN_WORDS)
def test_a_modbus_answer_is_taken_when_it_is_the_words_asked_for(
    modbus: Run, code: int, said_bytes: int, sent_bytes: int
) -> None:
    said = modbus(SCAN + _frame(bytes((code, said_bytes)) + bytes(sent_bytes)))
    event(said.split(":")[0])
    right = (code, said_bytes, sent_bytes) == (3, 2 * SCAN_WORDS, 2 * SCAN_WORDS)
    assert (said == "accepted") == right, said


def test_a_modbus_write_is_not_confirmed_by_the_answer_to_a_read(modbus: Run) -> None:
    assert modbus(b"\3" + _frame(b"\x10\0\xc8\0\x78")) == "accepted"
    assert "out of step" in modbus(b"\3" + _frame(b"\x03\x02\0\0"))


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Draw bytes to write anywhere into the file, its headers more often than the rest."""
    size = len(recorded())
    places = st.integers(0, 200) | st.integers(0, size - 1)
    return draw(st.lists(st.tuples(places, st.binary(min_size=1, max_size=12)), max_size=5))


@contextlib.contextmanager
def damaged(path: Path, changes: list[tuple[int, bytes]], size: int) -> Iterator[Path]:
    content = bytearray(recorded())
    for place, written in changes:
        content[place : place + len(written)] = written
    path.write_bytes(content[:size])
    try:
        yield path
    finally:
        for left in path.parent.glob(path.name + "*"):
            left.unlink()


@given(changes=damage(), cut=st.none() | st.floats(0, 1), parcel=st.sampled_from(["1", "4", "x"]))
@example([], None, "1")
def test_a_damaged_journal_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, bytes]],
    cut: float | None,
    parcel: str,
) -> None:
    size = len(recorded()) if cut is None else int(cut * len(recorded()))
    path = tmp_path_factory.getbasetemp() / "damaged.sqlite"
    with damaged(path, changes, size):
        for use in (lambda: explain(path, parcel), lambda: replay(path)):
            said = what_is_said(use)
            event(said[:7])
            assert said == "read" or str(path) in said or "step" in said


def what_is_said(use: Callable[[], object]) -> str:
    try:
        use()
    except (JournalError, UnknownParcel) as error:
        return f"refused: {error}"
    return "read"
