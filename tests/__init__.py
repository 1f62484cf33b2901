"""Everything that leadhouse promises, tried."""

from pipelines.environment import set_up

# before dlt and Arrow are imported, as the command does
set_up()
