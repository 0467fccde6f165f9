"""From a request's opcode and body to the module that does the work, and back to a status and body.

INVARIANT B5: whatever arrives, the answer is one of the fixed statuses; an exception that nobody
expected is answered REFUSED and logged by its type alone, for its text could hold a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from strongroom.boundary.asymmetric_requests import AsymmetricRequests, Handler
from strongroom.boundary.checkpoint_requests import CheckpointModule, CheckpointRequests
from strongroom.boundary.interface import (
    BoundaryRefused,
    BoundaryUnavailable,
    CiphertextRefused,
    GeneratedKey,
    ImportBinding,
    ImportParameters,
    ImportTokenExpired,
    KeyBinding,
    KeySpecNotOffered,
    MaterialRefused,
    NotInToken,
    PeerKeyRefused,
    PlaintextRefused,
    SignatureRefused,
    TicketRefused,
    TokenRefused,
)
from strongroom.boundary.messages import (
    FIELD_COUNTS,
    MalformedFrame,
    Opcode,
    Status,
    parse_count,
    parse_fields,
    parse_four_fields,
    parse_instant,
    parse_number,
    render_fields,
)
from strongroom.boundary.proxy_requests import ProxyModule, ProxyRequests
from strongroom.boundary.recipient_requests import RecipientModule, RecipientRequests
from strongroom.boundary.shared_secret_requests import SharedSecretRequests
from strongroom.boundary.slow_work import Deferred
from strongroom.confinement.sandbox import OpenDoors

R = TypeVar("R", bytes, bytes | Deferred)

RETIRED_TOLD_MAX = 64


class DomainKeyUnknown(Exception):
    """The token names a domain key that is not in memory."""

    def __init__(self, domain_key_id: bytes) -> None:
        super().__init__(domain_key_id.hex())
        self.domain_key_id = domain_key_id


class TokenRetired(TokenRefused):
    """A token of the store under a domain key that opens nothing of the store any more."""


class NoActiveDomainKey(Exception):
    """No domain key of the Region wraps yet in this process."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.region = region


