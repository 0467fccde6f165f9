"""What one connection may ask of a worker before anybody has proven who they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on requests and connections, per worker process. A limit is never switched off.

    The defaults pass every legal KMS request: the largest carries a 262,144-byte attestation document
    in base64 (349,528 bytes) or a 32,768-character key policy with every character escaped.
    Raises: ValueError, naming the field, for a limit that is not a positive, finite number.
    """

    body_bytes_max: int = 524_288
    header_bytes_max: int = 65_536
    """Request line and header fields together."""
    header_count_max: int = 128
    connections_max: int = 4_096
    """Connections beyond this are answered 503 and closed; over TLS they are closed before their handshake,
    and those whose handshake is under way count. Keep it under the open-files limit."""
    buffered_bytes_max: int = 67_108_864
    """Unfinished requests of all connections together; the one that goes beyond is answered 503."""
    request_seconds_max: float = 20.0
    """For the head to arrive, again for the body, and for a client to take an answer off our hands."""
    keep_alive_seconds: float = 75.0
    """How long a connection may stay open between requests."""
    tls_handshake_seconds_max: float = 10.0
    stop_seconds_max: float = 10.0
    """How long a graceful stop waits for requests under way."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field.name} must be a positive number, not {value}")

    @property
    def slice_bytes(self) -> int:
        """How much input is parsed at a time: bounds the requests one read can put into the queue."""
        return min(16_384, self.header_bytes_max)

    @property
    def sweep_seconds(self) -> float:
        """How often deadlines are looked at; none is missed by more than a quarter of itself."""
        return min(0.5, self.request_seconds_max / 4, self.keep_alive_seconds / 4)
