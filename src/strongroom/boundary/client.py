"""The boundary as a front worker calls it: every operation is one frame, its reply a `Reply`.

Domain keys that a new boundary process has not loaded yet are fetched from the store and the call is asked
again, unseen by the caller. How frames travel is channel.py; their format docs/formats/boundary-frames.md.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from strongroom.boundary.asymmetric_calls import KEY_PAIR_SECONDS, parse_nothing
from strongroom.boundary.channel import Call, PipelinedChannel
from strongroom.boundary.checkpoint_calls import CheckpointCalls
from strongroom.boundary.interface import (
    BoundaryBusy,
    BoundaryError,
    BoundaryRefused,
    BoundaryUnavailable,
    CiphertextRefused,
    DomainKeyRefused,
    GeneratedKey,
    ImportBinding,
    ImportParameters,
    ImportTokenExpired,
    KeyBinding,
    KeySpecNotOffered,
    MaterialRefused,
    NewDomainKey,
    NotInToken,
    PeerKeyRefused,
    PlaintextRefused,
    SignatureRefused,
    TicketRefused,
    TokenRefused,
)
from strongroom.boundary.messages import (
    DOMAIN_KEY_ID_BYTES,
    MATERIAL_ID_BYTES,
    PKCS11_FACT,
    PKCS11_OPEN,
    Opcode,
    Status,
    parse_fields,
    render_count,
    render_fields,
    render_instant,
    render_number,
)
from strongroom.boundary.proxy_calls import ProxyCalls
from strongroom.boundary.recipient_calls import RecipientCalls
from strongroom.boundary.shared_secret_calls import SharedSecretCalls
from strongroom.reply import Reply

ATTEMPTS_MAX: Final = 3
"""A re-encryption may miss two domain keys, one after the other."""
_ERRORS: Final[Mapping[int, type[BoundaryError]]] = {
    Status.CIPHERTEXT_REFUSED: CiphertextRefused,
    Status.TOKEN_REFUSED: TokenRefused,
    Status.SIGNATURE_REFUSED: SignatureRefused,
    Status.PEER_KEY_REFUSED: PeerKeyRefused,
    Status.MATERIAL_REFUSED: MaterialRefused,
    Status.PLAINTEXT_REFUSED: PlaintextRefused,
    Status.BUSY: BoundaryBusy,
    Status.TICKET_REFUSED: TicketRefused,
    Status.KEY_SPEC_NOT_OFFERED: KeySpecNotOffered,
    Status.IMPORT_TOKEN_EXPIRED: ImportTokenExpired,
    Status.REFUSED: BoundaryRefused,
    Status.UNAVAILABLE: BoundaryUnavailable,
}


class DomainKeyStore(Protocol):
    """The part of the store that keeps domain keys for the boundary, as opaque tokens."""

    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        """All domain key tokens of a Region, the active one last."""
        ...

    async def insert_domain_key_token(self, region: str, domain_key_id: bytes, token: bytes) -> bool:
        """Keep a Region's first active domain key; False if another worker was first."""
        ...

    async def find_domain_key_token(self, domain_key_id: bytes) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class BoundaryStatus:
    """What the boundary says of itself, by name: its module, its protections, what it holds in memory."""

    facts: Mapping[str, str]

    @property
    def missing_protections(self) -> Mapping[str, str]:
        """The protections that the host did not allow, each with the reason."""
        prefix = "protection: "
        return {
            name.removeprefix(prefix): value
            for name, value in self.facts.items()
            if name.startswith(prefix) and value != "held"
        }


