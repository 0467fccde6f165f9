"""What an operation's `run` is handed: the call, and the parts of the house it may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strongroom.attestation.verification import AttestationVerifier, Recipient
from strongroom.authorization.ask import NO_VALUES, ConditionValues
from strongroom.authorization.authorizer import Authorizer
from strongroom.aws.generated.enums import CustomKeyStoreType
from strongroom.boundary.interface import Boundary
from strongroom.clock import Clock
from strongroom.federation.key_sets import KeySets
from strongroom.federation.web_identity_token import WebIdentity
from strongroom.identity.access_key_uses import AccessKeyUses
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.operations.deletion_ledger import DeletionLedger
from strongroom.operations.domain_key_anchor import DomainKeyAnchor
from strongroom.operations.key_store_backend import KeyStoreBackend
from strongroom.operations.role_assumption import Assumption
from strongroom.operations.rules import Rules
from strongroom.operations.usage_notes import UsageNotes
from strongroom.resources.grant import Grant, GrantReference
from strongroom.resources.identifiers import AccountId, Region
from strongroom.resources.key import Key
from strongroom.store.interface import Store


@dataclass(frozen=True, slots=True)
class Rooms:
    """The parts that operations work with; built once by bootstrap."""

    store: Store
    boundary: Boundary
    authorizer: Authorizer
    clock: Clock
    rules: Rules
    attestation: AttestationVerifier
    usage_notes: UsageNotes = field(default_factory=UsageNotes)
    access_key_uses: AccessKeyUses = field(default_factory=AccessKeyUses)
    """The authenticator's notes: GetAccessKeyLastUsed flushes them before it answers."""
    key_stores: Mapping[CustomKeyStoreType, KeyStoreBackend] = field(default_factory=dict)
    """What stands behind custom key stores, by type; a type without one has no stores."""
    oidc_keys: KeySets = field(default_factory=KeySets)
    """The keys of the issuers of web identity tokens."""
    domain_key_anchor: DomainKeyAnchor | None = None
    """Where it is noted, outside the database, which domain keys there are; None: nowhere."""
    deletion_ledger: DeletionLedger | None = None
    """Where deletions are kept beside the data; None: nowhere (tests, trials of policies)."""


@dataclass(frozen=True, slots=True)
class RelatedEvent:
    """What else a request did, recorded beside its own event: CreateKey in the Region of a new replica."""

    name: str
    region: Region
    request_parameters: Mapping[str, object] | None
    response_elements: Mapping[str, object] | None
    resources: Sequence[tuple[str, str]]
    """ARN and account of each."""


@dataclass(slots=True)
class Call:
    """One request on the road, after everything that its operation declared was checked."""

    principal: AuthenticatedPrincipal
    region: Region
    keys: tuple[Key, ...]
    """The resolved keys, in the order of the operation's key targets."""
    rooms: Rooms
    grant_tokens: tuple[GrantReference, ...] = ()
    """The grants that the request's tokens name: verified, and perhaps retired since."""
    grant: Grant | None = None
    """What a GrantTarget resolved to."""
    recipient: Recipient | None = None
    """For whom the answer is to be sealed; its measurements are what conditions compare."""
    related_events: tuple[RelatedEvent, ...] = ()
    """Recorded with the request, if it succeeds."""
    operation: str = ""
    """Its name."""
    request_id: str = ""
    assumption: Assumption | None = None
    """What a RoleTarget resolved to: its role is there, and may be assumed."""
    web_identity: WebIdentity | None = None
    """What the token of AssumeRoleWithWebIdentity says, verified."""
    values: ConditionValues = NO_VALUES
    """The condition keys of the last permission that the road asked for."""

    @property
    def account_id(self) -> AccountId:
        """The caller's account; a service's own where one calls as itself."""
        return self.principal.resource_account_id

    @property
    def key(self) -> Key:
        """The one key of an operation with one key target."""
        return self.keys[0]
