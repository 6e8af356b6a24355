"""Reading YAML: bad bytes, bad text and hostile text are problems with a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sorter.config.check import check_files
from sorter.config.documents import MAX_BYTES, Document, parse, path_text, read_text
from sorter.errors import Problem


def read(text: str) -> Document:
    document, problems = parse(text, "file.yaml")
    assert problems == []
    assert document is not None
    return document


def only_problem(text: str) -> Problem:
    _, problems = parse(text, "file.yaml")
    assert len(problems) == 1, problems
    return problems[0]


def test_scalars_follow_the_core_schema() -> None:
    document = read(
        "a: 1\nb: -2.5\nc: 1e3\nd: true\ne: null\nf:\ng: no\nh: NO\ni: 2024-01-01\nj: 1:30\n"
        "k: '1'\nl: .5\nm: ~\nn: yes\no: 007\np: +.inf\n"
    )
    assert document.data == {
        "a": 1,
        "b": -2.5,
        "c": 1000.0,
        "d": True,
        "e": None,
        "f": None,
        "g": "no",
        "h": "NO",
        "i": "2024-01-01",
        "j": "1:30",
        "k": "1",
        "l": 0.5,
        "m": None,
        "n": "yes",
        "o": 7,
        "p": float("inf"),
    }


def test_every_value_knows_its_line() -> None:
    document = read("a:\n  b: 1\n\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n")
    lines = {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
        ("a", "c", 1, "e"): 7,
    }
    assert {path: document.line_of(path) for path in lines} == lines
    assert document.line_of(("a", "c", 1, "missing")) == 6
    assert document.line_of(("nowhere",)) == 1
    assert path_text(("a", "c", 1, "e")) == "a.c[1].e"


def test_an_anchor_is_its_value() -> None:
    document = read("one: &x {n: 1}\ntwo: *x\n")
    assert document.data == {"one": {"n": 1}, "two": {"n": 1}}
    assert document.line_of(("two",)) == 2


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfkind: line\n")
    assert read_text(path) == "kind: line\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("\n\n- a\n- b\n", 3, "no keys at its outermost level"),
        ("just words", 1, "no keys at its outermost level"),
        ("a: 1\nb: [1, 2\n", 3, "this is not YAML"),
        ("a: 1\n\tb: 2\n", 2, "this is not YAML"),
        ("a: *nowhere\n", 1, "this is not YAML"),
        ("a: 1\n---\nb: 2\n", 2, "this is not YAML"),
        ("a: 1\nb: \x00\n", 2, "this is not YAML"),
        ("a: 1\n" + "# \u00f3\n" * 90 + "\x01\n", 92, "this is not YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key is written twice, first in line 1"),
        ("a:\n  ? [x, y]\n  : 1\n", 2, "a key is a list or a mapping"),
        ("a:\n  true: 1\n", 2, "the key 'true' is not text"),
        ("a: !secret x\n", 1, "the tag !secret means nothing here"),
        ("a: !!set {x, y}\n", 1, "the tag !!set means nothing here"),
        ("a: !!int ten\n", 1, "'ten' is not a number"),
        ("a: !!bool maybe\n", 1, "the tag !!bool means nothing here"),
        ("a: " + "9" * 5000 + "\n", 1, "is not a number"),
        ("a: &loop\n  b: *loop\n", 1, "an alias stands inside its own anchor"),
        ("a: " + "[" * 100_000, 1, "nested too deeply"),
        ("a: " + "{b: " * 100_000, 1, "nested too deeply"),
    ],
)
def test_bad_text_is_one_problem_with_its_line(text: str, line: int, problem: str) -> None:
    found = only_problem(text)
    assert problem in found.problem
    assert found.remedy
    # The pure-Python scanner and libyaml may disagree by a line at the end of the text.
    assert found.line in ((line, line - 1) if "not YAML" in problem else (line,))


def test_aliases_cannot_explode() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "aliases expand to too many values" in only_problem("\n".join(layers)).problem


def test_text_that_utf8_cannot_hold_is_a_problem() -> None:
    assert "not YAML" in only_problem("a: \ud800").problem


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", 1, "the file is empty"),
        (b"kind: line\nname: \xff\n", 2, "byte 0xff is not UTF-8"),
        (bytes(range(256)), 0, ""),
        (b"\x7fELF\x02\x01\x01" + bytes(100), 1, "this is not YAML"),
        ("kind: line\n".encode("utf-16"), 1, "is not UTF-8"),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), 0, "larger than 4 MB"),
    ],
)
def test_bad_files_are_one_problem(tmp_path: Path, content: bytes, line: int, problem: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    problems = check_files([path])
    assert len(problems) == 1
    assert problem in problems[0].problem
    assert problems[0].file == str(path)
    assert not problem or problems[0].line == line


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    problems = check_files([tmp_path / "none.yaml", tmp_path, Path("nul\0byte")])
    assert [problem.problem for problem in problems[:2]] == [
        "there is no such file",
        "this is a directory",
    ]
    assert "cannot be read" in problems[2].problem
    assert all(problem.line == 0 for problem in problems)
    assert str(problems[0]).startswith(f"{tmp_path / 'none.yaml'}: there is no such file; ")
