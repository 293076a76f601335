"""Commands, terminals, files and ports of this machine, for the providers that use it without SSH."""
