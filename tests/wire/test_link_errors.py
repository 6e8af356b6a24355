"""Whatever the libraries can raise or answer becomes one of the three link errors."""

from __future__ import annotations

import asyncio
import struct

import pytest
from asyncua.ua import uaerrors
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uatypes import StatusCode, UInt32
from pymodbus import exceptions as pymodbus_exceptions
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse

from sorter.errors import LinkError, LinkLost, LinkRejected, LinkTimeout
from sorter.io import modbus_errors, opcua_errors

TRANSPORT = [
    (TimeoutError(), LinkTimeout),
    (TimeoutError(), LinkTimeout),
    (ConnectionRefusedError(111, "refused"), LinkLost),
    (ConnectionResetError(104, "reset"), LinkLost),
    (BrokenPipeError(), LinkLost),
    (OSError(113, "no route to host"), LinkLost),
    (asyncio.IncompleteReadError(b"", 8), LinkLost),
    (struct.error("short"), LinkRejected),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), LinkRejected),
]


@pytest.mark.parametrize(("error", "meaning"), TRANSPORT, ids=lambda case: type(case).__name__)
def test_transport_errors(error: Exception, meaning: type[LinkError]) -> None:
    for library_errors, translated in (
        (modbus_errors.LIBRARY_ERRORS, modbus_errors.from_exception("x", error, connected=True)),
        (opcua_errors.LIBRARY_ERRORS, opcua_errors.from_exception("x", error)),
    ):
        assert isinstance(error, library_errors)
        assert type(translated) is meaning
        assert str(translated).startswith("x: ")


def all_subclasses(parent: type[Exception]) -> list[type[Exception]]:
    children = parent.__subclasses__()
    return children + [below for child in children for below in all_subclasses(child)]


def test_every_exception_of_pymodbus_is_a_link_error() -> None:
    classes = all_subclasses(pymodbus_exceptions.ModbusException)
    assert len(classes) >= 6
    for cls in classes:
        error = cls("something")
        assert isinstance(error, modbus_errors.LIBRARY_ERRORS)
        for connected in (True, False):
            translated = modbus_errors.from_exception("x", error, connected=connected)
            assert isinstance(translated, LinkLost)


def test_late_modbus_answer_is_a_timeout_unless_the_connection_went() -> None:
    error = pymodbus_exceptions.ModbusIOException("No response received after 0 retries")
    late = modbus_errors.from_exception("x", error, connected=True)
    gone = modbus_errors.from_exception("x", error, connected=False)
    assert (type(late), type(gone)) == (LinkTimeout, LinkLost)


@pytest.mark.parametrize("code", [*ExcCodes, 0x55])
def test_every_modbus_exception_code_is_named(code: int) -> None:
    error = modbus_errors.from_response("x", "reading", ExceptionResponse(3, code))
    assert type(error) is LinkRejected
    assert f"Modbus exception {int(code)}" in str(error)


def test_every_bad_opc_ua_status_is_a_link_error() -> None:
    codes = {
        name: code for name, code in vars(StatusCodes).items() if name.startswith("Bad") and code
    }
    assert len(codes) > 200
    kinds = {}
    for name, code in codes.items():
        kinds[name] = type(opcua_errors.from_status("x", StatusCode(UInt32(code))))
        if error_class := getattr(uaerrors, name, None):
            error = error_class()
            assert isinstance(error, opcua_errors.LIBRARY_ERRORS)
            assert type(opcua_errors.from_exception("x", error)) is kinds[name]
    assert set(kinds.values()) == {LinkLost, LinkTimeout, LinkRejected}
    assert kinds["BadShutdown"] is kinds["BadSessionIdInvalid"] is LinkLost
    assert kinds["BadTimeout"] is LinkTimeout
    assert kinds["BadNodeIdUnknown"] is LinkRejected


def test_every_other_error_of_asyncua_is_rejected() -> None:
    for cls in (uaerrors.UaError, uaerrors.UaStringParsingError, uaerrors.UaStructParsingError):
        error = cls("odd")
        assert isinstance(error, opcua_errors.LIBRARY_ERRORS)
        assert type(opcua_errors.from_exception("x", error)) is LinkRejected
