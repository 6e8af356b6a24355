"""The same targets under libFuzzer, where the optional package ``atheris`` is installed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def run_atheris(name: str, inputs: int, seed: int, folder: Path) -> None:
    """Run one target; libFuzzer ends the process, and leaves a finding as ``TARGET-crash-...``."""
    try:
        import atheris
    except ImportError as error:
        raise SystemExit("atheris is not installed: pip install atheris (Linux, macOS)") from error
    with atheris.instrument_imports(include=["sorter", "plc_sim"]):
        from .targets import target_of

        target = target_of(name)
        run = target.build(Path(tempfile.mkdtemp(prefix=f"atheris-{name}-")))
    corpus = Path(tempfile.mkdtemp(prefix=f"atheris-{name}-corpus-"))
    for index, data in enumerate(target.seeds()):
        (corpus / f"seed-{index}").write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)

    def feed(data: bytes) -> None:
        run(data[: target.limit_bytes])

    options = [
        f"-runs={inputs}",
        f"-seed={seed + 1}",
        f"-max_len={target.limit_bytes}",
        f"-artifact_prefix={folder}/{name}-",
        f"-timeout={max(1, round(10 * target.budget_s))}",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *options], feed)
    atheris.Fuzz()
