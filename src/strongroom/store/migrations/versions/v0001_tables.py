"""The first tables.

A migration is a record of what was: it names columns itself and imports nothing of the schema.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    _accounts()
    _keys()
    _what_hangs_on_keys()
    _the_servers_own()


def downgrade() -> None:
    """There is nothing before the first version."""
    raise NotImplementedError("a database is not taken back below its first version")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
    )
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("principal_arn", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Text(), nullable=False),
        sa.Column("principal_type", sa.Text(), nullable=False),
        sa.Column("secret_token", sa.LargeBinary(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_access_keys"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_access_keys_account_id_accounts"
        ),
    )


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("key_spec", sa.Text(), nullable=False),
        sa.Column("key_usage", sa.Text(), nullable=False),
        sa.Column("key_state", sa.Text(), nullable=False),
        sa.Column("key_manager", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("multi_region", sa.Boolean(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deletion_at", sa.BigInteger(), nullable=True),
        sa.Column("pending_window_days", sa.Integer(), nullable=True),
        sa.Column("current_material_id", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", "key_id", name="pk_keys"),
        sa.UniqueConstraint("account_id", "region", "key_id", name="uq_keys_account_id_region_key_id"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_keys_account_id_accounts"),
    )
    op.create_index("ix_keys_deletion_at", "keys", ["deletion_at"])
    op.create_index("ix_keys_account_id_region_key_manager", "keys", ["account_id", "region", "key_manager"])


def _what_hangs_on_keys() -> None:
    key = ["keys.account_id", "keys.region", "keys.key_id"]
    op.create_table(
        "key_materials",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("material_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("exported_token", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", "key_id", "material_id", name="pk_key_materials"),
        sa.ForeignKeyConstraint(
            ["account_id", "region", "key_id"], key, name="fk_key_materials_account_id_region_key_id_keys"
        ),
    )
    op.create_table(
        "key_tags",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("tag_key", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tag_value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("region", "key_id", "tag_key", name="pk_key_tags"),
        sa.ForeignKeyConstraint(
            ["account_id", "region", "key_id"], key, name="fk_key_tags_account_id_region_key_id_keys"
        ),
    )
    op.create_table(
        "aliases",
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("region", NAME, nullable=False),
        sa.Column("alias_name", NAME, nullable=False),
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("target_key_id", NAME, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region", "alias_name", name="pk_aliases"),
        sa.ForeignKeyConstraint(
            ["account_id", "region", "target_key_id"],
            key,
            name="fk_aliases_account_id_region_target_key_id_keys",
        ),
    )
    op.create_index(
        "ix_aliases_region_target_key_id_alias_name", "aliases", ["region", "target_key_id", "alias_name"]
    )


def _the_servers_own() -> None:
    op.create_table(
        "domain_keys",
        sa.Column("region", NAME, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("domain_key_id", sa.LargeBinary(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", "generation", name="pk_domain_keys"),
        sa.UniqueConstraint("domain_key_id", name="uq_domain_keys_domain_key_id"),
    )
    op.create_table(
        "settings",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )
    op.create_table(
        "destroyed_keys",
        sa.Column("region", NAME, nullable=False),
        sa.Column("key_id", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("region", "key_id", name="pk_destroyed_keys"),
    )