class CryptographicModule(RecipientModule, ProxyModule, CheckpointModule, Protocol):
    """What does the cryptography: the software module, or a PKCS#11 token (which may be BoundaryUnavailable).

    Every call may raise TokenRefused, BoundaryRefused, DomainKeyUnknown, NoActiveDomainKey, and with a key's
    token KeySpecNotOffered. A token whose binding is not `key_id`, or whose spec or usage does not fit the
    call, is refused (INVARIANT B2).
    """

    doors: OpenDoors | None
    """What it needs of the host after the start; None: nothing."""

    def generate_key(self, binding: KeyBinding) -> GeneratedKey: ...

    def prepare_key(self, binding: KeyBinding) -> Callable[[], bytes]:
        """What makes the material for `generate_key`, in any thread; raises first what that would raise."""
        ...

    def export_key(self, binding: KeyBinding, material: bytes) -> GeneratedKey: ...

    def generate_data_key(
        self, token: bytes, key_id: bytes, number_of_bytes: int, aad: bytes
    ) -> tuple[bytes, bytes]: ...

    def generate_random(self, number_of_bytes: int) -> bytes: ...

    def prepare_wrapping_key(self, binding: ImportBinding) -> Callable[[], bytes]:
        """What makes a wrapping key, in any thread."""
        ...

    def export_wrapping_key(
        self, binding: ImportBinding, ends_at_microseconds: int, wrapping_key: bytes
    ) -> ImportParameters: ...

    def prepare_import(
        self, import_token: bytes, now_microseconds: int, encrypted_material: bytes, binding: KeyBinding
    ) -> Callable[[], bytes]:
        """What brings unwrapped material into its one form, in any thread; nothing when it is none.

        Raises ImportTokenExpired, CiphertextRefused.
        """
        ...

    def export_import(self, binding: KeyBinding, material: bytes) -> GeneratedKey:
        """Raises MaterialRefused."""
        ...

    def forget_key(self, key_id: bytes, region: str) -> None: ...

    def wrap_root_secret(self, access_key_id: str, account_id: str) -> bytes: ...

    def create_access_key_secret(self, access_key_id: str, account_id: str) -> tuple[bytes, bytes]: ...

    def wrap_store_secret(self, account_id: str, region: str, store_id: str, secret: bytes) -> bytes: ...

    def make_transport_key(self, cluster: str) -> bytes:
        """A fresh key for the process of an HSM cluster (secret_transport.py)."""
        ...

    def seal_store_secret(
        self, token: bytes, account_id: str, region: str, store_id: str, cluster: str
    ) -> bytes: ...

    def derive_store_signing_key(
        self, token: bytes, account_id: str, region: str, store_id: str, date: bytes
    ) -> bytes: ...

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: bytes, region: bytes, service: bytes
    ) -> bytes: ...

    def create_domain_key(self, region: str, generation: int = 1) -> tuple[bytes, bytes]: ...

    def load_domain_key(self, token: bytes, activate: bool) -> None: ...

    def forget_domain_key(self, token_bytes: bytes) -> bytes:
        """Drops what it wrapped from memory, too; a PKCS#11 token's is destroyed there. Returns its id.

        Raises BoundaryRefused for one that no later one has followed here.
        """
        ...

    def vouch_for_domain_key(self, token_bytes: bytes, alone: bool) -> bytes:
        """The anchor with it. Raises BoundaryRefused for one that a later one has followed."""
        ...

    def rewrap(self, token_bytes: bytes, origin: str, domain_key_id: bytes) -> bytes:
        """Raises NoActiveDomainKey where another domain key than that one is active in the Region."""
        ...

    def make_ticket(self, purpose: bytes, context: bytes, text: bytes) -> bytes: ...

    def read_ticket(self, purpose: bytes, context: bytes, ticket: bytes) -> bytes:
        """Raises TicketRefused."""
        ...

    def create_replication_key(self, region: str) -> bytes: ...

    def export_for_region(self, token: bytes, key_id: bytes, receiving_token: bytes) -> bytes:
        """Refuses single-Region keys, and any receiving key but one of its own tokens (INVARIANT B10)."""
        ...

    def import_from_region(self, message: bytes, receiving_token: bytes, binding: KeyBinding) -> GeneratedKey:
        """Raises MaterialRefused."""
        ...

    def require_movable_keys(self) -> None:
        """Raises NotInToken where key material can neither be imported nor taken to another Region."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Facts for the status, by name; no secrets."""
        ...


_STATUSES: Mapping[type[Exception], Status] = {
    CiphertextRefused: Status.CIPHERTEXT_REFUSED,
    TokenRefused: Status.TOKEN_REFUSED,
    TokenRetired: Status.TOKEN_REFUSED,
    SignatureRefused: Status.SIGNATURE_REFUSED,
    PeerKeyRefused: Status.PEER_KEY_REFUSED,
    MaterialRefused: Status.MATERIAL_REFUSED,
    PlaintextRefused: Status.PLAINTEXT_REFUSED,
    TicketRefused: Status.TICKET_REFUSED,
    KeySpecNotOffered: Status.KEY_SPEC_NOT_OFFERED,
    ImportTokenExpired: Status.IMPORT_TOKEN_EXPIRED,
    BoundaryRefused: Status.REFUSED,
    BoundaryUnavailable: Status.UNAVAILABLE,
    UnicodeDecodeError: Status.REFUSED,
}

_REFUSALS = tuple(_STATUSES)


