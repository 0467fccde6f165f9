"""What an operator may decide about the rules of KMS: settings that operations read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """The product's own defaults; config.py says how each is set."""

    rotate_new_keys: bool = True
    """New customer managed symmetric keys rotate every year. AWS's own default is that they do not."""
    keys_max: int = 100_000
    """Customer managed keys of an account in a Region, in any state: AWS's quota (adjustable there, too)."""
    regions: frozenset[str] | None = None
    """The Regions that are served, and so the ones a key can be replicated to. None: any."""
    require_policy_principals: bool = True
    """The users and roles that key policies and grants name must exist, as on AWS. Where nobody signs
    (development), they need not, and a name that means nobody gives nobody anything."""
    foreign_principals: bool = False
    """Key policies may name users and roles of accounts that this server does not have: they come through
    the external key store proxy, if at all. A name stays unbound, and means nobody who calls here."""
    domain_key_rotation_hours: int = 24
    """How long a domain key wraps before another one follows; 0: none does."""
    backup_retention_days: int = 35
    """How long a backup may be restored after it was made: retired domain keys are kept so long."""
    operator_account_id: str = "000000000000"
    """The account in whose name the server records what it does for no account: 12 digits."""
