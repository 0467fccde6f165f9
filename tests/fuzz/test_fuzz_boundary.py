"""Random and mutated frames against one real boundary process: it never dies, and never answers oddly."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, RunningBoundary

from strongroom.boundary.messages import (
    FIELD_COUNTS,
    FRAME_BYTES_MAX,
    HEAD,
    Opcode,
    Status,
    parse_fields,
    render_count,
    render_fields,
    render_frame,
    render_instant,
    render_number,
)

K = KEY_ID.encode()
RECIPIENT_KEY = (
    rsa.generate_private_key(65537, 2048)
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)
KNOWN_STATUSES = {int(status) for status in Status}
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Target:
    """A boundary with one backing key and one secret, and material to mutate."""

    def __init__(self, boundary: RunningBoundary) -> None:
        self.boundary = boundary
        self.good = boundary.new_channel("good")
        for region in (REGION, "aws-global"):
            created = self.ask(Opcode.CREATE_DOMAIN_KEY, region.encode(), render_count(1))
            self.domain_token = created[16:]
            self.ask(Opcode.LOAD_DOMAIN_KEY, self.domain_token, render_number(1))
        names = (ACCOUNT.encode(), REGION.encode(), K, b"SYMMETRIC_DEFAULT", b"ENCRYPT_DECRYPT", b"AWS_KMS")
        self.token = self.ask(Opcode.GENERATE_KEY, *names)[32:]
        self.blob = self.ask(Opcode.ENCRYPT, self.token, K, b"plaintext", b"\x80")
        self.secret_token = self.ask(Opcode.WRAP_ROOT_SECRET, b"AKIAIOSFODNN7EXAMPLE", ACCOUNT.encode())

    def ask(self, opcode: int, *fields: bytes) -> bytes:
        """A good request on the good channel must be answered OK."""
        self.good.sendall(render_frame(9, opcode, render_fields(*fields)))
        call_id, status, body = read_frame(self.good)
        assert (call_id, status) == (9, Status.OK)
        return body

    def require_serving(self) -> None:
        assert self.ask(Opcode.DECRYPT, self.token, K, self.blob, b"\x80") == b"plaintext"
        assert self.boundary.process.poll() is None


def read_frame(stream: socket.socket) -> tuple[int, int, bytes]:
    data = b""
    while len(data) < HEAD.size or len(data) < 4 + HEAD.unpack_from(data)[0]:
        chunk = stream.recv(65536)
        if not chunk:
            raise EOFError
        data += chunk
    length, call_id, status = HEAD.unpack_from(data)
    assert len(data) == 4 + length
    return call_id, status, data[HEAD.size :]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with RunningBoundary(tmp_path_factory.mktemp("fuzz") / "key") as boundary:
        yield Target(boundary)
        logged = boundary.stop().decode()
        assert "unexpected" not in logged, logged


@FUZZ
@given(st.binary(max_size=600))
def test_random_bytes_never_end_the_process(target: Target, garbage: bytes) -> None:
    with target.boundary.new_channel("fuzz") as stream:
        stream.sendall(garbage)
        stream.shutdown(socket.SHUT_WR)
        replies = b""
        try:
            while chunk := stream.recv(65536):
                replies += chunk
        except ConnectionResetError:
            pass
    while replies:  # whatever was a frame by chance got a well-formed reply
        length, _, status = HEAD.unpack_from(replies)
        assert status in KNOWN_STATUSES
        replies = replies[4 + length :]
    target.require_serving()


@FUZZ
@given(st.integers(0, 255), st.binary(max_size=400))
def test_random_bodies_get_a_known_status_or_the_channel_closed(
    target: Target, opcode: int, body: bytes
) -> None:
    with target.boundary.new_channel("fuzz") as stream:
        stream.sendall(render_frame(1, opcode, body))
        try:
            call_id, status, _ = read_frame(stream)
        except (EOFError, ConnectionResetError):
            assert opcode in FIELD_COUNTS  # only a body that has not its fields costs the channel
        else:
            assert call_id == 1
            assert status in KNOWN_STATUSES
    target.require_serving()


@FUZZ
@given(st.data())
def test_random_fields_get_a_known_status_and_keep_the_channel(target: Target, data: st.DataObject) -> None:
    opcode = data.draw(st.sampled_from(sorted(FIELD_COUNTS)))
    known = [
        target.token,
        target.secret_token,
        target.domain_token,
        target.blob,
        K,
        b"",
        render_number(16),
        REGION.encode(),
        ACCOUNT.encode(),
        b"SYMMETRIC_DEFAULT",
        b"ENCRYPT_DECRYPT",
        RECIPIENT_KEY,
        b"\xff\xfe",
    ]
    field = st.one_of(st.sampled_from(known), st.binary(max_size=100))
    fields = data.draw(
        st.lists(field, min_size=FIELD_COUNTS[opcode], max_size=FIELD_COUNTS[opcode]), label="fields"
    )
    numbered = {
        Opcode.GENERATE_RANDOM: 0,
        Opcode.GENERATE_DATA_KEY: 2,
        Opcode.GENERATE_DATA_KEY_WITHOUT_PLAINTEXT: 2,
        Opcode.LOAD_DOMAIN_KEY: 1,
        Opcode.GENERATE_DATA_KEY_FOR_RECIPIENT: 2,
        Opcode.GENERATE_RANDOM_FOR_RECIPIENT: 0,
    }
    if opcode in numbered:
        number = data.draw(st.integers(0, 65535), label="number")
        fields[numbered[Opcode(opcode)]] = render_number(number)
    dated = {Opcode.GET_IMPORT_PARAMETERS: 5, Opcode.IMPORT_KEY_MATERIAL: 1, Opcode.CREATE_DOMAIN_KEY: 1}
    if opcode in dated:
        instant = data.draw(st.integers(0, 2**64 - 1), label="instant")
        fields[dated[Opcode(opcode)]] = render_instant(instant)
    with target.boundary.new_channel("fuzz") as stream:
        stream.sendall(render_frame(1, opcode, render_fields(*fields)))
        assert read_frame(stream)[1] in KNOWN_STATUSES
    target.require_serving()


@FUZZ
@given(st.data())
def test_mutated_tokens_and_blobs_are_never_accepted(target: Target, data: st.DataObject) -> None:
    """INVARIANT B2, B3."""
    fields = [target.token, K, target.blob, b"\x80"]
    index = data.draw(st.sampled_from([0, 2]))
    original = fields[index]
    position = data.draw(st.integers(0, len(original)))
    removed = data.draw(st.integers(0, 8))
    inserted = data.draw(st.binary(max_size=8))
    fields[index] = original[:position] + inserted + original[position + removed :]
    with target.boundary.new_channel("fuzz") as stream:
        stream.sendall(render_frame(1, Opcode.DECRYPT, render_fields(*fields)))
        _, status, body = read_frame(stream)
    if fields[index] == original:
        assert (status, body) == (Status.OK, b"plaintext")
    else:
        assert status in (Status.TOKEN_REFUSED, Status.CIPHERTEXT_REFUSED, Status.DOMAIN_KEY_UNKNOWN)


SHARED_SECRET_KEYS = {
    Opcode.VERIFY_MAC: ("HMAC_256", "GENERATE_VERIFY_MAC"),
    Opcode.DERIVE_SHARED_SECRET: ("ECC_NIST_P256", "KEY_AGREEMENT"),
    Opcode.DECAPSULATE: ("ML_KEM_512", "ENCAPSULATE_DECAPSULATE"),
}
REFUSALS = {
    Opcode.VERIFY_MAC: Status.SIGNATURE_REFUSED,
    Opcode.DERIVE_SHARED_SECRET: Status.PEER_KEY_REFUSED,
    Opcode.DECAPSULATE: Status.CIPHERTEXT_REFUSED,
}


@pytest.fixture(scope="module")
def shared_secrets(target: Target) -> dict[Opcode, list[bytes]]:
    """For each of the three, the fields of a request that succeeds; the last is what a stranger sends."""
    requests: dict[Opcode, list[bytes]] = {}
    for opcode, (spec, usage) in SHARED_SECRET_KEYS.items():
        names = (ACCOUNT, REGION, K.decode(), spec, usage, "AWS_KMS")
        token = target.ask(Opcode.GENERATE_KEY, *map(str.encode, names))[32:]
        if opcode is Opcode.VERIFY_MAC:
            requests[opcode] = [token, K, b"message", target.ask(Opcode.GENERATE_MAC, token, K, b"message")]
        elif opcode is Opcode.DERIVE_SHARED_SECRET:
            requests[opcode] = [token, K, target.ask(Opcode.GET_PUBLIC_KEY, token, K)]
        else:
            requests[opcode] = [token, K, parse_fields(target.ask(Opcode.ENCAPSULATE, token, K), 2)[1]]
        assert target.ask(opcode, *requests[opcode]) is not None
    return requests


@FUZZ
@given(st.data())
def test_mutated_macs_public_keys_and_encapsulations_are_refused_for_what_they_are(
    target: Target, shared_secrets: dict[Opcode, list[bytes]], data: st.DataObject
) -> None:
    """An encapsulation of the right length is never refused: it gives a secret (FIPS 203)."""
    opcode = data.draw(st.sampled_from(list(shared_secrets)))
    fields = list(shared_secrets[opcode])
    original = fields[-1]
    position = data.draw(st.integers(0, len(original)))
    removed = data.draw(st.integers(0, 8))
    inserted = data.draw(st.binary(max_size=8))
    fields[-1] = original[:position] + inserted + original[position + removed :]
    with target.boundary.new_channel("fuzz") as stream:
        stream.sendall(render_frame(1, opcode, render_fields(*fields)))
        _, status, _ = read_frame(stream)
    keeps_length = opcode is Opcode.DECAPSULATE and len(fields[-1]) == len(original)
    if fields[-1] == original or keeps_length:
        assert status == Status.OK
    else:
        assert status == REFUSALS[opcode]
    target.require_serving()


def test_frame_of_every_truncation_is_not_answered_and_costs_nothing(target: Target) -> None:
    frame = render_frame(1, Opcode.DECRYPT, render_fields(target.token, K, target.blob, b"\x80"))
    for length in range(len(frame)):
        with target.boundary.new_channel("fuzz") as stream:
            stream.sendall(frame[:length])
            stream.shutdown(socket.SHUT_WR)
            assert stream.recv(100) == b""
    target.require_serving()


def test_longest_frame_is_served_and_one_byte_more_is_not(target: Target) -> None:
    room = FRAME_BYTES_MAX - 5 - 8 - len(target.token) - len(K) - 1
    assert target.ask(Opcode.ENCRYPT, target.token, K, b"x", bytes(room))
    with target.boundary.new_channel("fuzz") as stream:
        stream.sendall(HEAD.pack(FRAME_BYTES_MAX + 1, 1, Opcode.ENCRYPT) + bytes(100))
        with pytest.raises((EOFError, ConnectionResetError)):
            read_frame(stream)
    target.require_serving()