class Dispatcher:
    """Answers requests, one at a time. Concurrency: one thread."""

    def __init__(
        self,
        module: CryptographicModule,
        facts: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        """`facts` are what the process itself has to say in the status, by name."""
        self._module = module
        self._facts = facts
        self._log = log
        self._handlers: dict[int, Handler] = {
            Opcode.STATUS: self._status,
            Opcode.GENERATE_KEY: self._generate_key,
            Opcode.ENCRYPT: self._encrypt,
            Opcode.DECRYPT: self._decrypt,
            Opcode.RE_ENCRYPT: self._re_encrypt,
            Opcode.GENERATE_DATA_KEY: self._generate_data_key,
            Opcode.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT: self._generate_data_key_without_plaintext,
            Opcode.GENERATE_RANDOM: self._generate_random,
            Opcode.FORGET_KEY: self._forget_key,
            Opcode.WRAP_ROOT_SECRET: self._wrap_root_secret,
            Opcode.CREATE_ACCESS_KEY_SECRET: self._create_access_key_secret,
            Opcode.WRAP_STORE_SECRET: self._wrap_store_secret,
            Opcode.SEAL_STORE_SECRET: self._seal_store_secret,
            Opcode.DERIVE_STORE_SIGNING_KEY: self._derive_store_signing_key,
            Opcode.DERIVE_SIGNING_KEY: self._derive_signing_key,
            Opcode.CREATE_DOMAIN_KEY: self._create_domain_key,
            Opcode.LOAD_DOMAIN_KEY: self._load_domain_key,
            Opcode.REWRAP: self._rewrap,
            **AsymmetricRequests(module).handlers,
            **RecipientRequests(module).handlers,
            **SharedSecretRequests(module).handlers,
            **ProxyRequests(module).handlers,
            Opcode.MAKE_TICKET: self._make_ticket,
            Opcode.READ_TICKET: self._read_ticket,
            Opcode.GET_IMPORT_PARAMETERS: self._get_import_parameters,
            Opcode.IMPORT_KEY_MATERIAL: self._import_key_material,
            Opcode.CREATE_REPLICATION_KEY: self._create_replication_key,
            Opcode.EXPORT_FOR_REGION: self._export_for_region,
            Opcode.IMPORT_FROM_REGION: self._import_from_region,
            Opcode.REQUIRE_MOVABLE_KEYS: self._require_movable_keys,
        }
        self._handlers_for_jobs: dict[int, Handler] = {
            Opcode.FORGET_DOMAIN_KEY: self._forget_domain_key,
            Opcode.VOUCH_FOR_DOMAIN_KEY: self._vouch_for_domain_key,
            **CheckpointRequests(module).handlers,
        }
        self._retired_told: set[str] = set()

    def answer(self, opcode: int, body: bytes) -> tuple[int, bytes]:
        """The status and body of the reply, however long it takes. Raises MalformedFrame as `start` does."""
        status, reply = self.start(opcode, body)
        if isinstance(reply, Deferred):
            return self.finish(opcode, reply, reply.work())
        return status, reply

    def start(self, opcode: int, body: bytes) -> tuple[int, bytes | Deferred]:
        """The status and body of the reply, or what the answer waits for: do its work, then `finish` it.

        Raises MalformedFrame only, when `body` has not its fields.
        """
        handler = self._handlers.get(opcode)
        if handler is None:
            return Status.REFUSED, b""
        return self._guarded(opcode, handler, body)

    def start_for_jobs(self, opcode: int, body: bytes) -> tuple[int, bytes | Deferred]:
        """As `start`, for the one client that parses nothing of the network: it may end domain keys
        and have the audit trail signed."""
        handler = self._handlers_for_jobs.get(opcode)
        if handler is not None:
            return self._guarded(opcode, handler, body)
        return self.start(opcode, body)

    def finish(self, opcode: int, deferred: Deferred, result: bytes) -> tuple[int, bytes]:
        """The status and body of the reply, now that the work has its result."""
        return self._guarded(opcode, deferred.finish, result)

    def _guarded(self, opcode: int, handler: Callable[[bytes], R], body: bytes) -> tuple[int, R | bytes]:
        try:
            return 0, handler(body)
        except NotInToken as missing:
            return Status.NOT_IN_TOKEN, str(missing).encode("utf-8")
        except _REFUSALS as refused:
            if isinstance(refused, TokenRetired):
                self._tell_retired(str(refused))
            return _STATUSES[type(refused)], b""
        except DomainKeyUnknown as unknown:
            return Status.DOMAIN_KEY_UNKNOWN, unknown.domain_key_id
        except NoActiveDomainKey as inactive:
            return Status.NO_ACTIVE_DOMAIN_KEY, inactive.region.encode("ascii")
        except MalformedFrame:
            raise
        except Exception as error:
            self._log(f"opcode {opcode} ended in an unexpected {type(error).__name__}; answered refused")
            return Status.REFUSED, b""

    def _tell_retired(self, domain_key: str) -> None:
        """Once for each domain key: whoever writes the database must not fill the log as well."""
        if domain_key not in self._retired_told and len(self._retired_told) < RETIRED_TOLD_MAX:
            self._retired_told.add(domain_key)
            self._log(
                f"a token under {domain_key} was refused, which opens nothing of the database any more:"
                " somebody has put an older row back. What belongs there is in a backup: strongroom restore"
            )

    def _encrypt(self, body: bytes) -> bytes:
        token, key_id, plaintext, aad = parse_four_fields(body)
        return self._module.encrypt(token, key_id, plaintext, aad)

    def _decrypt(self, body: bytes) -> bytes:
        token, key_id, blob, aad = parse_four_fields(body)
        return self._module.decrypt(token, key_id, blob, aad)

    def _re_encrypt(self, body: bytes) -> bytes:
        fields = parse_fields(body, FIELD_COUNTS[Opcode.RE_ENCRYPT])
        plaintext = self._module.decrypt(*fields[:4])
        token, key_id, aad = fields[4:]
        return self._module.encrypt(token, key_id, plaintext, aad)

    def _generate_data_key(self, body: bytes) -> bytes:
        token, key_id, number, aad = parse_four_fields(body)
        return b"".join(self._module.generate_data_key(token, key_id, parse_number(number), aad))

    def _generate_data_key_without_plaintext(self, body: bytes) -> bytes:
        token, key_id, number, aad = parse_four_fields(body)
        return self._module.generate_data_key(token, key_id, parse_number(number), aad)[1]

    def _generate_random(self, body: bytes) -> bytes:
        (number,) = parse_fields(body, 1)
        return self._module.generate_random(parse_number(number))

    def _generate_key(self, body: bytes) -> bytes | Deferred:
        fields = parse_fields(body, FIELD_COUNTS[Opcode.GENERATE_KEY])
        binding = KeyBinding(*(field.decode("ascii") for field in fields))
        if not self._module.is_slow(binding.key_spec):
            return _render_generated_key(self._module.generate_key(binding))

        def finish(material: bytes) -> bytes:
            return _render_generated_key(self._module.export_key(binding, material))

        return Deferred(self._module.prepare_key(binding), finish)

    def _get_import_parameters(self, body: bytes) -> Deferred:
        *texts, ends_at = parse_fields(body, FIELD_COUNTS[Opcode.GET_IMPORT_PARAMETERS])
        binding = ImportBinding(*(text.decode("ascii") for text in texts))
        ends_at_microseconds = parse_instant(ends_at)

        def finish(wrapping_key: bytes) -> bytes:
            made = self._module.export_wrapping_key(binding, ends_at_microseconds, wrapping_key)
            return render_fields(made.public_key, made.import_token)

        return Deferred(self._module.prepare_wrapping_key(binding), finish)

    def _import_key_material(self, body: bytes) -> bytes | Deferred:
        token, now, encrypted, *texts = parse_fields(body, FIELD_COUNTS[Opcode.IMPORT_KEY_MATERIAL])
        binding = KeyBinding(*(text.decode("ascii") for text in texts))
        take_in = self._module.prepare_import(token, parse_instant(now), encrypted, binding)

        def finish(material: bytes) -> bytes:
            return _render_generated_key(self._module.export_import(binding, material))

        return Deferred(take_in, finish) if self._module.is_slow(binding.key_spec) else finish(take_in())

    def _forget_key(self, body: bytes) -> bytes:
        key_id, region = parse_fields(body, 2)
        self._module.forget_key(key_id, region.decode("ascii"))
        return b""

    def _wrap_root_secret(self, body: bytes) -> bytes:
        access_key_id, account_id = parse_fields(body, 2)
        return self._module.wrap_root_secret(access_key_id.decode("ascii"), account_id.decode("ascii"))

    def _wrap_store_secret(self, body: bytes) -> bytes:
        account_id, region, store_id, secret = parse_four_fields(body)
        return self._module.wrap_store_secret(
            account_id.decode("ascii"), region.decode("ascii"), store_id.decode("ascii"), secret
        )

    def _seal_store_secret(self, body: bytes) -> bytes:
        token, *texts = parse_fields(body, 5)
        account_id, region, store_id, cluster = (text.decode("ascii") for text in texts)
        return self._module.seal_store_secret(token, account_id, region, store_id, cluster)

    def make_transport_key(self, cluster: str) -> bytes:
        """A fresh key for passwords of one HSM cluster's process."""
        return self._module.make_transport_key(cluster)

    def _derive_store_signing_key(self, body: bytes) -> bytes:
        token, account_id, region, store_id, date = parse_fields(body, 5)
        return self._module.derive_store_signing_key(
            token, account_id.decode("ascii"), region.decode("ascii"), store_id.decode("ascii"), date
        )

    def _create_access_key_secret(self, body: bytes) -> bytes:
        access_key_id, account_id = parse_fields(body, 2)
        secret, token = self._module.create_access_key_secret(
            access_key_id.decode("ascii"), account_id.decode("ascii")
        )
        return render_fields(secret, token)

    def _derive_signing_key(self, body: bytes) -> bytes:
        token, access_key_id, date, region, service = parse_fields(body, 5)
        return self._module.derive_signing_key(token, access_key_id.decode("ascii"), date, region, service)

    def _create_domain_key(self, body: bytes) -> bytes:
        region, generation = parse_fields(body, 2)
        created = self._module.create_domain_key(region.decode("ascii"), parse_count(generation))
        return b"".join(created)

    def _load_domain_key(self, body: bytes) -> bytes:
        token, activate = parse_fields(body, 2)
        self._module.load_domain_key(token, activate=parse_number(activate) == 1)
        return b""

    def _forget_domain_key(self, body: bytes) -> bytes:
        (token,) = parse_fields(body, 1)
        self._module.forget_domain_key(token)
        return b""

    def _vouch_for_domain_key(self, body: bytes) -> bytes:
        token, alone = parse_fields(body, 2)
        return self._module.vouch_for_domain_key(token, parse_number(alone) == 1)

    def _rewrap(self, body: bytes) -> bytes:
        token, origin, domain_key_id = parse_fields(body, 3)
        return self._module.rewrap(token, origin.decode("ascii"), domain_key_id)

    def _make_ticket(self, body: bytes) -> bytes:
        purpose, context, text = parse_fields(body, 3)
        return self._module.make_ticket(purpose, context, text)

    def _read_ticket(self, body: bytes) -> bytes:
        purpose, context, ticket = parse_fields(body, 3)
        return self._module.read_ticket(purpose, context, ticket)

    def _create_replication_key(self, body: bytes) -> bytes:
        (region,) = parse_fields(body, 1)
        return self._module.create_replication_key(region.decode("ascii"))

    def _export_for_region(self, body: bytes) -> bytes:
        token, key_id, receiving_token = parse_fields(body, 3)
        return self._module.export_for_region(token, key_id, receiving_token)

    def _import_from_region(self, body: bytes) -> bytes:
        message, receiving_token, *texts = parse_fields(body, FIELD_COUNTS[Opcode.IMPORT_FROM_REGION])
        binding = KeyBinding(*(text.decode("ascii") for text in texts))
        key = self._module.import_from_region(message, receiving_token, binding)
        return bytes.fromhex(key.material_id) + key.exported_token

    def _require_movable_keys(self, body: bytes) -> bytes:
        parse_fields(body, 0)
        self._module.require_movable_keys()
        return b""

    def _status(self, body: bytes) -> bytes:
        parse_fields(body, 0)
        facts = {**self._facts, **self._module.describe()}
        return "".join(f"{name}\t{value}\n" for name, value in facts.items()).encode("utf-8")


def _render_generated_key(key: GeneratedKey) -> bytes:
    return bytes.fromhex(key.material_id) + key.exported_token
