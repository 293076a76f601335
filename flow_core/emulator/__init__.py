"""The published Mithril API with state, on loopback: the remote side of the tests and of `flow-tui --demo`."""
