"""Certificates that run out are warned of in time; return records that run out are erased."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sorter.app import expiry
from sorter.app.expiry import CertificateWatch, ExpiredReturns
from sorter.config.link_security import PLAIN_TEXT
from sorter.config.models import Io, ModbusLink
from sorter.host.registry import AnnouncedReturn, Registry
from sorter.model.codes import Grade, ReturnReason
from sorter.model.returns import ReturnRecord
from sorter.security.certificates import load_certificate
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.layout import secured
from sorter.security.wall_clock import utc_now


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expiry") / "certs"
    make_folder(folder, CertsPlan(days=40), utc_now())
    return folder


def samples(watch: CertificateWatch) -> dict[str, float]:
    return {one.labels["file"]: one.value for family in watch.collect() for one in family.samples}


def test_the_metric_says_when_each_certificate_expires(certs: Path) -> None:
    shown = samples(CertificateWatch(secured(Io(), certs)))
    own = certs / "controller" / "certificate.pem"
    assert shown[str(own)] == load_certificate(own).not_valid_after_utc.timestamp()
    assert str(certs / "controller" / "trusted" / "authority.pem") in shown


def test_the_certificate_of_the_metrics_is_watched_on_a_plain_link(certs: Path) -> None:
    own = certs / "plc" / "certificate.pem"
    plain = Io(modbus=ModbusLink(tls=PLAIN_TEXT))
    assert list(samples(CertificateWatch(plain, [own]))) == [str(own)]


def test_it_is_logged_before_it_happens(certs: Path) -> None:
    watch = CertificateWatch(secured(Io(protocol="opcua"), certs))
    with capture_logs() as logged:
        watch.warn(utc_now())
    assert logged == []
    with capture_logs() as logged:
        watch.warn(utc_now() + timedelta(days=11))
    assert [(one["event"], one["days_left"]) for one in logged] == [("certificate_expires", 28)]


def test_a_certificate_that_is_gone_stops_no_scrape(certs: Path) -> None:
    io = secured(Io(), certs)
    broken = io.certificates.model_copy(update={"certificate": "/nowhere/at.pem"})
    watch = CertificateWatch(io.model_copy(update={"certificates": broken}))
    with capture_logs() as logged:
        shown = samples(watch)
    assert list(shown) == [str(certs / "controller" / "trusted" / "authority.pem")]
    assert [one["event"] for one in logged] == ["certificate_unreadable"]


def test_a_plain_link_has_none() -> None:
    assert samples(CertificateWatch(Io(modbus=ModbusLink(tls=PLAIN_TEXT)))) == {}


@pytest.fixture
def one_return(tmp_path: Path) -> Path:
    record = ReturnRecord("text:R1", "R1", Grade.A, "shoes", ReturnReason.DEFECT, False, 1, "PL", 1)
    path = tmp_path / "returns.sqlite"
    with Registry.create(path) as registry:
        registry.import_many([AnnouncedReturn(record)])
    return path


def days_later(days: int) -> float:
    return utc_now().timestamp() + days * 86_400


def test_return_records_are_erased_when_their_time_is_over(one_return: Path) -> None:
    with Registry.open(one_return) as registry:
        before = registry.generation()
        with capture_logs() as logged:
            ExpiredReturns(one_return, 1, lambda: days_later(0)).erase()
        assert (registry.count(), logged) == (1, [])
        with capture_logs() as logged:
            ExpiredReturns(one_return, 1, lambda: days_later(2)).erase()
        assert registry.count() == 0
        assert registry.generation() != before
    assert [(one["event"], one["returns"]) for one in logged] == [("returns_erased", 1)]


def test_they_are_erased_later_when_somebody_is_writing(one_return: Path) -> None:
    expired = ExpiredReturns(one_return, 1, lambda: days_later(2))
    with closing(sqlite3.connect(one_return, isolation_level=None)) as importing:
        importing.execute("BEGIN IMMEDIATE")
        with capture_logs() as logged:
            expired.erase()
        assert [one["event"] for one in logged] == ["returns_not_erased"]
        assert "another process is writing it" in logged[0]["problem"]
    expired.erase()
    with Registry.open(one_return) as registry:
        assert registry.count() == 0


def test_what_a_reader_kept_in_the_log_is_told_and_gone_from_it_an_hour_later(
    one_return: Path,
) -> None:
    expired = ExpiredReturns(one_return, 1, lambda: days_later(2))
    log = one_return.with_name(one_return.name + "-wal")
    with closing(sqlite3.connect(one_return, isolation_level=None)) as looking:
        looking.execute("BEGIN")
        looking.execute("SELECT count(*) FROM returns").fetchone()
        for left in (["returns_erased", "erased_returns_left"], ["erased_returns_left"]):
            with capture_logs() as logged:
                expired.erase()
            assert [one["event"] for one in logged] == left
            said = logged[-1]
            assert (said["log_level"], said["again_in_s"]) == ("warning", expiry.ERASE_PERIOD_S)
            assert said["registry"] == str(one_return)
            assert log.stat().st_size > 0
        looking.execute("COMMIT")
        with capture_logs() as logged:
            expired.erase()
        assert (log.stat().st_size, logged) == (0, [])


def test_they_are_erased_again_and_again_while_the_line_runs(
    one_return: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "ERASE_PERIOD_S", 0.01)
    days, rounds = [0], threading.Semaphore(0)

    def calendar_s() -> float:
        if days[0]:
            rounds.release()
        return days_later(days[0])

    with ExpiredReturns(one_return, 1, calendar_s), Registry.open(one_return) as registry:
        assert registry.count() == 1
        days[0] = 2
        for _ in range(2):  # when a round begins the one before has ended
            assert rounds.acquire(timeout=30)
        assert registry.count() == 0
