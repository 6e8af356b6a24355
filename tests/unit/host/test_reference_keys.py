"""A key that is not the registry's never looks as if there were nothing to erase."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sorter.cli import build
from sorter.errors import ReturnsFileError
from sorter.host.customers import CustomerHash
from sorter.host.registry import SCHEMA_VERSION, AnnouncedReturn, Registry
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord

HEADER = "label,grade,category,reason,hazmat,value_cents,country,days_held,customer_reference\n"
ONE, OTHER = CustomerHash(b"1" * 32, "the key one"), CustomerHash(b"2" * 32, "the key other")


def run(*arguments: object) -> Result:
    app = build(str(arguments[0]))
    return CliRunner().invoke(app, [str(one) for one in arguments])


def refused(result: Result) -> str:
    assert isinstance(result.exception, ReturnsFileError), result.output
    assert result.exception.exit_code == 2
    return str(result.exception)


def returns(*references: str, customers: CustomerHash = ONE) -> Iterator[AnnouncedReturn]:
    for reference in references:
        record = ReturnRecord(
            f"text:R{reference}", f"R{reference}", Grade.A, "shoes", ReturnReason.DEFECT, False, 1,
            "PL", 1,
        )  # fmt: skip
        yield AnnouncedReturn(record, customer=customers.of(reference))


def key_file(path: Path, digit: str) -> Path:
    path.touch(0o600)
    path.write_text(digit * 64)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_file(tmp_path / "key", "1")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return key_file(tmp_path / "other", "2")


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "returns.sqlite"


def returns_file(registry: Path, *references: str) -> Path:
    path = registry.with_name("returns.csv")
    lines = [f"R{one or 0},A,shoes,defect,no,1200,PL,4,{one}\n" for one in references]
    path.write_text(HEADER + "".join(lines))
    return path


def imported(registry: Path, key: Path, *references: str) -> Result:
    file = returns_file(registry, *references)
    return run("returns", "import", file, "--registry", registry, "--reference-key", key)


def forgotten(registry: Path, key: Path, reference: str, *options: str) -> Result:
    arguments = (reference, "--registry", registry, "--reference-key", key, *options)
    return run("returns", "forget", *arguments)


def labels(registry: Path) -> set[str]:
    with Registry.open(registry) as opened:
        return {one.record.label for one in opened}


def forget_key(registry: Path) -> None:
    """Make the registry one of a version that kept no check value."""
    with sqlite3.connect(registry) as connection:
        connection.execute("DROP TABLE reference_key")
    connection.close()


def test_a_customer_is_found_after_certificates_were_made_anew(
    tmp_path: Path, registry: Path
) -> None:
    certs = tmp_path / "certs"
    key = certs / "controller" / "reference_key"
    assert run("certs", "init", certs).exit_code == 0
    assert imported(registry, key, "CUST-1", "CUST-2").exit_code == 0
    assert run("certs", "init", certs, "--force").exit_code == 0
    assert forgotten(registry, key, "CUST-1").exit_code == 0
    assert run("certs", "init", certs, "--force", "--new-reference-key").exit_code == 0
    assert str(key) in refused(forgotten(registry, key, "CUST-2"))


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_forgetting_with_another_key_is_no_nothing_to_erase(
    registry: Path, key: Path, other: Path, options: tuple[str, ...]
) -> None:
    assert imported(registry, key, "CUST-1").exit_code == 0
    result = forgotten(registry, other, "CUST-1", *options)
    said = refused(result)
    assert said.startswith(f"{registry}: the key in {other} is not the one that its customer")
    assert "--reference-key" in said
    assert "CUST" not in said
    assert result.output == ""
    assert forgotten(registry, key, "CUST-2").exit_code == 1
    assert forgotten(registry, key, "CUST-1").exit_code == 0


def test_importing_with_another_key_stores_and_erases_nothing(
    registry: Path, key: Path, other: Path
) -> None:
    assert imported(registry, key, "1", "2").exit_code == 0
    with sqlite3.connect(registry) as connection:
        connection.execute("UPDATE returns SET imported_day = 9 WHERE label = 'R2'")
    connection.close()
    said = refused(imported(registry, other, "", "3", "1"))
    assert f"the key in {other} is not the one" in said
    assert "--reference-key" in said
    assert labels(registry) == {"R1", "R2"}
    assert forgotten(registry, key, "1").exit_code == 0
    assert imported(registry, key, "3").exit_code == 0
    assert labels(registry) == {"R3"}


def test_online_retail_is_refused_under_another_key_as_well(
    tmp_path: Path, registry: Path, key: Path, other: Path
) -> None:
    assert imported(registry, key, "1").exit_code == 0
    file = tmp_path / "retail.csv"
    file.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        "C536379,85123A,WHITE HOLDER,-2,2010-12-01 09:41:00,2.5,14527,United Kingdom\n"
    )
    arguments = ("import", file, "--format", "online-retail", "--registry", registry)
    assert "is not the one" in refused(run("returns", *arguments, "--reference-key", other))
    assert labels(registry) == {"R1"}
    assert run("returns", *arguments, "--reference-key", key).exit_code == 0


def test_a_registry_of_an_older_version_takes_the_key_of_its_next_import(
    registry: Path, key: Path, other: Path
) -> None:
    assert imported(registry, key, "1", "2").exit_code == 0
    forget_key(registry)
    result = forgotten(registry, other, "1")
    assert (result.exit_code, "0 returns erased" in result.output) == (1, True)
    assert forgotten(registry, key, "1").exit_code == 0
    assert imported(registry, key, "3").exit_code == 0
    assert "is not the one" in refused(forgotten(registry, other, "2"))
    assert SCHEMA_VERSION == 2, "older versions can use what this one has written"
    with sqlite3.connect(registry) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_what_an_earlier_key_finds_is_erased_and_that_there_may_be_more_is_said(
    registry: Path, key: Path, other: Path
) -> None:
    """Older versions stored references under two keys without a word."""
    assert imported(registry, key, "1").exit_code == 0
    forget_key(registry)
    assert imported(registry, other, "2").exit_code == 0
    result = forgotten(registry, key, "1")
    said = refused(result)
    assert "1 return erased" in result.output
    assert "what was stored under this key is erased, but" in said
    assert labels(registry) == {"R2"}


def test_a_key_binds_as_long_as_something_is_stored_under_it(
    registry: Path, key: Path, other: Path
) -> None:
    assert imported(registry, key, "").exit_code == 0
    assert imported(registry, other, "1").exit_code == 0
    assert "is not the one" in refused(imported(registry, key, "2"))
    assert forgotten(registry, other, "1").exit_code == 0
    assert forgotten(registry, key, "1").exit_code == 1
    assert imported(registry, key, "1").exit_code == 0
    assert "is not the one" in refused(forgotten(registry, other, "1"))


def test_of_two_first_imports_at_a_time_one_is_refused(registry: Path) -> None:
    """Both find a registry that knows no key; the second one waits for the first."""
    begun, go_on = threading.Event(), threading.Event()
    problems: list[str] = []

    def slowly() -> Iterator[AnnouncedReturn]:
        begun.set()
        assert go_on.wait(10)
        yield from returns("1")

    def first() -> None:
        with Registry.open(registry) as opened:
            opened.import_many(slowly(), ONE)

    def second() -> None:
        with Registry.open(registry) as opened:
            try:
                opened.import_many(returns("2", customers=OTHER), OTHER)
            except ReturnsFileError as error:
                problems.append(str(error))

    Registry.create(registry).close()
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive(), "it waits for the first"
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(problems) == 1
    assert "the key other is not the one" in problems[0]
    assert labels(registry) == {"R1"}


def test_an_import_that_breaks_off_leaves_no_check_value(registry: Path) -> None:
    def breaking() -> Iterator[AnnouncedReturn]:
        yield from returns("1")
        raise ReturnsFileError("the file ended in the middle")

    with Registry.create(registry) as opened:
        with pytest.raises(ReturnsFileError, match="in the middle"):
            opened.import_many(breaking(), ONE)
        assert opened.import_many(returns("2", customers=OTHER), OTHER).inserted == 1
        assert opened.problem_of_key(OTHER) == ""
        assert opened.problem_of_key(ONE).startswith("the key one is not")


def test_a_line_that_runs_goes_on_looking_up_when_the_first_key_is_stored(registry: Path) -> None:
    with Registry.create(registry) as running, Registry.open(registry) as importing:
        importing.import_many(returns("1"))
        assert running.facts_of("R1") is not None
        importing.import_many(returns("2"), ONE)
        assert running.facts_of("R1") is not None
        assert running.facts_of("R2") is not None


def test_the_check_value_says_nothing_of_the_key_or_of_a_reference() -> None:
    key = b"1" * 32
    assert CustomerHash(key).check_value == ONE.check_value != OTHER.check_value
    assert len(ONE.check_value) == 16
    assert ONE.check_value not in key + ONE.of("1") + ONE.of("parcel-sorter reference key check")
