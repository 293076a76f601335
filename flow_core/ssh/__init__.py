"""What every user of SSH shares. `flow_core.ssh.host.SshHost` is the door to it; docs/ssh.md says what is behind."""
