"""What the cores ask of the world: typing.Protocol only."""
