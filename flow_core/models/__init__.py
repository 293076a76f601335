"""The nouns: task, volume, instance.

What a provider answers is a frozen dataclass (it was made by us and is valid); what a person writes
is a frozen pydantic model (`spec`), so that the wrong field is named. Only `spec` loads pydantic.
"""
