"""OPC UA server over the mailbox image, on asyncua.

Status, event pages and scan slots are UInt16 array variables whose value is made when it is read;
a PLC scan costs nothing here. The command array is the only thing a client can write, and its
words go straight into the image. :meth:`OpcUaMailboxServer.publish` wakes the subscribers.

Four things asyncua does by default are closed here: it answers an unknown Republish with an empty
good message (clients then loop), lets anyone named ``admin`` in as administrator, keeps dropped
sessions for ten minutes, and takes arrays of any length.

Who gets in, and over what kind of channel, is in ``opcua_access``. Anonymous access without
encryption is meant for loopback.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast

from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.user_managers import UserManager
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaprotocol_auto import (
    AnonymousIdentityToken,
    CreateSubscriptionParameters,
    CreateSubscriptionResult,
    NotificationMessage,
    RepublishParameters,
    WriteParameters,
    WriteValue,
)
from asyncua.ua.uatypes import (
    DataValue,
    DateTime,
    Int16,
    NodeId,
    QualifiedName,
    SecurityPolicyType,
    StatusCode,
    String,
    UInt32,
    Variant,
    VariantType,
)

from plc_sim.image import MailboxImage
from plc_sim.log_ins import LogIns
from plc_sim.opcua_access import Anybody, GuardedServer, Observer, OpcUaAccess
from sorter.config.models import OpcUaTags
from sorter.model.frames import Words
from sorter.model.mailbox import EVENT_PAGE_SLOTS, EVENT_WORDS, SCAN_WORDS, STATUS_HEARTBEAT
from sorter.security.opcua_decoding import bound_decoder

_MAX_SESSION_MS: Final = 15_000.0
_STOP_DEADLINE_S: Final = 5.0
_FIRST_PUBLISHING_MS: Final = 1.0
_VALUE: Final = AttributeIds.Value


def _nothing() -> None:
    """Stand in for a callback that nobody asked for."""


class _CommandWriter(AttributeService):
    """Takes writes of the command array; all others go the usual way and are refused there."""

    def __init__(self, aspace: AddressSpace, image: MailboxImage) -> None:
        super().__init__(aspace)
        self._image = image
        self.command_node: NodeId | None = None
        self.on_command: Callable[[], None] = _nothing

    async def write(
        self,
        params: WriteParameters,
        user: User = User(role=UserRole.Admin),  # noqa: B008
    ) -> list[StatusCode]:
        if isinstance(user, Observer):
            return [StatusCode(UInt32(StatusCodes.BadUserAccessDenied))] * len(params.NodesToWrite)
        if all(item.NodeId != self.command_node for item in params.NodesToWrite):
            return list(await super().write(params, user))
        results = []
        for item in params.NodesToWrite:
            if item.NodeId == self.command_node:
                results.append(StatusCode(UInt32(self._take(item))))
            else:
                results.extend(await super().write(WriteParameters(NodesToWrite=[item]), user))
        return results

    def _take(self, item: WriteValue) -> int:
        """Copy one written value into the image; return the status code to answer."""
        if item.AttributeId != _VALUE:
            return StatusCodes.BadNotWritable
        if item.IndexRange:
            return StatusCodes.BadWriteNotSupported
        value = item.Value.Value if item.Value is not None else None
        if value is None or value.VariantType != VariantType.UInt16 or not value.is_array:
            return StatusCodes.BadTypeMismatch
        if value.Value is None or len(value.Value) != len(self._image.command):
            return StatusCodes.BadOutOfRange
        self._image.write_command(0, value.Value)
        self.on_command()
        return StatusCodes.Good


class _Subscriptions(SubscriptionService):
    """Grants no publishing interval of zero and tells the truth about lost messages."""

    async def create_subscription(
        self, params: CreateSubscriptionParameters, *args: Any, **kwargs: Any
    ) -> CreateSubscriptionResult:
        # At zero asyncua would publish from inside the writer and never send a keep-alive.
        params.RequestedPublishingInterval = max(
            params.RequestedPublishingInterval, _FIRST_PUBLISHING_MS
        )
        return await super().create_subscription(params, *args, **kwargs)

    def republish(self, params: RepublishParameters) -> NotificationMessage:
        subscription = self.subscriptions.get(params.SubscriptionId)
        if subscription is None:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        message = subscription.republish(params.RetransmitSequenceNumber)
        if not message.NotificationData:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        return message


class _MailboxInternals(InternalServer):
    """asyncua's service sets with those replaced that are above."""

    def __init__(self, image: MailboxImage, users: UserManager) -> None:
        super().__init__(user_manager=users)
        self.writer = _CommandWriter(self.aspace, image)
        self.attribute_service = self.writer
        self.subscription_service = _Subscriptions(self.aspace, iserver=self)
        self.max_session_timeout_ms = _MAX_SESSION_MS
        self.allow_remote_admin = False
        self.max_connections = 32
        self.max_subscriptions = 64


