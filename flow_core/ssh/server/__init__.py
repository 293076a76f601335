"""SSH server code that the local provider and the emulator share."""
