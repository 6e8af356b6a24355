"""``sorter certs``: make certificates, keys and passwords, show how long they last, revoke them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from sorter.config.section import HOST_PATTERN
from sorter.errors import ConfigError
from sorter.security.wall_clock import utc_now

DEFAULT_FOLDER = Path("var/certs")
WARN_DAYS = 30

FolderArgument = Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of certificates.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the command group to `app`."""
    group = typer.Typer(help="Make, show and revoke certificates.", no_args_is_help=True)
    group.command("init")(init)
    group.command("show")(show)
    group.command("revoke")(revoke)
    app.add_typer(group, name="certs")


def init(
    folder: FolderArgument = DEFAULT_FOLDER,
    host: Annotated[
        list[str] | None,
        typer.Option(help="Name or address under which the PLC is reached; may be repeated."),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long certificates are valid.")
    ] = 730,
    key_bits: Annotated[
        int, typer.Option(min=2048, max=4096, help="Length of the RSA keys.")
    ] = 2048,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there, but for the reference key.")
    ] = False,
    new_reference_key: Annotated[
        bool,
        typer.Option(
            "--new-reference-key",
            help="With --force, replace the reference key, too: customers imported under the old "
            "one can then not be found any more, nor be erased by `sorter returns forget REF`.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make an authority, certificates for controller, PLC and an observer, passwords and keys.

    Keys and passwords can be read by the owner only, and are never printed. A reference key that
    is there is kept, unless a new one is asked for. Exit codes: 0 made, 2 something is there
    already, or the folder cannot be written.
    """
    # Imported late: cryptography takes a fifth of a second to load.
    from sorter.security.folder import REFERENCE_KEY, CertsPlan, make_folder  # noqa: PLC0415

    for name in host or ():
        if not re.fullmatch(HOST_PATTERN, name.removeprefix("*.")):
            raise ConfigError(
                f"--host {name!r} is no DNS name or address; give it without the port, like "
                "--host 192.168.0.10"
            )
    plan = CertsPlan(tuple(host or ()), days, key_bits)
    kept = make_folder(folder, plan, utc_now(), force=force, new_reference_key=new_reference_key)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    if as_json:
        facts = {"folder": str(folder), "days": days, "files": files, "reference_key_kept": kept}
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{folder}: {len(files)} files, certificates valid for {days} days")
    if kept:
        typer.echo(
            f"{folder / REFERENCE_KEY}: kept as it is, as customers can only be found under the "
            "key they were imported with; --new-reference-key makes another"
        )
    typer.echo(f"controller: io.certificates and io.opcua.security point to {folder}/controller")
    typer.echo(f"simulated PLC: python -m plc_sim --certs {folder} ...")
    typer.echo(
        f"real PLC: give it {folder}/authority/certificate.pem to trust, and plc/ if it wants"
    )
    typer.echo(f"then move {folder}/authority/private_key.pem off this machine")


def show(
    folder: FolderArgument = DEFAULT_FOLDER,
    warn_days: Annotated[
        int, typer.Option(min=0, max=36_500, help="Warn when one expires within so many days.")
    ] = WARN_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Show every certificate of a folder: whose, for what, until when, and whether it is revoked.

    Exit codes: 0 all are good for a while, 1 one expires soon, has expired, or is revoked by a list
    in the folder, 2 there is none.
    """
    rows = _rows(folder)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "certificates": rows}))
    else:
        for row in rows:
            _print(row, warn_days)
    if any(row["revoked"] or row["days_left"] < warn_days for row in rows):
        raise typer.Exit(1)


def _rows(folder: Path) -> list[dict[str, Any]]:
    """Return what is to be said of each certificate in a folder and those below it."""
    from sorter.security.certificates import (  # noqa: PLC0415
        certificate_files,
        facts_of,
        load_certificate,
        read_certificate_file,
        revocation_list,
    )
    from sorter.security.trust import has_signed, is_revoked  # noqa: PLC0415

    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    contents = {
        path: read_certificate_file(path) for one in folders for path in certificate_files(one)
    }
    found = {path: revocation_list(content) for path, content in contents.items()}
    lists = [listing for listing in found.values() if listing is not None]
    shown = [path for path, content in contents.items() if b"-----BEGIN CERTIFICATE-" in content]
    shown += [path for path, one in found.items() if path.suffix == ".der" and one is None]
    if not shown:
        raise ConfigError(
            f"{folder}: no certificate there; `sorter certs init {folder}` makes some"
        )
    now = utc_now()
    certificates = {path: load_certificate(path) for path in shown}
    rows = []
    for path, certificate in certificates.items():
        signers = [one for one in certificates.values() if has_signed(one, certificate)]
        revoked = any(is_revoked(certificate, signer, lists) for signer in signers)
        rows.append(_row(path, folder, now, facts_of(certificate)) | {"revoked": revoked})
    return rows


def revoke(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of certificates.")],
    which: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A member (controller), or a certificate.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Put a member's certificates, or one certificate, on the authority's list of revoked ones.

    Needs the authority's key. Exit codes: 0 it is on the list, 2 it is not: no key, no such
    certificate, or a list that cannot be read or written.
    """
    from sorter.security.revoking import revoke as put_on_the_list  # noqa: PLC0415

    done = put_on_the_list(folder, which, utc_now())
    lists = [str(path) for path in done.lists]
    rows = [
        {"file": str(path), "serial": f"{serial:x}", "new": serial not in done.before}
        for path, serial in done.certificates.items()
    ]
    if as_json:
        typer.echo(json.dumps({"certificates": rows, "lists": lists, "number": done.number}))
        return
    for row in rows:
        state = "revoked" if row["new"] else "had been revoked already"
        typer.echo(f"{row['file']}: {state}, serial {row['serial']}")
    typer.echo(f"list number {done.number} written: {', '.join(lists)}")
    typer.echo(
        "line PC: copy one of them to where io.certificates.revoked points; read at each connect"
    )
    typer.echo("real PLC: import it as the authority's revocation list")
    typer.echo("simulated PLC: start it again with this folder; who is connected stays until then")


def _row(path: Path, folder: Path, now: datetime, facts: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"file": str(path.relative_to(folder)), **asdict(facts)}
    for key in ("not_before", "not_after"):
        row[key] = row[key].isoformat()
    row["role"] = None if facts.role is None else facts.role.value
    return row | {"days_left": facts.days_left(now)}


def _print(row: dict[str, Any], warn_days: int) -> None:
    left = row["days_left"]
    state = "EXPIRED" if left < 0 else f"{left} days left"
    if 0 <= left < warn_days:
        state = f"EXPIRES SOON: {state}"
    if row["revoked"]:
        state = "REVOKED"
    what = "authority" if row["authority"] else f"role {row['role'] or 'none'}"
    typer.echo(f"{row['file']}: {row['subject']}, {what}, until {row['not_after'][:10]}, {state}")
    for key in ("application_uri", "hosts"):
        if row[key]:
            value = row[key] if isinstance(row[key], str) else ", ".join(row[key])
            typer.echo(f"    {key}: {value}")
