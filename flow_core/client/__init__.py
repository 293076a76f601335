"""The async client of one context: AsyncFlow, its resources, and the handles of tasks."""
