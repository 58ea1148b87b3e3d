"""How far encapsulated Pixel Data reaches (PS3.5 A.4), told while it arrives by leaping from fragment to fragment."""

from pacsd.codec.structure import UNDEFINED, Bytes

_HEAD_BYTES = 8
_ITEM = b"\xfe\xff\x00\xe0"              # encapsulated data sets are little endian


class FragmentLeaps:
    """Reads the heads of fragments, whatever pieces they come in, and nothing between them.

    `reaches` is where the last fragment seen ends by its own length: a data set that ends before is not all there.
    What is no fragment ends the leaping, as `ended` says: the delimitation, or an error that is for others to judge.
    """

    def __init__(self, offset_bytes: int) -> None:
        self.reaches = offset_bytes
        self._carry = b""                # of a head that two pieces share, from `reaches` on
        self.ended = False

    def feed(self, data: Bytes, start: int) -> None:
        """The bytes from offset `start` on; they may overlap what was fed before, but leave nothing out."""
        end = start + len(data)
        while not self.ended and self.reaches + _HEAD_BYTES <= end:
            head = self._from(data, start)[:_HEAD_BYTES]
            length = int.from_bytes(head[4:], "little")
            self._carry = b""
            if head[:4] != _ITEM or length == UNDEFINED:
                self.ended = True
                return
            self.reaches += _HEAD_BYTES + length
        if not self.ended and self.reaches < end:
            self._carry = self._from(data, start)

    def _from(self, data: Bytes, start: int) -> bytes:
        """What is known from `reaches` on, a head at most."""
        if self.reaches >= start:
            at = self.reaches - start
            return bytes(data[at : at + _HEAD_BYTES])
        before = self._carry[: start - self.reaches]
        return before + bytes(data[: _HEAD_BYTES - len(before)])
