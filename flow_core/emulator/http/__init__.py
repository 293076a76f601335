"""HTTP of the emulator: the server, parsing of requests, responses, pages, idempotency."""
