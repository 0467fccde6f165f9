"""The credentials of the external key store proxy's callers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "proxy_credentials",
        sa.Column("access_key_id", NAME, nullable=False),
        sa.Column("secret_token", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_proxy_credentials"),
    )


def downgrade() -> None:
    """A version that knows no proxy would forget them."""
    raise NotImplementedError("a database is not taken back to a version that knows less")
