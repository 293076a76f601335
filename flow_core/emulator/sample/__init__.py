"""The sample project of the demo."""
