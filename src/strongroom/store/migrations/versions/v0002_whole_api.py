"""What the whole API keeps: rotations, imports, Regions, grants, custom key stores, usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEY = ["keys.account_id", "keys.region", "keys.key_id"]


def upgrade() -> None:
    """Add columns to keys, make key_materials anew with its rows, add four tables."""
    _keys()
    _key_counts()
    _key_materials()
    _grants()
    _custom_key_stores()
    _key_usages()


def downgrade() -> None:
    """A version that knows no grants would forget them."""
    raise NotImplementedError("a database is not taken back to a version that knows less")


def _keys() -> None:
    op.add_column("keys", sa.Column("rotation_period_days", sa.Integer(), nullable=True))
    op.add_column("keys", sa.Column("next_rotation_at", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("rotation_started_at", sa.BigInteger(), nullable=True))
    op.add_column("keys", sa.Column("primary_region", sa.Text(), nullable=True))
    op.add_column("keys", sa.Column("custom_key_store_id", sa.Text(), nullable=True))
    op.add_column("keys", sa.Column("xks_key_id", sa.Text(), nullable=True))
    op.create_index("ix_keys_key_state_next_rotation_at", "keys", ["key_state", "next_rotation_at"])
    op.create_index("ix_keys_key_state_rotation_started_at", "keys", ["key_state", "rotation_started_at"])
    op.create_index("ix_keys_key_id", "keys", ["key_id"])
    op.create_index("ix_keys_key_state_region_key_id", "keys", ["key_state", "region", "key_id"])
    op.create_index("ix_keys_custom_key_store_id_xks_key_id", "keys", ["custom_key_store_id", "xks_key_id"])


def _key_counts() -> None:
    op.create_table(
        "key_counts",
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("region", NAME, nullable=False),
        sa.Column("keys", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region", name="pk_key_counts"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_key_counts_account_id_accounts"
        ),
    )
    op.execute(
        "INSERT INTO key_counts (account_id, region, keys) SELECT account_id, region, count(*) FROM keys "
        "WHERE key_manager = 'CUSTOMER' GROUP BY account_id, region"
    )


def _key_materials() -> None:
    """A token may be absent now, which SQLite cannot change in place."""
    op.rename_table("key_materials", "key_materials_0001")
    op.create_table(
        "key_materials",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("material_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("exported_token", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rotated_at", sa.BigInteger(), nullable=True),
        sa.Column("rotation_type", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("expiration_model", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("region", "key_id", "material_id", name="pk_key_materials"),
        sa.ForeignKeyConstraint(
            ["account_id", "region", "key_id"], KEY, name="fk_key_materials_account_id_region_key_id_keys"
        ),
    )
    op.execute(
        "INSERT INTO key_materials (region, key_id, material_id, account_id, position, exported_token,"
        " created_at, state) SELECT region, key_id, material_id, account_id, position, exported_token,"
        " created_at, 'CURRENT' FROM key_materials_0001"
    )
    op.drop_table("key_materials_0001")
    op.create_index("ix_key_materials_expires_at", "key_materials", ["expires_at"])


def _grants() -> None:
    op.create_table(
        "grants",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("grant_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("grantee_principal", NAME, nullable=True),
        sa.Column("grantee_service_principal", NAME, nullable=True),
        sa.Column("retiring_principal", NAME, nullable=True),
        sa.Column("retiring_service_principal", NAME, nullable=True),
        sa.Column("issuing_account", sa.Text(), nullable=False),
        sa.Column("operations", sa.Text(), nullable=False),
        sa.Column("constraints", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", "key_id", "grant_id", name="pk_grants"),
        sa.ForeignKeyConstraint(
            ["account_id", "region", "key_id"], KEY, name="fk_grants_account_id_region_key_id_keys"
        ),
    )
    op.create_index(
        "ix_grants_region_key_id_grantee_principal_grant_id",
        "grants",
        ["region", "key_id", "grantee_principal", "grant_id"],
    )
    op.create_index(
        "ix_grants_region_retiring_principal_grant_id", "grants", ["region", "retiring_principal", "grant_id"]
    )
    op.create_index("ix_grants_region_key_id_name", "grants", ["region", "key_id", "name"])


def _custom_key_stores() -> None:
    op.create_table(
        "custom_key_stores",
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("region", NAME, nullable=False),
        sa.Column("custom_key_store_id", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("connection_state", sa.Text(), nullable=False),
        sa.Column("connection_error_code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("cloud_hsm_cluster_id", NAME, nullable=True),
        sa.Column("trust_anchor_certificate", sa.Text(), nullable=True),
        sa.Column("key_store_password_token", sa.LargeBinary(), nullable=True),
        sa.Column("xks_proxy_connectivity", sa.Text(), nullable=True),
        sa.Column("xks_proxy_uri_endpoint", NAME, nullable=True),
        sa.Column("xks_proxy_uri_path", NAME, nullable=True),
        sa.Column("xks_proxy_vpc_endpoint_service_name", NAME, nullable=True),
        sa.Column("xks_proxy_vpc_endpoint_service_owner", sa.Text(), nullable=True),
        sa.Column("xks_proxy_access_key_id", sa.Text(), nullable=True),
        sa.Column("xks_proxy_secret_token", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "region", "custom_key_store_id", name="pk_custom_key_stores"),
        sa.UniqueConstraint(
            "account_id", "region", "name", name="uq_custom_key_stores_account_id_region_name"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_custom_key_stores_account_id_accounts"
        ),
    )


def _key_usages() -> None:
    op.create_table(
        "key_usages",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("region", "key_id", name="pk_key_usages"),
        sa.ForeignKeyConstraint(
            ["account_id", "region", "key_id"], KEY, name="fk_key_usages_account_id_region_key_id_keys"
        ),
    )
