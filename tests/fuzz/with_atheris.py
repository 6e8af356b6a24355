"""The same targets under libFuzzer, where the optional package ``atheris`` is installed.

It is the extra ``fuzz`` of this project, ``pip install -e .[fuzz]``; nothing else here needs it.
Kernels run as plain Python: numba cannot compile what atheris has instrumented, and libFuzzer sees
their branches this way.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from pathlib import Path

from .target import Target


def run_atheris(name: str, inputs: int, seed: int, minutes: float, folder: Path) -> None:
    """Run one target; libFuzzer ends the process, and leaves a finding as ``TARGET-crash-...``.

    Everything is under `folder`, as nothing of Python runs at the end that could clean up. What
    reached new code is kept in ``TARGET-corpus``, where the next run goes on from.
    """
    try:
        import atheris
    except ImportError as error:
        raise SystemExit(
            f"--atheris needs the package atheris, which cannot be used here ({error}): "
            "`pip install atheris` into this environment (Linux or macOS), or leave --atheris out"
        ) from error
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # before anything imports numba
    with atheris.instrument_imports(include=["sorter", "plc_sim"]):
        from .targets import target_of

        target = target_of(name)
        work = folder / f"{name}-work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        run = target.build(work.absolute())
    corpus = folder / f"{name}-corpus"
    corpus.mkdir(exist_ok=True)
    for index, data in enumerate(target.seeds()):
        (corpus / f"seed-{index}").write_bytes(data)
    places = [f"-artifact_prefix={folder}/{name}-", str(corpus)]
    if target.tokens:  # an empty dictionary is an error
        words = folder / f"{name}.dict"
        words.write_text("".join(f'"{quoted(token)}"\n' for token in target.tokens))
        places.insert(0, f"-dict={words}")

    def feed(data: bytes) -> None:
        run(data)

    options = options_for(target, inputs, seed, minutes)
    atheris.Setup([sys.argv[0], *options, *places], feed)
    atheris.Fuzz()


def options_for(target: Target, inputs: int, seed: int, minutes: float) -> list[str]:
    """Return libFuzzer's options; its seed 0 means one drawn anew."""
    options = [
        f"-runs={inputs}",
        f"-seed={seed + 1}",
        f"-max_len={target.limit_bytes}",
        f"-timeout={max(1, round(10 * target.budget_s))}",
    ]
    if math.isfinite(minutes):
        options.append(f"-max_total_time={max(1, round(60 * minutes))}")
    return options


def quoted(token: bytes) -> str:
    """Return a token as a dictionary of libFuzzer has it."""
    return "".join(f"\\x{byte:02X}" for byte in token)
