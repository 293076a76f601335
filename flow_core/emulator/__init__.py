"""The published Mithril API with state, on loopback: the far side of the tests and of `flow-tui --demo`."""
