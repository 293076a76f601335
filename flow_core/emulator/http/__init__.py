"""Requests and answers: the protocol, routes, checks, pages."""
