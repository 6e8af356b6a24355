"""Compiled kernels that were kept: a damaged file, or none, costs a compilation and no more."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sorter.kernels import jit

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).parent / "cached_kernels.py"
DECORATORS = {
    "sorter": 'from sorter.kernels.jit import kernel\n@kernel("int64(int64)", entry=True)\n',
    "plc_sim": 'from plc_sim.jit import kernel\n@kernel("int64(int64)")\n',
}
COMPILED, LOADED = [42, 0], [42, 1]


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "garbage": lambda content: bytes((7 * index + 3) % 256 for index in range(len(content))),
}
DAMAGED = {
    f"{what}_{harm}": (ending, harm)
    for what, ending in (("index", ".nbi"), ("code", ".nbc"))
    for harm in HARMS
}


class Kernels:
    """A folder with modules of one small kernel each, and their cache."""

    def __init__(self, folder: Path, decorator: str) -> None:
        self.sources, self.cache = folder / "sources", folder / "cache"
        self.sources.mkdir()
        self._decorator = decorator
        self._modules: list[str] = []

    def add(self, module: str, line: str = "return 6 * number") -> None:
        text = f"{self._decorator}def answer(number):\n    {line}\n"
        (self.sources / f"{module}.py").write_text(text)
        self._modules = sorted({*self._modules, module})

    def run(self, **options: Any) -> tuple[dict[str, Any], str]:
        """Import and call all of them; return what the child printed, and its standard error."""
        done = subprocess.run(
            [sys.executable, str(CHILD), *self._modules],
            env={
                **{name: text for name, text in os.environ.items() if "NUMBA" not in name},
                "PYTHONPATH": f"{ROOT}:{self.sources}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "NUMBA_CACHE_DIR": str(self.cache),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )
        assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
        return json.loads(done.stdout), done.stderr

    def file(self, module: str, ending: str) -> Path:
        (path,) = self.cache.glob(f"*/{module}.answer-*{ending}")
        return path


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path, DECORATORS["sorter"])


@pytest.fixture(params=DECORATORS)
def any_kernels(request: pytest.FixtureRequest, tmp_path: Path) -> Kernels:
    return Kernels(tmp_path, DECORATORS[request.param])


def test_a_damaged_file_is_compiled_and_kept_anew(any_kernels: Kernels) -> None:
    for module in DAMAGED:
        any_kernels.add(module)
    any_kernels.run()
    for module, (ending, harm) in DAMAGED.items():
        path = any_kernels.file(module, ending)
        path.write_bytes(HARMS[harm](path.read_bytes()))
    found, told = any_kernels.run()
    assert {module: found[module] for module in DAMAGED} == dict.fromkeys(DAMAGED, COMPILED)
    assert told.count("kernel_cache_damaged") == len(DAMAGED)
    found, told = any_kernels.run()
    assert {module: found[module] for module in DAMAGED} == dict.fromkeys(DAMAGED, LOADED)
    assert told == ""


def test_machine_code_with_a_hole_is_not_run(kernels: Kernels) -> None:
    """A block that never came to the disk: the process died of it, or reckoned with it."""
    kernels.add("tiny")
    kernels.run()
    path = kernels.file("tiny", ".nbc")
    content = path.read_bytes()
    start = len(content) // 3
    path.write_bytes(content[:start] + bytes(512) + content[start + 512 :])
    found, told = kernels.run()
    assert found["tiny"] == COMPILED
    assert "kernel_cache_damaged" in told
    assert kernels.run()[0]["tiny"] == LOADED


def test_what_is_kept_is_on_the_disk_before_it_has_its_name(kernels: Kernels) -> None:
    kernels.add("tiny")
    found, _ = kernels.run()
    index, code = (kernels.file("tiny", ending) for ending in (".nbi", ".nbc"))
    named = [f"{path.name} before it is there" for path in (index, code)]
    assert found["synced"] == [*named, index.parent.name]
    found, _ = kernels.run()
    assert found == {"tiny": LOADED, "synced": []}


def test_code_of_an_older_source_is_not_run(kernels: Kernels) -> None:
    """What a power cut, or a full disk, leaves between the new index and the new code."""
    kernels.add("tiny", "return 5 * number")
    kernels.run()
    older = kernels.file("tiny", ".nbc").read_bytes()
    kernels.add("tiny")
    kernels.run()
    kernels.file("tiny", ".nbc").write_bytes(older)
    assert kernels.run()[0]["tiny"] == COMPILED
    assert kernels.run()[0]["tiny"] == LOADED


def no_space() -> None:
    """Have every write into a file refused; Python ignores the signal that comes with it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_costs_no_kernel(any_kernels: Kernels) -> None:
    any_kernels.add("tiny")
    found, told = any_kernels.run(preexec_fn=no_space)
    assert found["tiny"] == COMPILED
    assert "kernel_not_kept" in told
    assert not [path for path in any_kernels.cache.rglob("*") if path.is_file()]
    any_kernels.run()
    found, told = any_kernels.run(preexec_fn=no_space)
    assert found["tiny"] == LOADED
    assert told == ""


def test_a_damaged_file_on_a_full_disk_costs_no_kernel(kernels: Kernels) -> None:
    kernels.add("tiny")
    kernels.run()
    kernels.file("tiny", ".nbi").write_bytes(b"")
    assert kernels.run(preexec_fn=no_space)[0]["tiny"] == COMPILED
    assert kernels.run()[0]["tiny"] == COMPILED
    assert kernels.run()[0]["tiny"] == LOADED


def test_a_folder_that_cannot_be_made_costs_no_kernel(kernels: Kernels) -> None:
    """And nothing is kept elsewhere, where nobody sees which sources it was made of."""
    kernels.cache.write_text("no folder")
    kernels.add("tiny")
    for _ in range(2):
        found, told = kernels.run()
        assert found["tiny"] == COMPILED
        assert "kernel_not_kept" in told
    assert [path.name for path in kernels.sources.iterdir()] == ["tiny.py"]


def test_a_kernel_that_cannot_be_compiled_says_so(kernels: Kernels) -> None:
    kernels.add("tiny")
    kernels.run()
    kernels.file("tiny", ".nbi").write_bytes(b"")
    kernels.add("wrong", "return number.no_such_thing")
    found, _ = kernels.run()
    assert (found["tiny"], found["wrong"]) == (COMPILED, "TypingError")


def test_no_kernel_is_taken_from_a_folder_that_others_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shared = tmp_path / f"parcel-sorter-{jit._user()}"
    shared.mkdir()
    shared.chmod(0o777)
    assert shared not in jit._cache_directory().parents
    shared.chmod(0o700)
    assert shared in jit._cache_directory().parents
