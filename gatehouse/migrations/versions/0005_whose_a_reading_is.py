"""Whose a reading is, as people answered; the facts that tell the rules."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    op.create_table('attribution',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('source', sa.String(length=200), nullable=False),
    sa.Column('whose', sa.String(length=16), nullable=False),
    sa.Column('subject', sa.String(length=32), nullable=True),
    sa.Column('resident', sa.Integer(), nullable=True),
    sa.Column('device_id', sa.String(length=128), nullable=False),
    sa.Column('observed_at', sa.BigInteger(), nullable=False),
    sa.Column('identity', sa.BigInteger(), nullable=False),
    sa.Column('tenths', sa.Integer(), nullable=False),
    sa.Column('marks', sa.Integer(), nullable=False),
    sa.Column('scale', sa.Integer(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('incident', sa.String(length=16), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['incident'], ['incident.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('device_id', 'observed_at', 'identity', 'number')
    )
    op.create_index('attribution_by_source', 'attribution', ['source', 'observed_at'])
    op.add_column('fact', sa.Column('attribution', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column('fact', 'attribution')
    op.drop_index('attribution_by_source', table_name='attribution')
    op.drop_table('attribution')
