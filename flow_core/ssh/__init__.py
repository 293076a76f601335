"""SSH client code that all providers share. `flow_core.ssh.host.SshHost` is its entry point; docs/ssh.md describes it."""
