"""Domain keys that are retired open nothing of the store, whatever the database says: the anchor."""

from __future__ import annotations

import os

import pytest
from tests.support.import_tokens import ENDS_AT, import_binding, key_binding
from tests.support.running_boundary import ACCOUNT, KEY_ID, REGION, binding

from strongroom.boundary.dispatch import Dispatcher, NoActiveDomainKey
from strongroom.boundary.domain_key_anchor import (
    ANCHOR_BYTES_MAX,
    ANCHOR_PURPOSE,
    ANCHOR_WORD,
    VOUCHED_REGIONS_MAX,
    AnchorRefused,
    Vouched,
    parse_anchor,
    parse_vouched,
    render_anchor,
    render_vouched,
)
from strongroom.boundary.interface import BoundaryRefused, CiphertextRefused, TokenRefused
from strongroom.boundary.key_hierarchy import GLOBAL_REGION
from strongroom.boundary.messages import Opcode, Status, render_fields, render_number
from strongroom.boundary.software.module import SoftwareModule

K = KEY_ID.encode()
ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SESSION_KEY_ID = "ASIAIOSFODNN7EXAMPLE"
MULTI_REGION_KEY_ID = "mrk-" + "a" * 32
OTHER_REGION = "us-west-2"
STORE_ID = "cks-1234567890abcdef0"


class Kept:
    """A module, and its domain keys as the store keeps them."""

    def __init__(self) -> None:
        self.root_key = os.urandom(32)
        self.module = SoftwareModule(self.root_key, b"root-secret")
        self.domain_keys: dict[str, list[bytes]] = {REGION: [], GLOBAL_REGION: [], OTHER_REGION: []}
        for region in self.domain_keys:
            self.rotate(region)

    def rotate(self, region: str) -> bytes:
        kept = self.domain_keys[region]
        domain_key_id, token = self.module.create_domain_key(region, len(kept) + 1)
        self.module.load_domain_key(token, activate=True)
        kept.append(token)
        return domain_key_id

    def retire(self) -> bytes:
        """All but the newest; the anchor."""
        return [self.module.vouch_for_domain_key(kept[-1], True) for kept in self.domain_keys.values()][-1]

    def started(self, anchor: bytes) -> SoftwareModule:
        """Another boundary, with all domain keys that there are."""
        module = SoftwareModule(self.root_key, None, anchor=anchor)
        for kept in self.domain_keys.values():
            for token in kept:
                module.load_domain_key(token, activate=token == kept[-1])
        return module


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_retired_domain_key_opens_nothing_that_the_store_keeps(kept: Kept) -> None:
    module = kept.module
    tokens = {
        "backing key": module.generate_key(binding()).exported_token,
        "access key": module.wrap_root_secret(ACCESS_KEY_ID, ACCOUNT),
        "store secret": module.wrap_store_secret(ACCOUNT, REGION, STORE_ID, b"proxy-secret"),
        "proxy credential": module.create_proxy_secret(ACCESS_KEY_ID)[1],
        "replication key": module.create_replication_key(REGION),
    }
    new = {region: kept.rotate(region) for region in kept.domain_keys}
    rewrapped = {
        name: module.rewrap(token, "AWS_KMS" if name == "backing key" else "", new[_region_of(name)])
        for name, token in tokens.items()
    }
    blob = module.encrypt(tokens["backing key"], K, b"plaintext", b"")  # opened, and in memory
    anchor = kept.retire()
    for serving in (module, kept.started(anchor)):
        for name, token in tokens.items():
            with pytest.raises(TokenRefused):
                _use(serving, name, token)
            with pytest.raises(TokenRefused):
                serving.rewrap(token, "AWS_KMS" if name == "backing key" else "", new[_region_of(name)])
            _use(serving, name, rewrapped[name])
        assert serving.decrypt(rewrapped["backing key"], K, blob, b"") == b"plaintext"


def _region_of(name: str) -> str:
    return GLOBAL_REGION if name in ("access key", "proxy credential") else REGION


