"""The code that all providers with an agent share: requests for the agent, and its responses as models."""
