"""The dialogs: framed prompts, forms and pages to read, on top of the dashboard."""
