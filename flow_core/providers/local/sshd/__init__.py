"""SSH into tasks of this machine: one server of ours on loopback, started when first asked for."""
