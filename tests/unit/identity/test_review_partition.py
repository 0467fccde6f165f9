"""An account's root is spelled in the partition of the Region that it calls, as in its keys' policies."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.identity.signed_requests import ACCOUNT, KEY, Desk, sign, signed_at

from strongroom.authorization.key_policy import (
    compile_key_policy,
    default_key_policy,
    parse_policy,
    try_lockout,
)
from strongroom.identity.principal import PrincipalType
from strongroom.resources.identifiers import key_arn, partition_of

KEY_ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1"])
def test_root_of_bootstrap_in_any_partition_is_allowed_by_the_default_key_policy(region: str) -> None:
    """bootstrap keeps the root access key with `arn:aws:`; CreateKey's default policy names the partition."""
    root = dataclasses.replace(
        KEY,
        principal_type=PrincipalType.ROOT,
        principal_id=ACCOUNT,
        principal_arn=f"arn:aws:iam::{ACCOUNT}:root",
    )
    request = sign(region=region)
    desk = Desk(signed_at(request))
    desk.access_keys.by_id[root.access_key_id] = root
    caller = desk.authenticate(request).principal
    policy = compile_key_policy(parse_policy(default_key_policy(ACCOUNT, partition_of(region))))
    assert try_lockout(caller, policy, key_arn(region, ACCOUNT, KEY_ID), ACCOUNT).passed
