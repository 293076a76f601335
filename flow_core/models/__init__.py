"""The data types: task, volume, instance and others.

The answers of providers are frozen dataclasses; flow creates them, so they are valid. The input of users is frozen
pydantic models (`spec`), so that an error names the field. Only those modules load pydantic.
"""
