"""The JSON of everbeat's commands: dataclasses, structs and named tuples by their field names.

Enums are their words (severity: info, warning, error), bytes are hex. Keys are stable: a field
may be added, none is renamed or removed within a major version. Passwords that a text names as such
are masked.
"""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from typing import Any

from everbeat.config.secrets import masked
from everbeat.model.reports import Severity


def dumps(value: object, *, is_indented: bool = False) -> str:
    """Return the JSON text of a value made of dataclasses, structs, tuples and plain values."""
    plain, indent = plain_value(value), 2 if is_indented else None
    text = json.dumps(plain, indent=indent, ensure_ascii=False)
    # Only lone surrogates, bytes of a file that are no UTF-8, cannot be printed; so JSON has them.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain_value(value: object) -> Any:
    """Return a value json.dumps takes."""  # Any: JSON
    names = getattr(value, "__struct_fields__", None)  # a msgspec.Struct; not loaded for this
    if names is not None and not isinstance(value, type):
        return {name: plain_value(getattr(value, name)) for name in names}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain_value(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):  # a named tuple
        return plain_value(value._asdict())
    if isinstance(value, Severity):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    return value
