"""An encrypted line sorts and leaves its secrets nowhere: logs, journal, metrics, output."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import LINE, ROOT, SCENARIO, TIMEOUT_S, sorter

from sorter.rehearsal.parcels import prepare_parcels
from sorter.rehearsal.rehearse import RehearsalPlan, RehearsalProgress, rehearse
from sorter.security.folder import CertsPlan, make_folder
from sorter.security.wall_clock import utc_now

SECRET_NAMES = ("private_key.pem", "user_private_key.pem", "password", "reference_key")


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "certs"
    make_folder(folder, CertsPlan(), utc_now())
    return folder


def secrets_of(certs: Path) -> list[bytes]:
    """Every line of every secret file that is long enough to be told from other text."""
    paths = [path for path in certs.rglob("*") if path.name in SECRET_NAMES]
    lines = [line for path in paths for line in path.read_bytes().splitlines()]
    users = json.loads((certs / "plc" / "users.json").read_bytes())
    lines += [entry["scrypt"].encode() for entry in users.values()]
    found = [line for line in lines if len(line) > 20 and b"-----" not in line]
    assert len(found) > 50
    return found


def assert_none_of(secrets: list[bytes], content: bytes, where: object) -> None:
    leaked = [secret for secret in secrets if secret in content]
    assert not leaked, f"{len(leaked)} secrets in {where}"


@pytest.mark.parametrize("protocol", ["opcua", "modbus"])
def test_an_encrypted_run_leaves_no_secret_behind(
    protocol: str, certs: Path, tmp_path: Path
) -> None:
    feed, registry, count, _ = prepare_parcels(tmp_path, 40, 20_000, 1, None)
    plan = RehearsalPlan(
        protocol="opcua" if protocol == "opcua" else "modbus",
        scenario=SCENARIO,
        line=LINE,
        feed=feed,
        registry=registry,
        parcels=count,
        rate_parcels_per_h=20_000,
        speed=10,
        seed=1,
        work_dir=tmp_path,
        certs=certs,
    )
    scraped: list[str] = []

    def show(progress: RehearsalProgress) -> None:
        scraped.append(repr(list(progress.line.samples)))

    summary = asyncio.run(rehearse(plan, show))
    assert (summary["unaccounted"], summary["truth_mismatches"]) == (0, 0)
    assert summary["exit_codes"] == {"sorter run": 0, "plc_sim": 0}
    metrics = "\n".join(scraped)
    assert "sorter_certificate_expiry_timestamp_seconds" in metrics
    secrets = secrets_of(certs)
    assert_none_of(secrets, metrics.encode(), "metrics")
    assert_none_of(secrets, json.dumps(summary).encode(), "summary")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert_none_of(secrets, path.read_bytes(), path)
    told = sorter("explain", str(plan.journal), "1", "--json")
    assert told.returncode == 0
    assert_none_of(secrets, told.stdout.encode() + told.stderr.encode(), "sorter explain")


def failing_run(tmp_path: Path, *arguments: str, **environment: str) -> bytes:
    """Return all that `sorter run` says and writes when it cannot start."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sorter", "run", "--config", str(LINE), "--metrics-port", "0"),
            *("--journal", str(tmp_path / "journal.sqlite")),
            *("--registry", str(tmp_path / "returns.sqlite"), *arguments),
        ],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr
    files = [path.read_bytes() for path in tmp_path.glob("*.sqlite*")]
    return b"".join([done.stdout, done.stderr, *files])


@pytest.mark.parametrize("broken", ["password", "private_key.pem"])
def test_a_run_that_cannot_start_says_why_without_the_secret(
    broken: str, certs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "certs"
    subprocess.run(["cp", "-r", str(certs), str(folder)], check=True)
    secret = "hunter2-hunter2-hunter2"
    (folder / "controller" / broken).write_text(f"{secret}\n{secret}\n")
    said = failing_run(tmp_path, "--protocol", "opcua", "--certs", str(folder))
    assert broken.encode() in said
    assert secret.encode() not in said
    assert_none_of(secrets_of(certs), said, "the error")


def test_plain_text_to_another_machine_is_refused_at_the_command_line(tmp_path: Path) -> None:
    said = failing_run(tmp_path, "--peer", "192.0.2.1:502")
    assert b"accept_plain_text_off_loopback" in said


def test_a_password_in_the_peer_is_refused_and_not_repeated(tmp_path: Path) -> None:
    peer = "opc.tcp://me:hunter2@127.0.0.1:4840/"
    said = failing_run(tmp_path, "--protocol", "opcua", "--peer", peer)
    assert b"hunter2" not in said


def test_the_simulator_serves_no_plain_text_to_other_machines() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "plc_sim", "--config", str(SCENARIO)),
            *("--modbus-port", "0", "--host", "0.0.0.0"),
        ],
        cwd=ROOT,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert b"accept_plain_text_off_loopback" in done.stderr
