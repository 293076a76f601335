"""The GPUs of this machine: what there is, who holds, wants or has reserved it."""
