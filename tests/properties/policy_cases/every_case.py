"""All written cases in one list."""

from __future__ import annotations

from tests.properties.policy_cases.across_accounts import ACROSS_ACCOUNTS
from tests.properties.policy_cases.actions_and_resources import ACTIONS_AND_RESOURCES
from tests.properties.policy_cases.classic_bugs import CLASSIC_BUGS
from tests.properties.policy_cases.conditions import CONDITIONS
from tests.properties.policy_cases.decisions import DECISIONS
from tests.properties.policy_cases.grants import GRANTS
from tests.properties.policy_cases.kms_conditions import KMS_CONDITIONS
from tests.properties.policy_cases.operator_matrix import MATRIX
from tests.properties.policy_cases.principals import PRINCIPALS
from tests.properties.policy_cases.retirement import RETIREMENT
from tests.properties.policy_cases.several_values import SEVERAL_VALUES
from tests.properties.policy_cases.trust import TRUST_POLICIES
from tests.properties.policy_cases.variables import VARIABLES

WRITTEN_BY_HAND = [
    *SEVERAL_VALUES,
    *CONDITIONS,
    *VARIABLES,
    *PRINCIPALS,
    *ACTIONS_AND_RESOURCES,
    *DECISIONS,
    *ACROSS_ACCOUNTS,
    *GRANTS,
    *RETIREMENT,
    *TRUST_POLICIES,
    *KMS_CONDITIONS,
    *CLASSIC_BUGS,
]
EVERY_CASE = [*WRITTEN_BY_HAND, *MATRIX]
