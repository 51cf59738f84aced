"""Limits of Heartbeat 3.0.6 that the codec keeps. Sizes in bytes.

Source: measured, and cluster-glue: clplumbing/cl_msg.h, include/ha_msg.h.
"""

from __future__ import annotations

from typing import Final

DATAGRAM_BYTES_MAX: Final = 256 * 1024
"""The longest wire message, sealed. UDP itself ends at 65507."""

UNCOMPRESSED_BYTES_MAX: Final = 2 * 1024 * 1024
"""The longest message before compression, and the most that is ever decompressed."""

NESTING_MAX: Final = 16
"""Structs within structs: the string form has sixteen stand-ins for a newline."""

PARTS_MAX: Final = 1_000
"""Fields and list elements of a message, those of structs in it as well; 3.0.6 has no such limit.

Bytes alone bound no work: a field may be three bytes long and costs some microseconds.
"""

CLIENT_PARTS_MAX: Final = 200
"""The same, for what a client of the client API sends."""

FIRST_FRAME_BYTES_MAX: Final = 4 * 1024
"""What a client of the client API may send at once before it has signed on; a signon has 150."""
