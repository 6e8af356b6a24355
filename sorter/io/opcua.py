"""Field bus over OPC UA, on asyncua's client.

The mailbox is a handful of UInt16 arrays. One exchange writes the command array and reads the
status array. A subscription to the status array wakes :meth:`OpcUaBus.wait`; it is a hint and
nothing more, the arrays are the truth.

asyncua's own reconnecting is not used: it can come back connected and silent. After any error
the client is thrown away and the supervisor calls :meth:`OpcUaBus.connect`, which builds a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import numpy as np
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaprotocol_auto import (
    CreateMonitoredItemsParameters,
    CreateSubscriptionParameters,
    MonitoredItemCreateRequest,
    MonitoringMode,
    MonitoringParameters,
    PublishResult,
    ReadParameters,
    ReadValueId,
    TimestampsToReturn,
    WriteParameters,
    WriteValue,
)
from asyncua.ua.uatypes import DataValue, Int16, NodeId, String, Variant, VariantType

from sorter.config.link_security import Certificates
from sorter.config.models import Mailbox, OpcUaLink
from sorter.errors import ConfigError, LinkLost, LinkRejected, LinkTimeout
from sorter.io import opcua_errors, translate
from sorter.io.opcua_deadline import deadline
from sorter.io.opcua_security import secure
from sorter.model.frames import Words
from sorter.model.mailbox import (
    COMMAND_HEARTBEAT,
    COMMAND_WORDS,
    EVENT_PAGE_SLOTS,
    EVENT_WORDS,
    SCAN_WORDS,
    STATUS_VERSION,
    STATUS_WORDS,
)
from sorter.ports import Clock
from sorter.security.opcua_decoding import bound_decoder

_NS_PER_MS: Final = 1_000_000
_HEARTBEAT_NS: Final = 100 * _NS_PER_MS
"""Longest time between two writes of a command block in which only the heartbeat changed."""
_KEEP_ALIVE_MS: Final = 500.0
_SILENT_AFTER_KEEP_ALIVES: Final = 3
_SESSION_MS: Final = 15_000
_CONNECT_TIMEOUTS: Final = 4
"""The whole of connect (a dozen requests) may take this many times the configured timeout."""
_SOCKET_TIMEOUTS: Final = 0.5
"""The TCP connection, one round trip between two kernels, may take this many."""


class _PromptClient(Client):
    """Gives up a TCP connection sooner than a request.

    While a network drops packets no attempt is answered, and the one under way when it comes back
    waits until TCP asks again, a second after it began: the next attempt is sooner through.
    """

    def __init__(self, endpoint: str, timeout_s: float) -> None:
        super().__init__(endpoint, timeout=timeout_s, watchdog_intervall=5.0)
        self._socket_deadline_s = _SOCKET_TIMEOUTS * timeout_s

    async def connect_socket(self) -> None:
        async with deadline(self._socket_deadline_s):
            await super().connect_socket()


class OpcUaBus:
    """Moves mailbox words over OPC UA; implements :class:`sorter.ports.FieldBus`.

    Parameters
    ----------
    link : OpcUaLink
        Endpoint, deadline, publishing interval and tag map.
    mailbox : Mailbox
        Ring sizes.
    clock : Clock
        Times of :meth:`wait` are on it.
    certificates : Certificates
        Places of the files; not used when the link is none_and_anonymous.

    Attributes
    ----------
    granted_interval_ms : float
        Publishing interval that the server granted at the last connect.
    """

    def __init__(
        self,
        link: OpcUaLink,
        mailbox: Mailbox,
        clock: Clock,
        certificates: Certificates = Certificates(),  # noqa: B008 - frozen
    ) -> None:
        bound_decoder()
        self._link = link
        self._certificates = certificates
        self._mailbox = mailbox
        self._clock = clock
        self._name = f"opc ua {link.endpoint}"
        self._timeout_s = link.timeout_ms / 1000
        self._poll_ns = max(1, round(link.poll_ms * _NS_PER_MS))
        self.granted_interval_ms = 0.0
        self._client: Client | None = None
        self._namespace = 0
        self._news = asyncio.Event()
        self._silent_after_ns = 0
        self._published_ns = 0
        self._was_silent = False
        self._exchanged_ns = 0
        self._written: Words | None = None
        self._written_ns = 0
        self._command_node = NodeId()
        self._read_status = ReadParameters()

    @property
    def name(self) -> str:
        """Link as a person would name it."""
        return self._name

    async def connect(self) -> None:
        """Build a new client, check the layout version and subscribe to the status array."""
        await self.close()
        translate.quiet("asyncua")
        client = _PromptClient(self._link.endpoint, self._timeout_s)
        client.name = client.description = "parcel sorter"
        client.session_timeout = _SESSION_MS
        try:
            async with deadline(_CONNECT_TIMEOUTS * self._timeout_s):
                if self._link.security.mode == "sign_and_encrypt":
                    await secure(client, self._link.security, self._certificates)
                await client.connect()
                self._client = client
                await self._find_nodes(client)
                status = await self._read(
                    "status array", self._read_status, STATUS_WORDS, ages=True
                )
                where = f"tag {self._link.tags.status}"
                translate.check_version(self._name, int(status[STATUS_VERSION]), where)
                await self._subscribe(client)
        except opcua_errors.LIBRARY_ERRORS as error:
            await self._give_up(client)
            raise opcua_errors.from_exception(self._name, error) from error
        except ConfigError as error:
            await self._give_up(client)
            raise LinkRejected(self._name, str(error)) from error
        except BaseException:
            await self._give_up(client)
            raise

    async def exchange(self, command_block: Words) -> Words:
        """Write the command array if there is news in it, and read the status array."""
        now_ns = self._clock.now_ns()
        if self._must_write(command_block, now_ns):
            await self._write_command(command_block)
            self._written = command_block.copy()
            self._written_ns = now_ns
        self._news.clear()  # before the read: what is published from now on is not in it
        status = await self._read("status array", self._read_status, STATUS_WORDS, ages=True)
        self._exchanged_ns = self._clock.now_ns()
        if self._is_silent():
            await self._give_up(self._connected())
            raise LinkTimeout(self._name, "connected, but the subscription has gone silent")
        return status

    async def read_commands(self) -> Words:
        """Return the command array as the PLC has it."""
        request = self._reading([self._link.tags.command])
        return await self._read("command array", request, COMMAND_WORDS)

    async def read_events(self, first_slot: int, slot_count: int) -> Words:
        """Return `slot_count` slots of the event ring, in one request."""
        end = first_slot + slot_count
        if first_slot < 0 or slot_count < 1 or end > self._mailbox.event_slots:
            raise ValueError(f"event slots {first_slot}..{end - 1} are not all in the ring")
        pages = range(first_slot // EVENT_PAGE_SLOTS, (end - 1) // EVENT_PAGE_SLOTS + 1)
        tags = [self._link.tags.event_page.format(page=page) for page in pages]
        slots = min(pages.stop * EVENT_PAGE_SLOTS, self._mailbox.event_slots)
        skipped = pages.start * EVENT_PAGE_SLOTS
        words = await self._read(
            "event pages", self._reading(tags), (slots - skipped) * EVENT_WORDS
        )
        return words[(first_slot - skipped) * EVENT_WORDS : (end - skipped) * EVENT_WORDS]

    async def read_scans(self, first_slot: int, slot_count: int) -> Words:
        """Return `slot_count` slots of the scan ring, in one request."""
        end = first_slot + slot_count
        if first_slot < 0 or slot_count < 1 or end > self._mailbox.scan_slots:
            raise ValueError(f"scan slots {first_slot}..{end - 1} are not all in the ring")
        tags = [self._link.tags.scan_slot.format(slot=slot) for slot in range(first_slot, end)]
        return await self._read("scan slots", self._reading(tags), slot_count * SCAN_WORDS)

    async def wait(self, until_ns: int) -> None:
        """Return when the status array was published, or when a poll is due."""
        due_ns = min(until_ns, self._exchanged_ns + self._poll_ns)
        delay_s = max(0, due_ns - self._clock.now_ns()) / 1e9
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._news.wait()

    async def close(self) -> None:
        """End the session and close the connection; never raises."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with deadline(self._timeout_s):
                await client.disconnect()
        except opcua_errors.LIBRARY_ERRORS:
            pass  # a peer that is gone cannot be taken leave of
        finally:
            await self._drop(client)

    async def _find_nodes(self, client: Client) -> None:
        """Look the namespace up and prepare the requests that every exchange sends."""
        tags = self._link.tags
        namespaces = await client.get_namespace_array()
        if tags.namespace_uri not in namespaces:
            raise LinkRejected(
                self._name,
                f"the server has no namespace {tags.namespace_uri}: "
                "compare io.opcua.tags.namespace_uri with the PLC",
            )
        self._namespace = namespaces.index(tags.namespace_uri)
        self._command_node = self._node_id(tags.command)
        self._read_status = self._reading([tags.status])
        self._written = None

    async def _subscribe(self, client: Client) -> None:
        """Subscribe to the status array, as fast as configured and as the server grants."""
        interval_ms = self._link.publishing_interval_ms
        keep_alives = max(1, round(_KEEP_ALIVE_MS / max(interval_ms, 1.0)))
        parameters = CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = interval_ms
        parameters.RequestedMaxKeepAliveCount = keep_alives
        parameters.RequestedLifetimeCount = 10 * keep_alives
        parameters.PublishingEnabled = True
        session = client.uaclient.session
        granted = await session.create_subscription(parameters, self._on_publish)
        self.granted_interval_ms = float(granted.RevisedPublishingInterval)
        keep_alive_ms = granted.RevisedPublishingInterval * granted.RevisedMaxKeepAliveCount
        self._silent_after_ns = round(_SILENT_AFTER_KEEP_ALIVES * keep_alive_ms * _NS_PER_MS)
        self._published_ns = self._clock.now_ns()
        self._was_silent = False
        item = MonitoredItemCreateRequest()
        item.ItemToMonitor = self._value_of(self._link.tags.status)
        item.MonitoringMode = MonitoringMode.Reporting
        item.RequestedParameters = MonitoringParameters(
            ClientHandle=1, SamplingInterval=interval_ms, QueueSize=1, DiscardOldest=True
        )
        results = await session.create_monitored_items(
            CreateMonitoredItemsParameters(
                SubscriptionId=granted.SubscriptionId, ItemsToCreate=[item]
            )
        )
        if not results[0].StatusCode.is_good():
            raise opcua_errors.from_status(self._name, results[0].StatusCode)

    def _on_publish(self, result: PublishResult) -> None:
        """Note a sign of life; wake :meth:`wait` unless it is only a keep-alive."""
        self._published_ns = self._clock.now_ns()
        if result.NotificationMessage.NotificationData:
            self._news.set()

    def _is_silent(self) -> bool:
        """Say whether keep-alives are overdue twice in a row.

        Once is not enough: after a pause of this process the publications that came in meanwhile
        are handled just after the first exchange.
        """
        if not self._silent_after_ns:  # a server that publishes at once and sends no keep-alives
            return False
        silent = self._exchanged_ns - self._published_ns > self._silent_after_ns
        twice, self._was_silent = silent and self._was_silent, silent
        return twice

    def _must_write(self, command_block: Words, now_ns: int) -> bool:
        written = self._written
        if written is None or now_ns - self._written_ns >= _HEARTBEAT_NS:
            return True
        written[COMMAND_HEARTBEAT] = command_block[COMMAND_HEARTBEAT]
        return not np.array_equal(written, command_block)

    async def _write_command(self, command_block: Words) -> None:
        client = self._connected()
        variant = Variant(command_block.tolist(), VariantType.UInt16, is_array=True)
        item = WriteValue(
            NodeId=self._command_node, AttributeId=AttributeIds.Value, Value=DataValue(variant)
        )
        try:
            async with deadline(self._timeout_s):
                results = await client.uaclient.session.write(WriteParameters(NodesToWrite=[item]))
            answer = results[0]
        except opcua_errors.LIBRARY_ERRORS as error:
            await self._give_up(client)
            raise opcua_errors.from_exception(self._name, error) from error
        if not answer.is_good():
            raise opcua_errors.from_status(self._name, answer)

    async def _read(
        self, what: str, request: ReadParameters, expected_words: int, *, ages: bool = False
    ) -> Words:
        """Read arrays as one; with `ages` what has not been written lately is refused."""
        client = self._connected()
        try:
            async with deadline(self._timeout_s):
                results = await client.uaclient.session.read(request)
            parts = [self._words_of(result) for result in results]
            words = parts[0] if len(parts) == 1 else np.concatenate(parts)
        except opcua_errors.LIBRARY_ERRORS as error:
            await self._give_up(client)
            raise opcua_errors.from_exception(self._name, error) from error
        if ages:
            self._check_age(results[0])
        if len(words) != expected_words:
            raise translate.wrong_length(self._name, what, len(words), expected_words)
        return words

    def _words_of(self, result: DataValue) -> Words:
        status = result.StatusCode
        if status is not None and not status.is_good():  # uncertain is not good enough to act on
            raise opcua_errors.from_status(self._name, status)
        value = result.Value
        if value is None or value.VariantType != VariantType.UInt16 or not value.is_array:
            raise LinkRejected(self._name, "a mailbox tag is not a UInt16 array: compare the tags")
        words = np.array(value.Value or (), np.uint16)
        if words.ndim != 1:
            raise LinkRejected(
                self._name,
                f"a mailbox tag is an array of {words.ndim} dimensions, one is expected: "
                "compare the tags",
            )
        return words

    def _check_age(self, result: DataValue) -> None:
        """Raise :class:`LinkTimeout` for a value that lay about in the server for too long.

        Both times are the PLC's side's: no clock of this machine is compared with one of another.
        """
        source, server = result.SourceTimestamp, result.ServerTimestamp
        if source is None or server is None:
            return
        age_ms = (server - source).total_seconds() * 1000
        if age_ms > self._link.source_age_limit_ms:
            raise LinkTimeout(
                self._name,
                f"the server answers with a value {age_ms:.0f} ms old "
                "(io.opcua.source_age_limit_ms); is the PLC program behind it running?",
            )

    def _reading(self, tags: list[str]) -> ReadParameters:
        return ReadParameters(
            TimestampsToReturn=TimestampsToReturn.Both,
            NodesToRead=[self._value_of(tag) for tag in tags],
        )

    def _value_of(self, tag: str) -> ReadValueId:
        return ReadValueId(NodeId=self._node_id(tag), AttributeId=AttributeIds.Value)

    def _node_id(self, tag: str) -> NodeId:
        """Return the node id of a configured tag: a string identifier, or a whole node id."""
        if tag.startswith(("ns=", "i=", "s=", "g=", "b=")):
            return NodeId.from_string(tag)
        return NodeId(String(tag), Int16(self._namespace))

    def _connected(self) -> Client:
        if self._client is None:
            raise LinkLost(self._name, "not connected")
        return self._client

    async def _give_up(self, client: Client) -> None:
        self._client = None
        await self._drop(client)

    async def _drop(self, client: Client) -> None:
        """Cut the connection and end the client's tasks without talking to the server."""
        publishing = client.uaclient._publish_task
        client.disconnect_socket()
        with contextlib.suppress(*opcua_errors.LIBRARY_ERRORS):
            async with deadline(self._timeout_s):
                await client.close_session()
        if publishing is not None:
            publishing.cancel()
            await asyncio.wait({publishing}, timeout=self._timeout_s)
