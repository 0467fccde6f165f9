"""Simulations in few words."""

from __future__ import annotations

from typing import Any

from tests.operations.iam_scene import Iam, allowing, document
from tests.support.road import ACCOUNT, REGION

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BUCKET = "arn:aws:s3:::bucket"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
EVERYTHING = allowing("*")


def custom(iam: Iam, *policies: str, **members: Any) -> Any:
    given = {"ActionNames": ["kms:Decrypt"]} | members
    return iam.call("SimulateCustomPolicy", PolicyInputList=list(policies), **given)["EvaluationResults"]


def decision(iam: Iam, *policies: str, **members: Any) -> str:
    (result,) = custom(iam, *policies, **members)
    text: str = result["EvalDecision"]
    return text


def sources(result: Any) -> list[str]:
    return [one["SourcePolicyId"] for one in result["MatchedStatements"]]


def context(name: str, *values: str, kind: str = "string") -> dict[str, Any]:
    return {"ContextKeyName": name, "ContextKeyValues": list(values), "ContextKeyType": kind}


def key_policy(principal: Any, effect: str = "Allow") -> str:
    return document({"Effect": effect, "Principal": principal, "Action": "kms:*", "Resource": "*"})


def level(*policies: str) -> dict[str, Any]:
    return {"ServiceControlPolicyInputList": list(policies)}
