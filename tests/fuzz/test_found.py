"""What fuzzing found once stays mended."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua.ua_binary import variant_from_binary
from asyncua.ua.uaerrors import UaError

from fuzz.journals import _damage, recorded
from fuzz.links import TARGETS as LINKS
from fuzz.target import Taker
from plc_sim.feed import FeedError, read_feed
from sorter.config.check import check_files
from sorter.config.models import Mailbox, OpcUaLink
from sorter.errors import JournalError, ReturnsFileError, SorterError
from sorter.files import write_text
from sorter.host.generate import write_feed
from sorter.host.registry import Registry
from sorter.host.returns_file import import_csv, write_csv
from sorter.io.opcua import OpcUaBus
from sorter.runtime.clock import MonotonicClock
from sorter.runtime.explain import explain
from sorter.runtime.journal_schema import connect_writable
from sorter.runtime.journal_store import JournalReader
from sorter.runtime.log_file import RotatingLog
from sorter.runtime.parcel_search import UnknownParcel
from sorter.runtime.truth_file import read_truth


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_a_pipe_in_place_of_a_file_does_not_stall(fifo: Path) -> None:
    (problem,) = check_files([fifo])
    assert "a pipe or a device" in problem.problem
    with pytest.raises(ReturnsFileError, match="a pipe or a device"):
        import_csv(fifo, Registry.create(":memory:"))
    with pytest.raises(ReturnsFileError, match="a pipe or a device"):
        Registry.create(fifo)
    with pytest.raises(SorterError, match="a pipe or a device"):
        read_truth(fifo)
    with pytest.raises(FeedError, match="a pipe or a device"):
        read_feed(fifo)
    with pytest.raises(JournalError, match="a pipe or a device"):
        connect_writable(str(fifo), "FULL")


def test_a_pipe_that_nobody_reads_does_not_stall_who_writes(fifo: Path) -> None:
    with pytest.raises(ReturnsFileError, match="a pipe or socket that nobody reads"):
        write_csv(fifo, ())
    with pytest.raises(ReturnsFileError, match="a pipe or socket that nobody reads"):
        write_feed(fifo, ())
    for opened in (lambda: write_text(fifo, "{}"), lambda: RotatingLog(fifo, 1_000, 2)):
        with pytest.raises(OSError, match="a pipe or socket that nobody reads"):
            opened()


def test_a_pipe_that_somebody_reads_is_written(fifo: Path) -> None:
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(fifo, "{}\n")
        assert os.read(descriptor, 10) == b"{}\n"
    finally:
        os.close(descriptor)


def test_a_device_without_end_is_not_read() -> None:
    (problem,) = check_files(["/dev/zero"])
    assert "a pipe or a device" in problem.problem


def test_a_file_larger_than_any_configuration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # sparse
    (problem,) = check_files([path])
    assert "larger than 4 MB" in problem.problem


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_cannot_be_printed_is_printed_as_an_escape(
    encoding: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sorter", "check", b"\xff\xc5\x82.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"there is no such file" in done.stdout


GOOD_TRUTH = {"physical_id": 1, "end": "chute", "chute": "A1", "end_count": 7, "sightings": []}


@pytest.mark.parametrize(
    "row",
    [
        GOOD_TRUTH | {"end_count": 1.5},
        GOOD_TRUTH | {"end_count": None},
        {key: value for key, value in GOOD_TRUTH.items() if key != "end_count"},
        GOOD_TRUTH | {"sightings": [[1]]},
        GOOD_TRUTH | {"sightings": [[0, "x"]]},
        GOOD_TRUTH | {"chute": ["A1"]},
        GOOD_TRUTH | {"faults": [{}]},
        GOOD_TRUTH | {"induct_count": True},
        [],
    ],
)
def test_a_row_that_is_none_of_a_truth_ledger(row: object, tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text(json.dumps(GOOD_TRUTH) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(SorterError, match=r"truth.jsonl:2: is no row"):
        read_truth(path)


def test_a_truth_ledger_nested_without_end(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_text("[" * 100_000)
    with pytest.raises(SorterError, match="is not JSON"):
        read_truth(path)


@pytest.mark.parametrize("cells", ["1e9,1,1,1", "1,nan,1,1", "1,1,-1,1", "1,1,1,9999999999"])
def test_a_feed_of_impossible_parcels(cells: str, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text(f"label,length_mm,width_mm,height_mm,weight_g\nRMA,{cells}\n")
    with pytest.raises(FeedError, match=r"feed.csv:2: "):
        read_feed(path)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(recorded())
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE runs SET next_step = 'abc'", "table of runs is damaged"),
        ("UPDATE runs SET boot_id = NULL, boot_id = x'ff'", "table of runs is damaged"),
        ("UPDATE runs SET names = '1'", "table of runs is damaged"),
        ("UPDATE runs SET names = '{\"mm_per_count\": 0}'", "table of runs is damaged"),
        (f"UPDATE runs SET notes = '{'[' * 5000}'", "table of runs is damaged"),
        ("UPDATE runs SET state_capacity = 1 << 60", "table of runs is damaged"),
        ("UPDATE parcels SET run = 77", "is damaged"),
        ("UPDATE parcels SET chute = 'x'", "row of parcel 1 is damaged"),
        ("UPDATE parcels SET opened_step = x'00'", "row of parcel 1 is damaged"),
        ("UPDATE steps SET payload = 'text'", "is damaged"),
    ],
)
def test_a_changed_cell_is_named(journal: Path, change: str, says: str) -> None:
    database = sqlite3.connect(journal)
    with database:
        database.execute(change)
    database.close()
    with pytest.raises(JournalError, match=says):
        explain(journal, "1")


@pytest.mark.parametrize(
    "use",
    [
        lambda path: explain(path, "1"),
        lambda path: connect_writable(str(path), "FULL"),
    ],
)
def test_damage_that_the_message_quotes(journal: Path, use: Callable[[Path], object]) -> None:
    """The module of Python cannot decode SQLite's message, and says so instead of it."""
    schema = b"runsruns\x06CREATE TABLE runs"
    whole = journal.read_bytes()
    assert schema in whole
    journal.write_bytes(whole.replace(schema, b"r\xffnsruns\x06CREATE STABLE run"))
    with pytest.raises(JournalError, match=r"is damaged|cannot be read"):
        use(journal)


