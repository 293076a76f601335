"""The GPUs of this machine on disk: who holds, wants or has reserved which. Standard library only."""
