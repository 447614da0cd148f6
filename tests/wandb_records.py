"""Reads what an offline W&B run has written.

The file is cut into blocks of 32,768 bytes, and begins with a header of 7 bytes. A block is a row of chunks, each with
a header of 7 bytes: checksum, length, and whether it is a whole record (1) or its first (2), a middle (3) or the last
part (4).
"""

import json
import struct
from pathlib import Path

_BLOCK = 32_768
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _LAST = 1, 2, 4


def _chunks_of(data):
    """The records in the bytes of a ``.wandb`` file, as bytes."""
    position, record = 7, b""
    while position + _CHUNK.size <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK.size:  # too little for a header: the block ends with padding
            position += left
            continue
        _, length, kind = _CHUNK.unpack_from(data, position)
        position += _CHUNK.size
        if kind in (_WHOLE, _FIRST):
            record = b""
        record += data[position : position + length]
        if kind in (_WHOLE, _LAST):
            yield record
        position += length


def records_of(run):
    """The records of a finished run in a folder, as protocol buffers. This ends W&B's process, and any run in it."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # `finish` returns while that process still writes; this waits until it has ended
    (file,) = Path(run).glob("*.wandb")
    for chunk in _chunks_of(file.read_bytes()):
        record = Record()
        record.ParseFromString(chunk)
        yield record


def history_of(run):
    """The rows of the run's history, each a dict of what was logged; media are dicts that name their ``path``."""
    rows = []
    for record in records_of(run):
        if record.WhichOneof("record_type") == "history":
            rows.append({})
            for item in record.history.item:
                *outer, last = item.nested_key or [item.key]
                place = rows[-1]
                for key in outer:
                    place = place.setdefault(key, {})
                place[last] = json.loads(item.value_json)
    return rows