def _use(module: SoftwareModule, name: str, token: bytes) -> object:
    if name == "backing key":
        return module.encrypt(token, K, b"plaintext", b"")
    if name == "access key":
        return module.derive_signing_key(token, ACCESS_KEY_ID, b"20260101", b"eu-central-1", b"kms")
    if name == "store secret":
        return module.derive_store_signing_key(token, ACCOUNT, REGION, STORE_ID, b"20260101")
    if name == "proxy credential":
        return module.derive_proxy_signing_key(token, ACCESS_KEY_ID, b"20260101", b"eu-central-1")
    key = module.generate_key(binding(MULTI_REGION_KEY_ID, OTHER_REGION))
    return module.export_for_region(key.exported_token, MULTI_REGION_KEY_ID.encode(), token)


def test_what_callers_keep_opens_for_its_own_time(kept: Kept) -> None:
    module = kept.module
    parameters = module.get_import_parameters(import_binding("RSAES_OAEP_SHA_256"), ENDS_AT)
    _, session = module.create_access_key_secret(SESSION_KEY_ID, ACCOUNT)
    for region in kept.domain_keys:
        kept.rotate(region)
    anchor = kept.retire()
    for serving in (module, kept.started(anchor)):
        assert serving.derive_signing_key(session, SESSION_KEY_ID, b"20260101", b"eu-central-1", b"kms")
        with pytest.raises(CiphertextRefused):  # and not the token
            serving.import_key_material(parameters.import_token, ENDS_AT - 1, b"none", key_binding())


def test_boundary_that_is_started_with_an_anchor_wraps_under_no_older_domain_key(kept: Kept) -> None:
    for _ in range(2):
        kept.rotate(REGION)
    anchor = kept.retire()
    rolled_back = SoftwareModule(kept.root_key, None, anchor=anchor)
    for token in kept.domain_keys[REGION][:-1]:
        rolled_back.load_domain_key(token, activate=True)
        with pytest.raises(NoActiveDomainKey):
            rolled_back.generate_key(binding())
        with pytest.raises(BoundaryRefused):
            rolled_back.vouch_for_domain_key(token, True)
    rolled_back.load_domain_key(kept.domain_keys[REGION][-1], activate=True)
    assert rolled_back.generate_key(binding())


def test_newest_domain_key_that_stands_not_alone_leaves_the_one_before_open(kept: Kept) -> None:
    token = kept.module.generate_key(binding()).exported_token
    kept.rotate(REGION)
    anchor = kept.module.vouch_for_domain_key(kept.domain_keys[REGION][-1], False)
    assert kept.started(anchor).encrypt(token, K, b"plaintext", b"")
    assert parse_vouched(parse_anchor(anchor)[0])[REGION] == Vouched(2, 1)
    retired = parse_vouched(parse_anchor(kept.retire())[0])
    assert retired == {REGION: Vouched(2, 2), GLOBAL_REGION: Vouched(1, 1), OTHER_REGION: Vouched(1, 1)}


def test_anchor_changed_by_a_bit_cut_or_of_another_root_key_is_refused(kept: Kept) -> None:
    kept.rotate(REGION)
    anchor = kept.retire()
    forged = [anchor[:position] for position in range(1, len(anchor))]
    for position in range(len(anchor)):
        for bit in range(8):
            forged.append(anchor[:position] + bytes([anchor[position] ^ 1 << bit]) + anchor[position + 1 :])
    forged += [anchor + b"\n", b"\n", b"\n\n", anchor.replace(b'"serving_from":2', b'"serving_from":1')]
    forged += [Kept().retire()]
    for each in forged:
        with pytest.raises(AnchorRefused):
            SoftwareModule(kept.root_key, None, anchor=each)
    assert SoftwareModule(kept.root_key, None, anchor=anchor)


