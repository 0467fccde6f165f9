"""AWS JSON 1.1: the protocol of KMS. One decoder per input; what it refuses, validation.py explains."""

from __future__ import annotations

import msgspec

from strongroom.aws.errors import ApiError
from strongroom.operations.operation import Operation
from strongroom.wire.validation import explain_refusal


class AwsJson11:
    """Reads and writes KMS requests and responses as AWS does.

    Shape: blobs are base64 text, instants are seconds since the epoch, absent members are left out,
    unknown members are ignored, and null means absent. Where a member comes twice the last one counts.
    Concurrency: one per process, used by its event loop only.
    """

    __slots__ = ("_decoders", "_encoder")

    content_type: bytes = b"application/x-amz-json-1.1"

    def __init__(self) -> None:
        self._decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[msgspec.Struct]] = {}
        self._encoder = msgspec.json.Encoder()

    def decode(self, operation: Operation, body: bytes) -> msgspec.Struct:
        """The input of `operation`, within the bounds of the service model. An empty body is `{}`.

        Raises: ApiError, and nothing else: SerializationException for what is no such JSON,
        ValidationException naming every member that breaks a constraint.
        """
        decoder = self._decoders.get(operation.input)
        if decoder is None:
            decoder = self._decoders[operation.input] = msgspec.json.Decoder(operation.input)
        try:
            return decoder.decode(body or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        # INVARIANT W1: outside the except block, so no traceback carries the parser's view of the body.
        raise explain_refusal(operation.input.__name__, body)

    def encode(self, operation: Operation, response: msgspec.Struct | None, request_id: str) -> bytes:
        """The body of a success. Empty where the operation has no output, as AWS KMS answers."""
        if response is not None:
            return self._encoder.encode(response)
        return b"" if operation.output is None else b"{}"

    def encode_error(self, error: ApiError, request_id: str) -> bytes:
        """`{"__type": code, "message": sentence}`; four KMS errors have no message member at all."""
        if error.message is None:
            return self._encoder.encode({"__type": error.code})
        return self._encoder.encode({"__type": error.code, "message": error.message})
