"""What was deleted and must not come back with a backup."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table."""
    op.create_table(
        "deletions",
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_deletions"),
    )


def downgrade() -> None:
    """A version that knows no ledger would let deleted keys come back."""
    raise NotImplementedError("a database is not taken back to a version that knows less")
