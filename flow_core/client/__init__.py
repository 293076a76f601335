"""The async client: everything that can be asked of one context."""
