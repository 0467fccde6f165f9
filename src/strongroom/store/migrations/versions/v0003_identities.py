"""Who may: accounts' names, IAM's entities, uses of access keys, and whom policies and grants mean."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add columns to accounts, keys and grants; add three tables."""
    op.add_column("accounts", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("keys", sa.Column("policy_principals", sa.Text(), nullable=True))
    op.add_column("grants", sa.Column("grantee_id", sa.Text(), nullable=True))
    op.add_column("grants", sa.Column("retiring_id", sa.Text(), nullable=True))
    op.create_index(
        "ix_grants_region_key_id_grantee_id_grant_id",
        "grants",
        ["region", "key_id", "grantee_id", "grant_id"],
    )
    op.create_index(
        "ix_access_keys_account_id_principal_id_access_key_id",
        "access_keys",
        ["account_id", "principal_id", "access_key_id"],
    )
    _access_key_uses()
    _iam_entities()
    _iam_references()


def downgrade() -> None:
    """A version that knows no identities would forget them."""
    raise NotImplementedError("a database is not taken back to a version that knows less")


def _access_key_uses() -> None:
    op.create_table(
        "access_key_uses",
        sa.Column("access_key_id", NAME, nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_access_key_uses"),
        sa.ForeignKeyConstraint(
            ["access_key_id"],
            ["access_keys.access_key_id"],
            name="fk_access_key_uses_access_key_id_access_keys",
        ),
    )


def _iam_entities() -> None:
    op.create_table(
        "iam_entities",
        sa.Column("account_id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("name_key", NAME, nullable=False),
        sa.Column("unique_id", NAME, nullable=False),
        sa.Column("path", NAME, nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "kind", "name_key", name="pk_iam_entities"),
        sa.UniqueConstraint("unique_id", name="uq_iam_entities_unique_id"),
    )


def _iam_references() -> None:
    op.create_table(
        "iam_references",
        sa.Column("unique_id", NAME, nullable=False),
        sa.Column("relation", NAME, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("account_id", NAME, nullable=False),
        sa.PrimaryKeyConstraint("unique_id", "relation", "target", name="pk_iam_references"),
        sa.ForeignKeyConstraint(
            ["unique_id"], ["iam_entities.unique_id"], name="fk_iam_references_unique_id_iam_entities"
        ),
    )
    op.create_index("ix_iam_references_account_id_target", "iam_references", ["account_id", "target"])
