"""The Mithril cloud over its HTTP API."""
