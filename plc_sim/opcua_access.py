"""Who may talk to the simulated PLC over OPC UA, and what they may do.

asyncua leaves four doors open that are closed here. A server whose only policy is Basic256Sha256
still takes sessions on a None channel, because a connection starts as one; it takes messages
without any channel; it looks at the trust list only when the client chooses to send its
certificate along with CreateSession; and it lets anybody register servers. What stays open on an
unencrypted channel is discovery (GetEndpoints, FindServers), as OPC 10000-4 wants it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.server.uaprocessor import UaProcessor
from asyncua.server.user_managers import UserManager
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_from_binary
from asyncua.ua.uatypes import Int32
from cryptography import x509

from plc_sim.log_ins import LogIns
from sorter.config.link_security import Certificates
from sorter.errors import ConfigError
from sorter.security.certificates import facts_of, load_certificate, load_private_key, role_of
from sorter.security.folder import SCRYPT
from sorter.security.layout import USERS, member_of
from sorter.security.roles import Role
from sorter.security.secret_files import read_secret
from sorter.security.trust import PeerTrust
from sorter.security.wall_clock import utc_now

_IDS: Final = ObjectIds
_DISCOVERY: Final = frozenset(
    ua.NodeId(Int32(one))
    for one in (
        _IDS.GetEndpointsRequest_Encoding_DefaultBinary,
        _IDS.FindServersRequest_Encoding_DefaultBinary,
    )
)
_CREATE_SESSION: Final = ua.NodeId(Int32(_IDS.CreateSessionRequest_Encoding_DefaultBinary))
_REGISTER: Final = frozenset(
    ua.NodeId(Int32(one))
    for one in (
        _IDS.RegisterServerRequest_Encoding_DefaultBinary,
        _IDS.RegisterServer2Request_Encoding_DefaultBinary,
    )
)
_NOBODY: Final = {"role": "", "salt": "00" * 16, "scrypt": "00" * 64}


@dataclass
class Observer(User):
    """Somebody who may read and not write."""


class Anybody(UserManager):
    """Everybody who gets in may read, and write the command block; nobody is administrator."""

    def get_user(
        self,
        iserver: InternalServer,  # noqa: ARG002
        username: str | None = None,  # noqa: ARG002
        password: str | None = None,  # noqa: ARG002
        certificate: Any = None,  # noqa: ARG002
    ) -> User | None:
        """Return a user whatever is given."""
        return User(role=UserRole.User)


class KnownUsers(UserManager):
    """Users with a password in the user file, or with a certificate that says their role.

    Parameters
    ----------
    users : dict
        ``{name: {role, salt, scrypt}}``, salt and hash in hex.
    trust : PeerTrust
        For user certificates.
    log_ins : LogIns
        Told of every log-in that is refused.
    """

    def __init__(self, users: dict[str, dict[str, str]], trust: PeerTrust, log_ins: LogIns) -> None:
        self._users = users
        self._trust = trust
        self._log_ins = log_ins

    def get_user(
        self,
        iserver: InternalServer,  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """Return the user, or None when log-in is refused."""
        if username is None:
            return self._by_certificate(certificate)
        if self._log_ins.is_held_off(username):
            self._log_ins.failed(username, "too many failures in a row: not looked at")
            return None
        entry = self._users.get(username, _NOBODY)
        hashed = hashlib.scrypt(
            (password or "").encode(), salt=bytes.fromhex(entry["salt"]), **SCRYPT
        )
        # Computed and compared for unknown users too, so that time does not tell who is known.
        if not hmac.compare_digest(hashed.hex(), entry["scrypt"]):
            self._log_ins.failed(username, "name or password wrong")
            return None
        self._log_ins.succeeded(username)
        return _user(username, Role(entry["role"]))

    def _by_certificate(self, der: bytes | None) -> User | None:
        refusal = self._trust.refusal_of_der(der, utc_now(), "client")
        if refusal is not None or der is None:
            self._log_ins.failed("a user certificate", refusal or "there is none")
            return None
        certificate = x509.load_der_x509_certificate(der)
        subject, role = facts_of(certificate).subject, role_of(certificate)
        if role is None:
            self._log_ins.failed(subject, "the certificate names no role")
            return None
        return _user(subject, role)


def _user(name: str, role: Role) -> User:
    kind = Observer if role is Role.OBSERVER else User
    return kind(role=UserRole.User, name=name)


@dataclass(frozen=True, slots=True)
class OpcUaAccess:
    """Certificate, users and trust list of an encrypted server."""

    certificate: x509.Certificate
    private_key: Any
    trust: PeerTrust
    users: dict[str, dict[str, str]]

    @classmethod
    def load(cls, folder: Path) -> OpcUaAccess:
        """Read the PLC's part of a folder that ``sorter certs init`` made."""
        files: Certificates = member_of(folder, "plc")
        certificate = load_certificate(Path(files.certificate))
        key = load_private_key(certificate, Path(files.private_key))
        users_path = folder / "plc" / USERS
        try:
            users = json.loads(read_secret(users_path).get_secret_value())
        except ValueError:
            raise ConfigError(f"{users_path}: this is no user file") from None
        return cls(certificate, key, PeerTrust.load(files), users)

    def user_manager(self, log_ins: LogIns) -> UserManager:
        """Return who decides about log-ins."""
        return KnownUsers(self.users, self.trust, log_ins)

    async def apply(self, server: Server) -> None:
        """Offer Basic256Sha256 SignAndEncrypt only, to known users only."""
        await server.set_application_uri(facts_of(self.certificate).application_uri)
        server.iserver.certificate = self.certificate
        server.iserver.private_key = self.private_key
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.UserNameIdentityToken, ua.X509IdentityToken])


