"""The emulator's machines: each runs its startup script and is reached over SSH."""
