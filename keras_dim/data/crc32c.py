"""The checksum of TFRecord files, CRC-32C, in NumPy.

TensorFlow computes it only inside its readers, which do not read by offset.
"""

import functools

import numpy as np

# Castagnoli's polynomial, its bits reversed.
_POLYNOMIAL = np.uint32(0x82F63B78)
# Four bytes that lead from the state 0 to the initial state, all ones.
_ONES = b"Td\x1fd"
# Bytes, then states of 4 bytes, are combined in groups of this size. Five
# levels of groups cover 1 GiB.
_GROUP = 64
_NUM_LEVELS = 5


def crc32c(data: bytes) -> int:
    """Returns the CRC-32C of at most 1 GiB, as RFC 3720 defines it.

    The state after some bytes is linear in their bits: it is the exclusive or
    of one table entry for each byte, and leading zeros do not change it. So
    each group of 64 bytes becomes a state, and each group of 64 states one.
    """
    data = _ONES + data
    for table in _tables():
        num_places = len(table) // 256
        zeros = bytes(-len(data) % num_places)
        values = np.frombuffer(zeros + data, np.uint8).reshape(-1, num_places)
        entries = table.take(values + 256 * np.arange(num_places))
        data = np.bitwise_xor.reduce(entries, axis=1).tobytes()
        if len(data) == 4:
            break
    return int.from_bytes(data, "little") ^ 0xFFFFFFFF


@functools.cache
def _tables():
    """Returns the state at the end of a group, by the place of a byte in it."""
    byte = np.arange(256, dtype=np.uint32)
    states = byte << 8 * np.arange(4, dtype=np.uint32)[:, None]
    for _ in range(8):
        byte = byte >> 1 ^ (byte & 1) * _POLYNOMIAL
    # The states after one zero byte.
    rows = [byte[None]]
    for _ in range(_GROUP - 1):
        rows.append(byte[rows[-1] & 255] ^ rows[-1] >> 8)
    tables = [np.concatenate(rows[::-1])]
    # The states after a whole group of zeros.
    after = tables[0][:4]
    for _ in range(_NUM_LEVELS - 1):
        rows = [states]
        for _ in range(_GROUP):
            parts = [after[q][rows[-1] >> 8 * q & 255] for q in range(4)]
            rows.append(np.bitwise_xor.reduce(parts))
        after = rows.pop()
        tables.append(np.concatenate(rows[::-1]))
    return [table.ravel() for table in tables]