class GuardedServer(Server):
    """Server that lets nothing but discovery through on a channel that is not as it should be.

    Parameters
    ----------
    internals : InternalServer
    access : OpcUaAccess or None
        None lets everybody in without encryption.
    log_ins : LogIns
        Told of every channel that is refused.
    """

    def __init__(
        self, internals: InternalServer, access: OpcUaAccess | None, log_ins: LogIns
    ) -> None:
        super().__init__(iserver=internals)
        self._access = access
        self._log_ins = log_ins

    async def start(self) -> None:
        """Listen."""
        await self._setup_server_nodes()
        await self.iserver.start()
        try:
            host, port = self._get_bind_socket_info()
            self.bserver = _GuardedListener(self.iserver, host or "", port or 0, self.limits)
            self.bserver.log_ins = self._log_ins
            self.bserver.trust = self._access.trust if self._access is not None else None
            self.bserver.set_policies(self._policies)
            await self.bserver.start()
        except BaseException:
            await self.iserver.stop()
            raise


class _GuardedListener(BinaryServer):
    trust: PeerTrust | None = None
    log_ins: LogIns

    def _make_protocol(self) -> OPCUAProtocol:
        protocol = _GuardedProtocol(
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )
        protocol.trust = self.trust
        protocol.log_ins = self.log_ins
        return protocol


class _GuardedProtocol(OPCUAProtocol):
    trust: PeerTrust | None = None
    log_ins: LogIns

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = _Gatekeeper(
                self.iserver, transport, self.limits, self.trust, self.log_ins
            )
            self.processor.set_policies(self.policies)  # type: ignore[no-untyped-call]


class _Gatekeeper(UaProcessor):
    """Looks at the channel and the certificate before any service is carried out."""

    def __init__(
        self,
        internals: InternalServer,
        transport: Any,
        limits: Any,
        trust: PeerTrust | None,
        log_ins: LogIns,
    ) -> None:
        super().__init__(internals, transport, limits)
        self._trust = trust
        self._log_ins = log_ins
        self._admitted = False

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        if typeid in _REGISTER:
            raise ServiceError(StatusCodes.BadServiceUnsupported)
        if self._trust is not None and typeid not in _DISCOVERY:
            self._check_channel(self._trust)
            if typeid == _CREATE_SESSION:
                self._check_same_certificate(body)
        return await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]

    def _check_channel(self, trust: PeerTrust) -> None:
        policy = self._connection.security_policy
        encrypted = (
            self._connection.is_open()
            and policy.URI == SecurityPolicyBasic256Sha256.URI
            and policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        )
        if not encrypted:
            self._log_ins.failed("a channel", "it is not encrypted")
            raise ServiceError(StatusCodes.BadSecurityChecksFailed)
        if not self._admitted:
            # Once a connection: its certificate cannot change.
            refusal = trust.refusal_of_der(policy.peer_certificate, utc_now(), "client")
            if refusal is not None:
                self._log_ins.failed("a channel", refusal)
                raise ServiceError(StatusCodes.BadSecurityChecksFailed)
            self._admitted = True

    def _check_same_certificate(self, body: Any) -> None:
        """Check that who makes the session is who made the channel, by certificate and URI."""
        params = struct_from_binary(ua.CreateSessionParameters, body.copy())
        own = self._connection.security_policy.peer_certificate
        if own is None or params.ClientCertificate != own:
            raise ServiceError(StatusCodes.BadCertificateInvalid)
        uri = facts_of(x509.load_der_x509_certificate(own)).application_uri
        if params.ClientDescription.ApplicationUri != uri:
            raise ServiceError(StatusCodes.BadCertificateUriInvalid)
