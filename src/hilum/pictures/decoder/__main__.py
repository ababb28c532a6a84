"""``python -m hilum.pictures.decoder SOCKET MEMORY SECONDS PIXELS``: answers the gateway until it is gone.

The first message says that it is ready, or why it never will be. Then, to each request one answer: ``draw`` with one or
two files gives a PNG file, ``describe`` with any number of them a JSON list.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hilum.pictures import channel, placeholder
from hilum.pictures.decoder import cage
from hilum.pictures.facts import Facts
from hilum.pictures.order import Order

if TYPE_CHECKING:
    from hilum.pictures.decoder.pixels import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    memory: int
    seconds: float
    pixels: int


def main(arguments: Sequence[str]) -> None:
    """Serve one gateway."""
    descriptor, memory, seconds, most = arguments
    bounds = _Bounds(memory=int(memory), seconds=float(seconds), pixels=int(most))
    with socket.socket(fileno=int(descriptor)) as sock:
        sock.setblocking(True)
        try:
            cage.modest()
            # Here, so that what is missing can be told.
            from hilum.pictures.decoder import warming  # noqa: PLC0415

            warming.warm()
            cage.limit(bounds.memory, int(descriptor) + 1 + channel.MAX_FILES)
            caged = cage.close()
        except Exception as error:  # noqa: BLE001  whatever it is: the gateway shows it
            channel.send(sock, {"ready": False, "why": f"{type(error).__name__}: {error}"})
            return
        channel.send(sock, {"ready": True, "caged": caged})
        _serve(sock, bounds)


def _serve(sock: socket.socket, bounds: _Bounds) -> None:
    while True:
        try:
            asked = channel.receive(sock)
        except channel.BrokenError:
            return  # the gateway is gone
        # Its own clock, beside the gateway's: it stops even when nobody is left to stop it.
        signal.setitimer(signal.ITIMER_PROF, bounds.seconds)
        head, body = _answer(asked, bounds)
        signal.setitimer(signal.ITIMER_PROF, 0)
        channel.send(sock, head, body=body)


def _answer(asked: channel.Message, bounds: _Bounds) -> tuple[dict[str, Any], bytes]:
    left = list(asked.files)
    try:
        if asked.head["do"] == "describe":
            return {}, json.dumps([_described(left.pop(0)).to_json() for _ in asked.files]).encode()
        return _drawn(left, Order.from_json(asked.head["order"]), bounds)
    finally:
        for descriptor in left:
            os.close(descriptor)


def _described(descriptor: int) -> Facts:
    from hilum.pictures.decoder import description, pixels  # noqa: PLC0415

    instance: Instance | None = None
    try:
        instance = pixels.read(descriptor)
        return description.describe(instance)
    except pixels.NoPictureError as error:
        return Facts(unreadable=str(error))
    except MemoryError:
        return Facts(unreadable="its header needs more memory than a decoder may use")
    except Exception as error:  # noqa: BLE001  a header may be anything
        return Facts(unreadable=f"its header cannot be understood: {pixels.sentence(error)}")
    finally:
        if instance is not None:
            instance.file.close()


def _drawn(files: list[int], order: Order, bounds: _Bounds) -> tuple[dict[str, Any], bytes]:
    from hilum.pictures.decoder import drawing, pixels  # noqa: PLC0415

    opened: list[Instance] = []
    try:
        while files:
            opened.append(pixels.read(files.pop(0)))
        drawn = drawing.draw(opened[0], opened[1] if len(opened) > 1 else None, order, bounds.pixels)
    except pixels.NoPictureError as error:
        why = str(error)
    except MemoryError:
        why = f"it needs more memory than a decoder may use ({bounds.memory // (1 << 20)} MiB)"
    except Exception as error:  # noqa: BLE001  a header may be anything
        why = f"it cannot be shown: {pixels.sentence(error)}"
    else:
        return {"note": drawn.note, "window": drawn.window}, drawn.png
    finally:
        for one in opened:
            one.file.close()
    return {"why": why}, placeholder.draw(why, order.size)


if __name__ == "__main__":
    main(sys.argv[1:])
