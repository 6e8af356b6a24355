"""Makes inputs out of inputs: changes of bytes, of words of the language, of whole parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random  # noqa: TID251  seeded; a draw takes a tenth of numpy's

_NUMBERS = (
    0, 1, 2, 3, 7, 8, 9, 10, 16, 100, 127, 128, 255, 256, 999, 1024, 4096, 32767, 32768, 65535,
    65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -1, -2, -128,
    -32768, -(2**31), -(2**31) - 1, -(2**63),
)  # fmt: skip
_TEXTS = (
    b"", b"0", b"-0", b"-1", b"1e999", b"-1e999", b"nan", b".nan", b".inf", b"-.inf", b"inf",
    b"NaN", b"1e-320", b"0x10", b"1_000", b"9" * 400, b"9" * 5000, b"true", b"null", b"~", b"[]",
    b"{}", b"''", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\r\n", b"\n", b"\xed\xa0\x80",
    "\u0661\u0662".encode(), "\u202e".encode(), "\U0001f4e6".encode(), b"../../etc/passwd",
    b"/dev/null", b"%s%n", b"\\ud800", b"\\x00", b"\x1d", b"\x1b[2J", b"[" * 200, b"(" * 100,
)  # fmt: skip
_DIGITS = re.compile(rb"[0-9]+")
Step = Callable[[Random, bytes], bytes]


def _flip(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << draw.randrange(8)),)) + data[at + 1 :]


def _set_byte(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes((draw.randrange(256),)) + data[at + 1 :]


def _insert(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(1 + draw.randrange(8)) + data[at:]


def _delete(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at + 1 + draw.randrange(1 + len(data) // 4) :]


def _cut(draw: Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def _repeat(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    part = data[at : at + 1 + draw.randrange(32)]
    return data[:at] + part * (1 << draw.randrange(10)) + data[at:]


def _move(draw: Random, data: bytes) -> bytes:
    first, second = draw.randrange(len(data)), draw.randrange(len(data))
    part = data[first : first + 1 + draw.randrange(24)]
    return data[:second] + part + data[second + len(part) :]


def _binary_number(draw: Random, data: bytes) -> bytes:
    size = draw.choice((2, 4, 4, 8))
    at = draw.randrange(len(data))
    value = draw.choice(_NUMBERS) + draw.randrange(-2, 3)
    order = "little" if draw.random() < 0.5 else "big"
    number = (value % (1 << (8 * size))).to_bytes(size, order)  # type: ignore[arg-type]
    return data[:at] + number + data[at + size :]


def _written_number(draw: Random, data: bytes) -> bytes:
    places = list(_DIGITS.finditer(data[:8192]))
    if not places:
        return _binary_number(draw, data)
    place = draw.choice(places)
    return data[: place.start()] + str(draw.choice(_NUMBERS)).encode() + data[place.end() :]


def _odd_text(draw: Random, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    end = at if draw.random() < 0.5 else at + draw.randrange(16)
    return data[:at] + draw.choice(_TEXTS) + data[end:]


def _swap_lines(draw: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    first, second = draw.randrange(len(lines)), draw.randrange(len(lines))
    if draw.random() < 0.5:
        lines.insert(first, lines[second])
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


_STEPS: Sequence[Step] = (
    _flip, _flip, _set_byte, _set_byte, _insert, _delete, _delete, _cut, _repeat, _move,
    _binary_number, _binary_number, _written_number, _written_number, _odd_text, _swap_lines,
)  # fmt: skip


def mutated(
    draw: Random, pool: Sequence[bytes], tokens: Sequence[bytes], limit_bytes: int
) -> bytes:
    """Return an input made of one of the pool, sometimes of two.

    Parameters
    ----------
    draw : Random
    pool : sequence of bytes
        Inputs that did something of their own before.
    tokens : sequence of bytes
        Words of the input's language.
    limit_bytes : int
    """
    data = pool[draw.randrange(len(pool))]
    if draw.random() < 0.08:
        other = pool[draw.randrange(len(pool))]
        data = data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]
    for _ in range(1 + draw.randrange(1 + draw.randrange(6))):
        if not data:
            data = draw.randbytes(1 + draw.randrange(64))
        elif tokens and draw.random() < 0.2:
            at = draw.randrange(len(data) + 1)
            end = at if draw.random() < 0.5 else at + draw.randrange(12)
            data = data[:at] + tokens[draw.randrange(len(tokens))] + data[end:]
        else:
            data = _STEPS[draw.randrange(len(_STEPS))](draw, data)
    return data[:limit_bytes]
