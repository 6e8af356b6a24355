"""Customer references are kept as keyed hashes, and a customer can be forgotten without a trace."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sorter.cli import build
from sorter.commands import returns as command
from sorter.errors import ConfigError, ReturnsFileError
from sorter.host import erasing
from sorter.host.customers import CustomerHash
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord

KEY = "5a" * 32
HEADER = (
    "label,grade,category,reason,hazmat,value_cents,country,days_held,"
    "customer_reference,customer_name,street\n"
)
SECRETS = ("KUNDE-4711", "Erika Mustermann", "Heidestrasse 17")


def line(number: int, reference: str) -> str:
    return (
        f"RMA{number:06},A,shoes,defect,no,1200,PL,4,{reference},Erika Mustermann,Heidestrasse 17\n"
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "reference_key"
    path.touch(0o600)
    path.write_text(KEY)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "returns.sqlite"


@pytest.fixture
def imported(tmp_path: Path, key: Path, registry: Path) -> Path:
    """3,000 returns, every tenth of the customer to be forgotten."""
    file = tmp_path / "returns.csv"
    lines = [line(n, "KUNDE-4711" if n % 10 == 0 else f"K-{n % 97}") for n in range(3000)]
    file.write_text(HEADER + "".join(lines))
    result = run("import", file, "--registry", registry, "--reference-key", key)
    assert result.exit_code == 0, result.output
    return registry


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a reader up after 50 ms; the default of an argument is bound when it is defined."""
    monkeypatch.setattr(Registry.open.__func__, "__defaults__", (0.05,))


def run(*arguments: object, stdin: str | None = None) -> Result:
    app = build("returns")
    return CliRunner().invoke(app, ["returns", *(str(one) for one in arguments)], input=stdin)


def content(registry: Path) -> bytes:
    """Everything on disk: file, log and shared memory."""
    parts = (registry.with_name(registry.name + suffix) for suffix in ("", "-wal", "-shm"))
    return b"".join(path.read_bytes() for path in parts if path.exists())


def test_no_name_address_or_readable_reference_is_kept(imported: Path) -> None:
    kept = content(imported)
    assert b"RMA000010" in kept
    for secret in SECRETS:
        assert secret.encode() not in kept
    assert CustomerHash(KEY.encode()).of("KUNDE-4711") in kept


def test_forgetting_leaves_no_trace_in_the_files(imported: Path, key: Path) -> None:
    hashed = CustomerHash(KEY.encode()).of("KUNDE-4711")
    assert content(imported).count(hashed) >= 300
    result = run("forget", " KUNDE-4711 ", "--registry", imported, "--reference-key", key)
    assert (result.exit_code, "300 returns erased" in result.output) == (0, True), result.output
    assert "KUNDE" not in result.output
    kept = content(imported)
    assert hashed not in kept
    left = {int(digits) for digits in re.findall(rb"RMA(\d{6})", kept)}
    assert left == {number for number in range(3000) if number % 10}
    with Registry.open(imported) as registry:
        assert registry.count() == 2700