class OpcUaMailboxServer:
    """Serves one mailbox image on OPC UA.

    Parameters
    ----------
    image : MailboxImage
    tags : OpcUaTags
        Namespace and node ids.
    host : str
    port : int
        0 takes a free one, see :attr:`port`.
    on_command : callable, optional
        Called after each write of the command array.
    access : OpcUaAccess or None
        Certificate and users; None lets everybody in without encryption.
    utc_now : callable, optional
        Wall time for the time stamps of the status array; without it there are none.
    log_ins : LogIns, optional
        Counts and reports who is refused.
    """

    def __init__(
        self,
        image: MailboxImage,
        tags: OpcUaTags,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        on_command: Callable[[], None] = _nothing,
        access: OpcUaAccess | None = None,
        utc_now: Callable[[], datetime] | None = None,
        log_ins: LogIns | None = None,
    ) -> None:
        self._log_ins = log_ins or LogIns()
        self._image = image
        self._access = access
        self._utc_now = utc_now
        self._scanned_at: datetime | None = None
        self._heartbeat = -1
        self._tags = tags
        self._address = (host, port)
        self._on_command = on_command
        self._server: Server | None = None
        self._status_callbacks: dict[int, Callable[..., Any]] = {}

    @property
    def port(self) -> int:
        """TCP port that the server listens on."""
        if self._server is None or self._server.bserver is None:
            raise RuntimeError("the OPC UA server is not started")
        return int(self._server.bserver.port)

    @property
    def endpoint(self) -> str:
        """URL for clients."""
        return f"opc.tcp://{self._address[0]}:{self.port}/parcel-sorter/"

    async def start(self) -> None:
        """Build the address space and listen; raises :class:`OSError` if that is impossible."""
        bound_decoder()
        # What a client does wrong is the client's to report.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
        access = self._access
        users = Anybody() if access is None else access.user_manager(self._log_ins)
        internals = _MailboxInternals(self._image, users)
        server = GuardedServer(internals, access, self._log_ins)
        server.disable_clock()  # it delays stopping by a second, and no client asks for the time
        await server.init()
        host, port = self._address
        server.set_endpoint(f"opc.tcp://{host}:{port}/parcel-sorter/")
        server.set_server_name("parcel-sorter simulated PLC")
        server.allow_remote_admin(False)
        if access is None:
            server.set_security_policy([SecurityPolicyType.NoSecurity])
            server.set_identity_tokens([AnonymousIdentityToken])
        else:
            await access.apply(server)
        await self._add_variables(server, internals)
        internals.writer.on_command = self._on_command
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Close the listener and all sessions."""
        if self._server is None:
            return
        server, self._server = self._server, None
        async with asyncio.timeout(_STOP_DEADLINE_S):
            await server.stop()
            # asyncua lets a session outlive its connection, and the server outlive neither.
            for session in tuple(server.iserver._external_sessions.values()):
                await session.close_session()

    def scanned(self) -> None:
        """Take the present time as the source time of the status array if the PLC has scanned."""
        heartbeat = int(self._image.status[STATUS_HEARTBEAT])
        if heartbeat != self._heartbeat and self._utc_now is not None:
            self._heartbeat = heartbeat
            self._scanned_at = self._utc_now()

    async def publish(self) -> None:
        """Tell the subscribers of the status array that it has changed."""
        if not self._status_callbacks:
            return
        value = _array(self._image.shown(self._image.status))
        for handle, callback in tuple(self._status_callbacks.items()):
            await callback(handle, value)

    async def _add_variables(self, server: Server, internals: _MailboxInternals) -> None:
        image, tags = self._image, self._tags
        index = await server.register_namespace(tags.namespace_uri)
        folder = await server.nodes.objects.add_object(index, "Mailbox")

        async def add(tag: str, words: Words) -> NodeId:
            initial = Variant(words.tolist(), VariantType.UInt16)
            name = QualifiedName(String(tag), Int16(index))
            node = await folder.add_variable(node_id(tag, index), name, initial)
            return node.nodeid

        for tag, words in self._read_variables():
            nodeid = await add(tag, words)
            internals.set_attribute_value_callback(nodeid, _reader(image, words))
        internals.set_attribute_value_callback(node_id(tags.status, index), self._read_status)
        command = await add(tags.command, image.command)
        await server.get_node(command).set_writable()
        internals.set_attribute_value_callback(command, _reader(image, image.command))
        internals.writer.command_node = command
        status = internals.aspace[node_id(tags.status, index)]
        self._status_callbacks = status.attributes[_VALUE].datachange_callbacks

    def _read_status(self, _node: NodeId, _attribute: AttributeIds) -> DataValue:
        """Return the status array with the time of the PLC scan that wrote it."""
        value = _array(self._image.shown(self._image.status))
        if self._utc_now is not None:
            value = dataclasses.replace(
                value,
                SourceTimestamp=cast("DateTime | None", self._scanned_at),
                ServerTimestamp=cast("DateTime", self._utc_now()),
            )
        return value

    def _read_variables(self) -> list[tuple[str, Words]]:
        """Return tag and words of all variables that can only be read."""
        image, tags = self._image, self._tags
        page_words = EVENT_PAGE_SLOTS * EVENT_WORDS
        variables = [(tags.status, image.status)]
        variables += [
            (tags.event_page.format(page=page), image.events[first : first + page_words])
            for page, first in enumerate(range(0, len(image.events), page_words))
        ]
        variables += [
            (tags.scan_slot.format(slot=slot), image.scans[slot * SCAN_WORDS :][:SCAN_WORDS])
            for slot in range(image.scan_slots)
        ]
        return variables


def node_id(tag: str, namespace_index: int) -> NodeId:
    """Return the node id of a configured tag.

    A tag is a string identifier in the mailbox's namespace, or a whole node id such as
    ``ns=3;i=1001``.
    """
    if tag.startswith(("ns=", "i=", "s=", "g=", "b=")):
        return NodeId.from_string(tag)
    return NodeId(String(tag), Int16(namespace_index))


def _array(words: Words) -> DataValue:
    return DataValue(Variant(words.tolist(), VariantType.UInt16, is_array=True))


def _reader(image: MailboxImage, words: Words) -> Callable[[NodeId, AttributeIds], DataValue]:
    """Return a value source that reads `words` at the time of the request."""

    def read(_node: NodeId, _attribute: AttributeIds) -> DataValue:
        return _array(image.shown(words))

    return read