def test_damaged_text_is_not_repeated(journal: Path) -> None:
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE run_files SET content = CAST(x'ff' || content AS TEXT)")
    database.close()
    with pytest.raises(JournalError) as refused, JournalReader(journal) as reader:
        reader.files(1)
    assert str(refused.value) == (
        f"{journal}: cannot be read (damaged text in the column content); restore the journal "
        "from a copy"
    )


def test_a_reader_closed_early_leaves_nothing_behind(journal: Path) -> None:
    """Filters turn what Python ignores in a destructor into an error."""
    with JournalReader(journal) as reader:
        rows = reader.parcels()
        first = next(rows)
    rows.close()
    assert next(rows, None) is None
    with sqlite3.connect(journal, timeout=0) as other:  # no lock is left either
        other.execute("BEGIN EXCLUSIVE")
    other.close()
    with JournalReader(journal) as reader:
        assert next(reader.parcels()) == first


def test_the_damage_of_the_fuzzer_is_damage(journal: Path) -> None:
    _damage(journal, Taker(bytes((1, 0, 3, 3, 0))))
    assert journal.read_bytes() != recorded()


def test_an_array_of_two_dimensions_is_refused(tmp_path: Path) -> None:
    opcua = next(target for target in LINKS if target.name == "opcua")
    run = opcua.build(tmp_path)
    assert any("dimensions" in run(seed) for seed in opcua.seeds())


def test_an_array_of_nulls_takes_no_time() -> None:
    """Its elements take no bytes: an answer of a few bytes could claim 2^31 of them."""
    OpcUaBus(OpcUaLink(), Mailbox(), MonotonicClock())
    claimed = bytes((0x80,)) + (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(UaError, match="2147483647 nulls"):
        variant_from_binary(Buffer(claimed))
    assert variant_from_binary(Buffer(b"\0")).Value is None


@pytest.mark.parametrize(
    "dimensions", [(1000, 1000), (-1, -1000), (1, *[1] * 50), (4096, *[1] * 50)]
)
def test_dimensions_beyond_their_elements_take_no_time(dimensions: tuple[int, ...]) -> None:
    """What they claim was filled up, and gone through once for each: 2.6 s for 414 bytes."""
    OpcUaBus(OpcUaLink(), Mailbox(), MonotonicClock())
    with pytest.raises(UaError, match=f"{len(dimensions)} dimensions .* for 1 elements"):
        variant_from_binary(Buffer(_array((7,), dimensions)))


@pytest.mark.parametrize(
    ("dimensions", "value"), [((), [1, 2]), ((2,), [1, 2]), ((1, 2), [[1, 2]])]
)
def test_dimensions_of_what_is_there_are_taken(
    dimensions: tuple[int, ...], value: list[object]
) -> None:
    OpcUaBus(OpcUaLink(), Mailbox(), MonotonicClock())
    assert variant_from_binary(Buffer(_array((1, 2), dimensions))).Value == value


def _array(elements: tuple[int, ...], dimensions: tuple[int, ...]) -> bytes:
    """Return a variant as it is on the wire."""
    kind = bytes((0xC0 | ua.VariantType.UInt16.value,))
    return (
        kind
        + struct.pack(f"<i{len(elements)}H", len(elements), *elements)
        + struct.pack(f"<i{len(dimensions)}i", len(dimensions), *dimensions)
    )


def test_a_string_of_negative_length_takes_no_time() -> None:
    """It moved the reading back to where the element began, as often as the array claims."""
    OpcUaBus(OpcUaLink(), Mailbox(), MonotonicClock())
    text = bytes((ua.VariantType.String.value,)) + (-5).to_bytes(4, "little", signed=True)
    claimed = bytes((0x80 | ua.VariantType.Variant.value,)) + (2**31 - 1).to_bytes(4, "little")
    with pytest.raises(NotEnoughData, match="a length of -5"):
        variant_from_binary(Buffer(claimed + text))


@pytest.mark.parametrize("wanted", ["\udcff", "\\ud800", "\\d", "\\", "\\x1", "\\N{DIGIT ONE}"])
def test_a_code_that_no_journal_can_hold_is_unknown(journal: Path, wanted: str) -> None:
    with pytest.raises(UnknownParcel):
        explain(journal, wanted)