def test_a_customer_nobody_knows_is_exit_code_1(imported: Path, key: Path) -> None:
    result = run("forget", "kunde-4711", "--registry", imported, "--reference-key", key, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["returns"] == 0


def test_the_reference_can_come_from_stdin(imported: Path, key: Path) -> None:
    options = ("--registry", imported, "--reference-key", key, "--json")
    result = run("forget", "-", *options, stdin="KUNDE-4711\n")
    assert result.exit_code == 0
    assert json.loads(result.output) == {
        "registry": str(imported),
        "returns": 300,
        "traceless": True,
    }


def test_one_return_is_forgotten_by_its_label(imported: Path) -> None:
    assert run("forget", "RMA000007", "--label", "--registry", imported).exit_code == 0
    assert b"RMA000007" not in content(imported)
    assert run("forget", "RMA000007", "--label", "--registry", imported).exit_code == 1


def test_a_reader_that_holds_the_log_is_said_and_running_it_again_helps(
    imported: Path, key: Path, impatient: None
) -> None:
    reader = sqlite3.connect(imported, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM returns").fetchone()
    options = ("--registry", imported, "--reference-key", key)
    result = run("forget", "KUNDE-4711", *options)
    assert result.exit_code != 0
    assert "another process is using it" in str(result.exception)
    reader.execute("COMMIT")
    reader.close()
    assert run("forget", "KUNDE-4711", *options).exit_code == 1
    assert CustomerHash(KEY.encode()).of("KUNDE-4711") not in content(imported)


@pytest.mark.parametrize(
    ("arguments", "trace"),
    [
        (("RMA000010", "--label"), b"RMA000010"),
        (("KUNDE-4711",), CustomerHash(KEY.encode()).of("KUNDE-4711")),
    ],
    ids=["label", "customer"],
)
def test_running_it_again_empties_the_log_though_the_record_is_gone(
    imported: Path,
    key: Path,
    reader: sqlite3.Connection,
    arguments: tuple[str, ...],
    trace: bytes,
) -> None:
    """The reader stays connected, as a controller does: its end would empty the log as well."""
    options = ("--registry", imported, "--reference-key", key)
    begin_to_read(reader)
    for _ in range(2):  # also the second call must not say that all is done
        result = run("forget", *arguments, *options)
        assert isinstance(result.exception, ReturnsFileError), result.output
        assert "run this again" in str(result.exception)
        assert trace in content(imported)
    reader.execute("COMMIT")
    result = run("forget", *arguments, *options)
    assert result.exit_code == 1
    assert "0 returns erased; nothing that was erased before is left" in result.output
    assert trace not in content(imported)


def test_without_a_key_references_are_dropped_and_said_so(
    tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "DEFAULT_REFERENCE_KEY", tmp_path / "none")
    file = tmp_path / "returns.csv"
    file.write_text(HEADER + line(1, "KUNDE-4711") + line(2, ""))
    result = run("import", file, "--registry", registry)
    assert result.exit_code == 0
    assert "1 line with a customer reference, which is not kept" in result.output
    assert b"KUNDE" not in content(registry)
    result = run("forget", "KUNDE-4711", "--registry", registry)
    assert isinstance(result.exception, ConfigError)


def test_a_key_others_can_read_is_refused(imported: Path, key: Path) -> None:
    key.chmod(0o644)
    result = run("forget", "KUNDE-4711", "--registry", imported, "--reference-key", key)
    assert "chmod 600" in str(result.exception)
    assert KEY not in str(result.exception)


def test_online_retail_keeps_a_hash_of_the_customer_number(
    tmp_path: Path, key: Path, registry: Path
) -> None:
    file = tmp_path / "retail.csv"
    file.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "C536379,85123A,WHITE HOLDER,-2,2010-12-01 09:41:00,2.5,14527,United Kingdom\n"
    )
    options = ("--registry", registry, "--reference-key", key)
    assert run("import", file, "--format", "online-retail", *options).exit_code == 0
    assert b"14527" not in content(registry)
    assert run("forget", "14527", *options).exit_code == 0


def test_a_return_announced_again_without_customer_still_belongs_to_the_first(
    registry: Path,
) -> None:
    record = ReturnRecord("text:R1", "R1", Grade.A, "shoes", ReturnReason.DEFECT, False, 1, "PL", 1)
    with Registry.create(registry) as opened:
        opened.import_many([AnnouncedReturn(record, customer=b"x" * 32)])
        opened.import_many([AnnouncedReturn(record)])
        assert opened.erase_customer(b"x" * 32).returns == 1


def test_old_imports_are_erased_at_the_next_import(imported: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(imported)
    connection.execute("UPDATE returns SET imported_day = imported_day - 31 WHERE row <= 1000")
    connection.commit()
    connection.close()
    file = tmp_path / "more.csv"
    file.write_text(HEADER + line(2999, ""))
    assert run("import", file, "--registry", imported, "--keep-days", "31").exit_code == 0
    with Registry.open(imported) as registry:
        assert registry.count() == 3000
    result = run("import", file, "--registry", imported, "--keep-days", "30")
    assert "1,000 returns imported more than 30 days ago: erased" in result.output
    assert "log" not in result.output
    with Registry.open(imported) as registry:
        assert registry.count() == 2000
    assert b"RMA000500" not in content(imported)


def test_a_retention_that_is_none_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    file, registry = tmp_path / "more.csv", tmp_path / "new.sqlite"
    file.write_text(HEADER + line(2999, ""))
    for days in ("36501", "9" * 20, "0"):
        assert run("import", file, "--registry", registry, "--keep-days", days).exit_code == 2
    assert not registry.exists()
    assert run("import", file, "--registry", registry, "--keep-days", "36500").exit_code == 0


def test_hashes_depend_on_the_key_and_hide_it() -> None:
    one, other = CustomerHash(b"a" * 32), CustomerHash(b"b" * 32)
    assert one.of("x") == CustomerHash(b"a" * 32).of(" x ") != other.of("x")
    assert one.of("Jose\u0301") == one.of("Jos\u00e9")
    assert one.of("  ") == b""
    assert "aaaa" not in repr(one)


@pytest.fixture
def one_more(tmp_path: Path, imported: Path) -> Callable[[], str]:
    """Import one line more, and tell what the command says."""
    file = tmp_path / "more.csv"
    file.write_text(HEADER + line(2999, ""))
    return lambda: shown(run("import", file, "--registry", imported, "--keep-days", "30"))


@pytest.fixture
def reader(imported: Path, impatient: None) -> Iterator[sqlite3.Connection]:
    """A process that looks at the registry; it stays connected, as a controller does."""
    with closing(sqlite3.connect(imported, isolation_level=None)) as connection:
        yield connection


def begin_to_read(reader: sqlite3.Connection) -> None:
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM returns").fetchone()


def test_each_import_says_that_erased_returns_are_left_as_long_as_they_are(
    imported: Path, reader: sqlite3.Connection, one_more: Callable[[], str]
) -> None:
    reader.execute("UPDATE returns SET imported_day = imported_day - 31 WHERE row <= 1000")
    begin_to_read(reader)
    said = one_more()
    assert "1,000 returns imported more than 30 days ago: erased" in said
    for _ in range(2):  # also those that erase nothing themselves
        assert "its files may still hold what was erased" in said
        assert b"RMA000500" in content(imported)
        said = one_more()
    reader.execute("COMMIT")
    assert "note" not in one_more()
    assert b"RMA000500" not in content(imported)
    begin_to_read(reader)
    assert "note" not in one_more()


def test_an_import_leaves_nothing_of_a_customer_that_it_replaces(
    imported: Path, key: Path, reader: sqlite3.Connection, tmp_path: Path
) -> None:
    hashed = CustomerHash(KEY.encode()).of("KUNDE-4711")
    file = tmp_path / "corrected.csv"
    file.write_text(HEADER + "".join(line(n, "K-5") for n in range(0, 3000, 10)))
    options = ("--registry", imported, "--reference-key", key)
    begin_to_read(reader)
    assert "its files may still hold what was erased" in shown(run("import", file, *options))
    assert hashed in content(imported)
    forgotten = run("forget", "KUNDE-4711", *options)
    assert "its files may still hold what was erased" in str(forgotten.exception)
    reader.execute("COMMIT")
    assert run("import", file, *options).exit_code == 0
    assert hashed not in content(imported)


def test_a_busy_log_of_mere_imports_is_not_worth_a_word(
    imported: Path, key: Path, reader: sqlite3.Connection, one_more: Callable[[], str]
) -> None:
    begin_to_read(reader)
    assert "note" not in one_more()
    assert imported.with_name(imported.name + "-wal").stat().st_size > 0
    options = ("--registry", imported, "--reference-key", key)
    # An import that was broken off may be in it, which nobody remembers.
    assert "may still hold" in str(run("forget", "nobody", *options).exception)


def test_of_an_older_versions_registry_nobody_knows_until_its_log_was_emptied(
    reader: sqlite3.Connection, one_more: Callable[[], str]
) -> None:
    reader.execute("DROP TABLE erasures")
    begin_to_read(reader)
    for _ in range(2):
        assert "its files may still hold what was erased" in one_more()
    reader.execute("COMMIT")
    assert "note" not in one_more()
    begin_to_read(reader)
    assert "note" not in one_more()


def test_a_log_that_cannot_be_noted_as_emptied_is_emptied_again(
    imported: Path, reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_of: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with Registry.open(imported) as registry:
        with monkeypatch.context() as patched:
            patched.setattr(erasing, "_remember_traceless", busy)
            assert registry.erase_label("RMA000007").traceless
        assert b"RMA000007" not in content(imported)
        reader.execute("UPDATE returns SET units = 2")  # an empty log can always be emptied
        begin_to_read(reader)
        assert not registry.erase_label("RMA000007").traceless
        reader.execute("COMMIT")
        assert registry.erase_label("RMA000007").traceless


def shown(result: Result) -> str:
    """Return what a command printed, as one line: how wide it prints is the terminal's."""
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())