class BoundaryClient(RecipientCalls, SharedSecretCalls, ProxyCalls, CheckpointCalls):
    """The boundary, called over a socket; satisfies `interface.Boundary`.

    Concurrency: one event loop, its own thread. Secrets: holds tokens, plaintexts and blobs of the calls
    under way, never key material.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: DomainKeyStore,
        timeout_seconds: float = 5.0,
        key_pair_seconds: float = KEY_PAIR_SECONDS,
    ) -> None:
        """`key_pair_seconds` is the time limit of calls that make a slow key pair, instead of the other."""
        self._loop = loop
        self._store = store
        self._timeout_seconds = timeout_seconds
        self._key_pair_seconds = key_pair_seconds
        self._channel = PipelinedChannel(loop, timeout_seconds, self._refuse)
        self._waiting_for_domain_key: dict[bytes | str, list[Call]] = {}
        self._recoveries: set[asyncio.Task[None]] = set()

    def attach(self, stream: socket.socket) -> None:
        """Use a new channel from now on; calls under way on an older one fail."""
        self._channel.attach(stream)

    def close(self) -> None:
        """Give the channel up; every unanswered call fails with BoundaryUnavailable."""
        for recovery in self._recoveries:
            recovery.cancel()
        self._channel.detach()

    # the calls of interface.Boundary

    def generate_key(self, binding: KeyBinding) -> Awaitable[GeneratedKey]:
        return self._call(
            Opcode.GENERATE_KEY,
            _parse_generated_key,
            *_render_binding(binding),
            patience_seconds=self.patience_for(binding.key_spec),
        )

    def encrypt(self, token: bytes, key_id: str, plaintext: bytes, aad: bytes) -> Awaitable[bytes]:
        return self._call(_ENCRYPT, None, token, key_id.encode(), plaintext, aad)

    def decrypt(self, token: bytes, key_id: str, blob: bytes, aad: bytes) -> Awaitable[bytes]:
        return self._call(_DECRYPT, None, token, key_id.encode(), blob, aad)

    def re_encrypt(
        self,
        source_token: bytes,
        source_key_id: str,
        blob: bytes,
        source_aad: bytes,
        destination_token: bytes,
        destination_key_id: str,
        destination_aad: bytes,
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.RE_ENCRYPT,
            None,
            source_token,
            source_key_id.encode(),
            blob,
            source_aad,
            destination_token,
            destination_key_id.encode(),
            destination_aad,
        )

    def generate_data_key(
        self, token: bytes, key_id: str, number_of_bytes: int, aad: bytes
    ) -> Awaitable[tuple[bytes, bytes]]:
        def parse(body: bytes) -> tuple[bytes, bytes]:
            return body[:number_of_bytes], body[number_of_bytes:]

        return self._call(
            _GENERATE_DATA_KEY, parse, token, key_id.encode(), _render_count(number_of_bytes), aad
        )

    def generate_data_key_without_plaintext(
        self, token: bytes, key_id: str, number_of_bytes: int, aad: bytes
    ) -> Awaitable[bytes]:
        return self._call(
            Opcode.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT,
            None,
            token,
            key_id.encode(),
            _render_count(number_of_bytes),
            aad,
        )

    def generate_random(self, number_of_bytes: int) -> Awaitable[bytes]:
        return self._call(Opcode.GENERATE_RANDOM, None, _render_count(number_of_bytes))

    def get_import_parameters(
        self, binding: ImportBinding, ends_at_microseconds: int
    ) -> Awaitable[ImportParameters]:
        return self._call(
            Opcode.GET_IMPORT_PARAMETERS,
            _parse_import_parameters,
            binding.account_id.encode(),
            binding.region.encode(),
            binding.key_id.encode(),
            binding.wrapping_key_spec.encode(),
            binding.wrapping_algorithm.encode(),
            render_instant(ends_at_microseconds),
            patience_seconds=self.patience_for(binding.wrapping_key_spec),
        )

    def import_key_material(
        self, import_token: bytes, now_microseconds: int, encrypted_material: bytes, binding: KeyBinding
    ) -> Awaitable[GeneratedKey]:
        return self._call(
            Opcode.IMPORT_KEY_MATERIAL,
            _parse_generated_key,
            import_token,
            render_instant(now_microseconds),
            encrypted_material,
            *_render_binding(binding),
            patience_seconds=self.patience_for(binding.key_spec),
        )

    def forget_key(self, key_id: str, region: str) -> Awaitable[None]:
        return self._call(Opcode.FORGET_KEY, parse_nothing, key_id.encode(), region.encode())

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str, service: str
    ) -> Awaitable[bytes]:
        scope = map(str.encode, (access_key_id, date, region, service))
        return self._call(Opcode.DERIVE_SIGNING_KEY, None, token, *scope)

    def create_access_key_secret(self, access_key_id: str, account_id: str) -> Awaitable[tuple[str, bytes]]:
        key = map(str.encode, (access_key_id, account_id))
        return self._call(Opcode.CREATE_ACCESS_KEY_SECRET, _parse_new_secret, *key)

    def wrap_store_secret(
        self, account_id: str, region: str, custom_key_store_id: str, secret: bytes
    ) -> Awaitable[bytes]:
        store = map(str.encode, (account_id, region, custom_key_store_id))
        return self._call(Opcode.WRAP_STORE_SECRET, None, *store, secret)

    def derive_store_signing_key(
        self, token: bytes, account_id: str, region: str, custom_key_store_id: str, date: str
    ) -> Awaitable[bytes]:
        store = map(str.encode, (account_id, region, custom_key_store_id, date))
        return self._call(Opcode.DERIVE_STORE_SIGNING_KEY, None, token, *store)

    def seal_store_secret(
        self, token: bytes, account_id: str, region: str, custom_key_store_id: str, cluster: str
    ) -> Awaitable[bytes]:
        texts = map(str.encode, (account_id, region, custom_key_store_id, cluster))
        return self._call(Opcode.SEAL_STORE_SECRET, None, token, *texts)

    def make_ticket(self, purpose: str, context: bytes, text: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.MAKE_TICKET, None, purpose.encode(), context, text)

    def read_ticket(self, purpose: str, context: bytes, ticket: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.READ_TICKET, None, purpose.encode(), context, ticket)

    def create_replication_key(self, region: str) -> Awaitable[bytes]:
        return self._call(Opcode.CREATE_REPLICATION_KEY, None, region.encode())

    def export_for_region(self, token: bytes, key_id: str, receiving_token: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.EXPORT_FOR_REGION, None, token, key_id.encode(), receiving_token)

    def import_from_region(
        self, message: bytes, receiving_token: bytes, binding: KeyBinding
    ) -> Awaitable[GeneratedKey]:
        fields = (message, receiving_token, *_render_binding(binding))
        return self._call(Opcode.IMPORT_FROM_REGION, _parse_generated_key, *fields)

    def create_domain_key(self, region: str, generation: int) -> Awaitable[NewDomainKey]:
        fields = region.encode(), render_count(generation)
        return self._call(Opcode.CREATE_DOMAIN_KEY, _parse_new_domain_key, *fields)

    async def activate_domain_key(self, region: str) -> None:
        await self._activate_domain_key(region)

    def forget_domain_key(self, token: bytes) -> Awaitable[None]:
        return self._call(Opcode.FORGET_DOMAIN_KEY, parse_nothing, token)

    def vouch_for_domain_key(self, token: bytes, alone: bool) -> Awaitable[bytes]:
        return self._call(Opcode.VOUCH_FOR_DOMAIN_KEY, None, token, render_number(int(alone)))

    def rewrap(self, token: bytes, origin: str, domain_key_id: bytes) -> Awaitable[bytes]:
        return self._call(Opcode.REWRAP, None, token, origin.encode(), domain_key_id)

    async def is_ready(self) -> bool:
        try:
            status = await self.status()
        except BoundaryError:
            return False
        return status.facts.get(PKCS11_FACT, PKCS11_OPEN) == PKCS11_OPEN

    def require_movable_keys(self) -> Awaitable[None]:
        return self._call(Opcode.REQUIRE_MOVABLE_KEYS, parse_nothing)

    # calls beside the interface, for the composition root and the status page

    def status(self) -> Awaitable[BoundaryStatus]:
        """What the boundary says of itself."""
        return self._call(Opcode.STATUS, _parse_status)

    def wrap_root_secret(self, access_key_id: str, account_id: str) -> Awaitable[bytes]:
        """The token of the root user's secret access key that the boundary was started with.

        Raises BoundaryRefused when it was started without one.
        """
        return self._call(Opcode.WRAP_ROOT_SECRET, None, access_key_id.encode(), account_id.encode())

    # the road of one call

    def _call(
        self,
        opcode: int,
        parse: Callable[[bytes], Any] | None,
        *fields: bytes,
        patience_seconds: float | None = None,
    ) -> Reply[Any]:
        try:
            call = Call(self._loop, opcode, render_fields(*fields), parse, patience_seconds)
        except ValueError as error:
            call = Call(self._loop, opcode, b"", parse)
            call.fail(BoundaryRefused(str(error)))
            return call
        self._channel.send(call)
        return call

    def _refuse(self, call: Call, status: int, body: bytes) -> None:
        error = _ERRORS.get(status)
        if error is not None:
            call.fail(error())
        elif status == Status.NOT_IN_TOKEN:
            call.fail(NotInToken(body.decode("utf-8", "replace")))
        elif call.attempts >= ATTEMPTS_MAX:
            call.fail(BoundaryUnavailable("the domain key could not be loaded"))
        elif status == Status.DOMAIN_KEY_UNKNOWN:
            self._recover(call, body)
        elif status == Status.NO_ACTIVE_DOMAIN_KEY:
            self._recover(call, body.decode("ascii", "replace"))
        else:
            call.fail(BoundaryRefused("unknown status"))

    # domain keys, loaded when the boundary first misses one

    def _recover(self, call: Call, missing: bytes | str) -> None:
        """Have the domain key loaded, once for all calls that miss it, and ask again."""
        waiting = self._waiting_for_domain_key.get(missing)
        if waiting is not None:
            waiting.append(call)
            return
        self._waiting_for_domain_key[missing] = [call]
        recovery = self._loop.create_task(self._load_and_retry(missing))
        self._recoveries.add(recovery)
        recovery.add_done_callback(self._recoveries.discard)

    async def _load_and_retry(self, missing: bytes | str) -> None:
        error: BoundaryError | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if isinstance(missing, bytes):
                    await self._load_domain_key(missing)
                else:
                    await self._activate_domain_key(missing)
        except BoundaryError as failure:
            error = failure
        except (Exception, asyncio.CancelledError) as failure:
            error = BoundaryUnavailable(f"the domain key could not be had: {type(failure).__name__}")
        # In a turn of its own, for the waiting callers must not run inside this task.
        self._loop.call_soon(self._retry, missing, error)

    def _retry(self, missing: bytes | str, error: BoundaryError | None) -> None:
        for call in self._waiting_for_domain_key.pop(missing, ()):
            if error is not None:
                self._channel.fail(call, type(error)(*error.args))
            else:
                call.attempts += 1
                self._channel.send(call)

    async def _load_domain_key(self, domain_key_id: bytes) -> None:
        token = await self._store.find_domain_key_token(domain_key_id)
        if token is None:  # no key of ours: the exported key token was changed
            raise TokenRefused
        try:
            await self._call(Opcode.LOAD_DOMAIN_KEY, None, token, render_number(0))
        except TokenRefused:
            raise DomainKeyRefused from None

    async def _activate_domain_key(self, region: str) -> None:
        tokens = await self._store.list_domain_key_tokens(region)
        if not tokens:
            first = await self.create_domain_key(region, 1)
            if await self._store.insert_domain_key_token(region, first.domain_key_id, first.token):
                tokens = [first.token]
            else:  # another worker was first
                tokens = await self._store.list_domain_key_tokens(region)
        await self._call(Opcode.LOAD_DOMAIN_KEY, None, tokens[-1], render_number(1))


_ENCRYPT: Final = int(Opcode.ENCRYPT)
_DECRYPT: Final = int(Opcode.DECRYPT)
_GENERATE_DATA_KEY: Final = int(Opcode.GENERATE_DATA_KEY)


def _render_count(number_of_bytes: int) -> bytes:
    try:
        return render_number(number_of_bytes)
    except ValueError as error:
        raise BoundaryRefused(str(error)) from None


def _render_binding(binding: KeyBinding) -> Iterator[bytes]:
    texts = (
        binding.account_id,
        binding.region,
        binding.key_id,
        binding.key_spec,
        binding.key_usage,
        binding.origin,
    )
    return map(str.encode, texts)


def _parse_new_domain_key(body: bytes) -> NewDomainKey:
    return NewDomainKey(body[:DOMAIN_KEY_ID_BYTES], body[DOMAIN_KEY_ID_BYTES:])


def _parse_generated_key(body: bytes) -> GeneratedKey:
    return GeneratedKey(body[MATERIAL_ID_BYTES:], body[:MATERIAL_ID_BYTES].hex())


def _parse_import_parameters(body: bytes) -> ImportParameters:
    public_key, import_token = parse_fields(body, 2)
    return ImportParameters(public_key, import_token)


def _parse_new_secret(body: bytes) -> tuple[str, bytes]:
    secret, token = parse_fields(body, 2)
    return secret.decode("ascii"), token


def _parse_status(body: bytes) -> BoundaryStatus:
    lines = body.decode("utf-8").splitlines()
    return BoundaryStatus(dict(line.split("\t", 1) for line in lines))
