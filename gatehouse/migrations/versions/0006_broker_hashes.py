"""What the broker keeps of a device's secret."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.add_column('device_credential', sa.Column('broker_hash', sa.String(length=160)))


def downgrade() -> None:
    op.drop_column('device_credential', 'broker_hash')
