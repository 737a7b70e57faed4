"""Gates, vehicles, approved trips, former ids of devices, and what each change changed."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    with op.batch_alter_table('site') as batch_op:
        batch_op.add_column(sa.Column('district', sa.String(length=200), server_default='', nullable=False))
        batch_op.add_column(sa.Column('street', sa.String(length=200), server_default='', nullable=False))
    op.create_table('gate',
    sa.Column('site', sa.String(length=64), nullable=False),
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('rank', sa.Integer(), server_default='1', nullable=False),
    sa.Column('entry_limit', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['site'], ['site.id'], ),
    sa.PrimaryKeyConstraint('site', 'id')
    )
    op.execute(
        "INSERT INTO gate (site, id, name, kind) SELECT site, gate, gate, "
        "CASE WHEN SUM(CASE WHEN place = 'checkpoint' THEN 1 ELSE 0 END) > 0 "
        "THEN 'checkpoint' ELSE 'gate' END "
        "FROM device_binding WHERE gate IS NOT NULL GROUP BY site, gate"
    )
    with op.batch_alter_table('device_binding') as batch_op:
        batch_op.create_foreign_key('device_binding_gate', 'gate', ['site', 'gate'], ['site', 'id'])
        batch_op.create_index('device_binding_by_household', ['household'])
    op.create_index('household_by_building', 'household', ['building'])
    op.add_column('device', sa.Column('renamed_from', sa.String(length=128), nullable=True))
    op.create_table('vehicle',
    sa.Column('plate', sa.String(length=16), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('household', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['household'], ['household.id'], ),
    sa.PrimaryKeyConstraint('plate', 'since')
    )
    op.create_table('trip',
    sa.Column('subject', sa.String(length=32), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['subject'], ['resident.subject'], ),
    sa.PrimaryKeyConstraint('subject', 'since')
    )
    op.create_table('registry_change',
    sa.Column('version', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('key', sa.String(length=128), nullable=False),
    sa.PrimaryKeyConstraint('version', 'kind', 'key')
    )
    op.add_column('registry_version', sa.Column('changes_after', sa.BigInteger(), server_default='0', nullable=False))
    op.execute("UPDATE registry_version SET changes_after = version")


def downgrade() -> None:
    with op.batch_alter_table('registry_version') as batch_op:
        batch_op.drop_column('changes_after')
    op.drop_table('registry_change')
    op.drop_table('trip')
    op.drop_table('vehicle')
    with op.batch_alter_table('device') as batch_op:
        batch_op.drop_column('renamed_from')
    op.drop_index('household_by_building', table_name='household')
    with op.batch_alter_table('device_binding') as batch_op:
        batch_op.drop_index('device_binding_by_household')
        batch_op.drop_constraint('device_binding_gate', type_='foreignkey')
    op.drop_table('gate')
    with op.batch_alter_table('site') as batch_op:
        batch_op.drop_column('street')
        batch_op.drop_column('district')
