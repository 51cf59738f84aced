"""everbeat: high availability for Linux servers."""

from typing import Final

VERSION: Final = "0.1.0"
