"""Machines reached over SSH. What runs over there is in agent/, for any POSIX sh; all else here runs on this side."""
