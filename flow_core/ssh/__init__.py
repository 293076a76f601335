"""SSH client code that all providers share. `flow_core.ssh.host.SshHost` is the entry point; see docs/ssh.md."""