def test_nobody_gets_a_ticket_for_an_anchor_of_his_own(kept: Kept) -> None:
    text = render_vouched({REGION: Vouched(1, 1)})
    with pytest.raises(BoundaryRefused):
        kept.module.make_ticket(ANCHOR_PURPOSE, text, ANCHOR_WORD)
    ticket = kept.module.make_ticket(b"another-purpose", text, ANCHOR_WORD)
    with pytest.raises(AnchorRefused):
        SoftwareModule(kept.root_key, None, anchor=render_anchor(text, ticket))


def test_job_runner_alone_may_retire_and_the_log_tells_of_each_retired_domain_key_once(kept: Kept) -> None:
    logged: list[str] = []
    dispatcher = Dispatcher(kept.module, {}, logged.append)
    tokens = [kept.module.generate_key(binding()).exported_token for _ in range(3)]
    kept.rotate(REGION)
    body = render_fields(kept.domain_keys[REGION][-1], render_number(1))
    assert dispatcher.start(Opcode.VOUCH_FOR_DOMAIN_KEY, body) == (Status.REFUSED, b"")
    assert dispatcher.start_for_jobs(Opcode.VOUCH_FOR_DOMAIN_KEY, body)[0] == Status.OK
    for token in tokens * 2:
        answer = dispatcher.start(Opcode.ENCRYPT, render_fields(token, K, b"plaintext", b""))
        assert answer == (Status.TOKEN_REFUSED, b"")
    (line,) = logged
    assert f"domain key 1 of {REGION}" in line
    assert "strongroom restore" in line


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version":2,"domain_keys":{}}',
        b'{"version":1,"domain_keys":[]}',
        b'{"version":1,"domain_keys":{"eu-central-1":1}}',
        b'{"version":1,"domain_keys":{"eu-central-1":{"newest":1}}}',
        b'{"version":1,"domain_keys":{"eu-central-1":{"newest":1,"serving_from":2}}}',
        b'{"version":1,"domain_keys":{"eu-central-1":{"newest":1,"serving_from":0}}}',
        b'{"version":1,"domain_keys":{"eu-central-1":{"newest":true,"serving_from":true}}}',
        b'{"version":1,"domain_keys":{"EU":{"newest":1,"serving_from":1}}}',
    ],
)
def test_what_is_no_anchor_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an anchor|not a Region|Expecting value"):
        parse_vouched(text)


def test_anchor_of_many_regions_is_read_as_it_was_written() -> None:
    vouched = {f"region-{number}": Vouched(9_999_999_999, number + 1) for number in range(150)}
    text, ticket = parse_anchor(render_anchor(render_vouched(vouched), os.urandom(60)))
    assert parse_vouched(text) == vouched
    assert len(ticket) == 60


def test_more_regions_than_an_anchor_takes_leave_those_that_are_in_it_as_they_are(kept: Kept) -> None:
    """Whoever may make keys may do so in Regions of his own invention: the next start must read the file."""
    anchor = b""
    for number in range(VOUCHED_REGIONS_MAX):
        region = f"xx-{number:04}-{'x' * 22}-1"
        assert len(region) == 32
        generation = kept.module.create_domain_key(region, 9_999_999_999)[1]
        anchor = kept.module.vouch_for_domain_key(generation, True)
    assert len(anchor) < ANCHOR_BYTES_MAX - 1000
    with pytest.raises(BoundaryRefused):
        kept.module.vouch_for_domain_key(kept.domain_keys[REGION][-1], True)
    started = kept.started(anchor)
    again = started.vouch_for_domain_key(generation, True)
    assert parse_anchor(again)[0] == parse_anchor(anchor)[0]


def test_domain_key_that_wraps_but_is_not_vouched_for_is_not_in_the_anchor(kept: Kept) -> None:
    """It may not be in the store, which the next start would then call an older one."""
    kept.retire()
    kept.rotate(REGION)
    anchor = kept.module.vouch_for_domain_key(kept.domain_keys[OTHER_REGION][-1], True)
    assert parse_vouched(parse_anchor(anchor)[0])[REGION] == Vouched(1, 1)
