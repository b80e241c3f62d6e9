"""Makes texts from sdk/protocol.json. Standard library alone."""
