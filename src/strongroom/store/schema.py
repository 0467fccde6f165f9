"""The tables, as SQLAlchemy Core sees them. Migrations make them; a test holds the two equal.

Instants are whole microseconds since 1970-01-01T00:00:00Z: exact for every datetime, ordered, and
the same in every database. Names that are paged through sort by their bytes in every database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_REVISION = "0007"
"""The migration that makes these tables. Four digits, growing, so that older and newer can be told."""

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

# PostgreSQL sorts text by the server's locale unless told otherwise; SQLite by bytes.
NAME = Text().with_variant(Text(collation="C"), "postgresql")

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account_id", NAME, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("name", Text, nullable=True),
    PrimaryKeyConstraint("account_id"),
)

ACCESS_KEYS = Table(
    "access_keys",
    METADATA,
    Column("access_key_id", NAME, nullable=False),
    Column("account_id", NAME, ForeignKey("accounts.account_id"), nullable=False),
    Column("principal_arn", Text, nullable=False),
    Column("principal_id", Text, nullable=False),
    Column("principal_type", Text, nullable=False),
    Column("secret_token", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("access_key_id"),
    Index(None, "account_id", "principal_id", "access_key_id"),
)

ACCESS_KEY_USES = Table(
    "access_key_uses",
    METADATA,
    Column("access_key_id", NAME, ForeignKey("access_keys.access_key_id"), nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("region", Text, nullable=False),
    Column("service", Text, nullable=False),
    PrimaryKeyConstraint("access_key_id"),
)

# What is looked up by stands in columns, the whole entity in `record`, as JSON. An integrated service is of
# no account, so no foreign key.
IAM_ENTITIES = Table(
    "iam_entities",
    METADATA,
    Column("account_id", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("name_key", NAME, nullable=False),
    Column("unique_id", NAME, nullable=False),
    Column("path", NAME, nullable=False),
    Column("record", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "kind", "name_key"),
    UniqueConstraint("unique_id"),
)

IAM_REFERENCES = Table(
    "iam_references",
    METADATA,
    Column("unique_id", NAME, ForeignKey("iam_entities.unique_id"), nullable=False),
    Column("relation", NAME, nullable=False),
    # The ARN of a managed policy, AWS's among them, or the unique id of a group.
    Column("target", NAME, nullable=False),
    Column("account_id", NAME, nullable=False),
    PrimaryKeyConstraint("unique_id", "relation", "target"),
    Index(None, "account_id", "target"),
)

KEYS = Table(
    "keys",
    METADATA,
    Column("region", NAME, nullable=False),
    Column("key_id", NAME, nullable=False),
    Column("account_id", NAME, ForeignKey("accounts.account_id"), nullable=False),
    Column("arn", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("key_spec", Text, nullable=False),
    Column("key_usage", Text, nullable=False),
    Column("key_state", Text, nullable=False),
    Column("key_manager", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("multi_region", Boolean, nullable=False),
    Column("policy", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deletion_at", BigInteger, nullable=True),
    Column("pending_window_days", Integer, nullable=True),
    Column("current_material_id", Text, nullable=True),
    Column("version", BigInteger, nullable=False),
    Column("rotation_period_days", Integer, nullable=True),
    Column("next_rotation_at", BigInteger, nullable=True),
    Column("rotation_started_at", BigInteger, nullable=True),
    Column("primary_region", Text, nullable=True),
    Column("custom_key_store_id", Text, nullable=True),
    Column("xks_key_id", Text, nullable=True),
    # JSON: unique id by ARN; NULL where the policy names nobody that has one.
    Column("policy_principals", Text, nullable=True),
    PrimaryKeyConstraint("region", "key_id"),
    # INVARIANT S4: what hangs on a key names the key's account too, and the database checks it.
    # ListKeys pages along this one.
    UniqueConstraint("account_id", "region", "key_id"),
    Index(None, "deletion_at"),
    Index(None, "account_id", "region", "key_manager"),  # counting without reading rows
    # With the state in front, keys that must not rotate now are not read again and again.
    Index(None, "key_state", "next_rotation_at"),
    Index(None, "key_state", "rotation_started_at"),
    Index(None, "key_id"),  # a multi-Region key's related keys
    Index(None, "key_state", "region", "key_id"),  # keys in a state that passes
    Index(None, "custom_key_store_id", "xks_key_id"),
)


def _of_a_key(key_id_column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id", "region", key_id_column], ["keys.account_id", "keys.region", "keys.key_id"]
    )


KEY_COUNTS = Table(
    "key_counts",
    METADATA,
    Column("account_id", NAME, ForeignKey("accounts.account_id"), nullable=False),
    Column("region", NAME, nullable=False),
    # Customer managed keys in any state: kept by what inserts and destroys them, in its transaction.
    Column("keys", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "region"),
)

KEY_MATERIALS = Table(
    "key_materials",
    METADATA,
    Column("region", NAME, nullable=False),
    Column("key_id", NAME, nullable=False),
    Column("material_id", NAME, nullable=False),
    Column("account_id", NAME, nullable=False),
    Column("position", Integer, nullable=False),
    Column("exported_token", LargeBinary, nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("rotated_at", BigInteger, nullable=True),
    Column("rotation_type", Text, nullable=True),
    Column("description", Text, nullable=True),
    Column("expiration_model", Text, nullable=True),
    Column("expires_at", BigInteger, nullable=True),
    PrimaryKeyConstraint("region", "key_id", "material_id"),
    _of_a_key("key_id"),
    Index(None, "expires_at"),
)

KEY_TAGS = Table(
    "key_tags",
    METADATA,
    Column("region", NAME, nullable=False),
    Column("key_id", NAME, nullable=False),
    Column("tag_key", NAME, nullable=False),
    Column("account_id", NAME, nullable=False),
    Column("position", Integer, nullable=False),
    Column("tag_value", Text, nullable=False),
    PrimaryKeyConstraint("region", "key_id", "tag_key"),
    _of_a_key("key_id"),
)

ALIASES = Table(
    "aliases",
    METADATA,
    Column("account_id", NAME, nullable=False),
    Column("region", NAME, nullable=False),
    Column("alias_name", NAME, nullable=False),
    Column("arn", Text, nullable=False),
    Column("target_key_id", NAME, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "region", "alias_name"),
    _of_a_key("target_key_id"),
    Index(None, "region", "target_key_id", "alias_name"),
)

GRANTS = Table(
    "grants",
    METADATA,
    Column("region", NAME, nullable=False),
    Column("key_id", NAME, nullable=False),
    Column("grant_id", NAME, nullable=False),
    Column("account_id", NAME, nullable=False),
    Column("name", Text, nullable=True),
    Column("grantee_principal", NAME, nullable=True),
    Column("grantee_service_principal", NAME, nullable=True),
    Column("retiring_principal", NAME, nullable=True),
    Column("retiring_service_principal", NAME, nullable=True),
    Column("issuing_account", Text, nullable=False),
    # JSON: a list of operation names, an object of the constraints that there are.
    Column("operations", Text, nullable=False),
    Column("constraints", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("grantee_id", Text, nullable=True),
    Column("retiring_id", Text, nullable=True),
    PrimaryKeyConstraint("region", "key_id", "grant_id"),
    _of_a_key("key_id"),
    Index(None, "region", "key_id", "grantee_principal", "grant_id"),
    Index(None, "region", "key_id", "grantee_id", "grant_id"),
    Index(None, "region", "retiring_principal", "grant_id"),
    Index(None, "region", "key_id", "name"),
)

CUSTOM_KEY_STORES = Table(
    "custom_key_stores",
    METADATA,
    Column("account_id", NAME, ForeignKey("accounts.account_id"), nullable=False),
    Column("region", NAME, nullable=False),
    Column("custom_key_store_id", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("type", Text, nullable=False),
    Column("connection_state", Text, nullable=False),
    Column("connection_error_code", Text, nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("cloud_hsm_cluster_id", NAME, nullable=True),
    Column("trust_anchor_certificate", Text, nullable=True),
    Column("key_store_password_token", LargeBinary, nullable=True),
    Column("xks_proxy_connectivity", Text, nullable=True),
    Column("xks_proxy_uri_endpoint", NAME, nullable=True),
    Column("xks_proxy_uri_path", NAME, nullable=True),
    Column("xks_proxy_vpc_endpoint_service_name", NAME, nullable=True),
    Column("xks_proxy_vpc_endpoint_service_owner", Text, nullable=True),
    Column("xks_proxy_access_key_id", Text, nullable=True),
    Column("xks_proxy_secret_token", LargeBinary, nullable=True),
    PrimaryKeyConstraint("account_id", "region", "custom_key_store_id"),
    UniqueConstraint("account_id", "region", "name"),
)

KEY_USAGES = Table(
    "key_usages",
    METADATA,
    Column("region", NAME, nullable=False),
    Column("key_id", NAME, nullable=False),
    Column("account_id", NAME, nullable=False),
    Column("operation", Text, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    PrimaryKeyConstraint("region", "key_id"),
    _of_a_key("key_id"),
)

DOMAIN_KEYS = Table(
    "domain_keys",
    METADATA,
    Column("region", NAME, nullable=False),
    # 1 for a Region's first domain key; the highest is the active one. That it is unique decides
    # between two workers that both made a first one.
    Column("generation", Integer, nullable=False),
    Column("domain_key_id", LargeBinary, nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("region", "generation"),
    UniqueConstraint("domain_key_id"),
)

PROXY_CREDENTIALS = Table(
    "proxy_credentials",
    METADATA,
    Column("access_key_id", NAME, nullable=False),
    Column("secret_token", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("access_key_id"),
)

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", NAME, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name"),
)

# The deletion ledger's entries, from 1 without gaps: each made in the transaction that deleted something.
DELETIONS = Table(
    "deletions",
    METADATA,
    Column("sequence", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    PrimaryKeyConstraint("sequence"),
)

DESTROYED_KEYS = Table(
    "destroyed_keys",
    METADATA,
    Column("region", NAME, nullable=False),
    Column("key_id", NAME, nullable=False),
    Column("account_id", NAME, nullable=False),
    Column("destroyed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("region", "key_id"),
)
