"""Asks the decoding processes on behalf of those who look: pictures, and what there is to be seen of a job."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from hilum.pictures import channel
from hilum.pictures.catalogue import Kind, Series, catalogue
from hilum.pictures.facts import Facts
from hilum.pictures.order import Order, Picture
from hilum.pictures.pool import Asked, Files, Pool, to_facts, to_picture
from hilum.pictures.process import GoneError
from hilum.pictures.shelf import File, MissingError, identity, open_file

#: Instances described with one request.
_BATCH: Final = 32
#: Jobs whose catalogue is kept.
_KEPT: Final = 16
#: How often is looked whether somebody still waits, seconds.
_LOOK_SECONDS: Final = 0.25


class LeftError(Exception):
    """Whoever asked is gone."""


class Opened:
    """The files of one picture, open."""

    def __init__(self, files: Sequence[File]) -> None:
        """Open them.

        Raises:
            MissingError: One of them is not there.
        """
        with ExitStack() as opening:
            found = []
            for file in files:
                found.append(open_file(file))
                opening.callback(os.close, found[-1])
            self.identity = " ".join(identity(one) for one in found)
            opening.pop_all()
        self.files = Files(found)


class Gallery:
    """Used from one event loop; ``close`` from anywhere."""

    def __init__(self, pool: Pool | None = None) -> None:
        self.pool = pool or Pool()
        self._known: OrderedDict[tuple[File, ...], tuple[Series, ...]] = OrderedDict()

    async def picture(self, opened: Opened, order: Order, gone: Callable[[], Awaitable[bool]]) -> Picture:
        """A picture or its placeholder. The files are closed when it is over.

        Args:
            gone: Whether nobody waits any more.

        Raises:
            TemporaryError: Too many pictures are waited for.
            LeftError: See there.
        """
        asked = self.pool.ask({"do": "draw", "order": order.to_json()}, opened.files)
        return to_picture(await _answer(asked, gone), order)

    async def catalogue(self, files: Sequence[File], gone: Callable[[], Awaitable[bool]]) -> tuple[Series, ...]:
        """What there is to be seen of a job with these files; remembered for a while.

        Raises:
            TemporaryError: Too many pictures are waited for.
            LeftError: Whoever asked is gone.
        """
        key = tuple(files)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        found: dict[Kind, list[Facts]] = {kind: [] for kind in Kind}
        for start in range(0, len(key), _BATCH):
            batch = key[start : start + _BATCH]
            for file, facts in zip(batch, await self._described(batch, gone), strict=True):
                found[file.kind].append(replace(facts, sop_instance=file.sop_instance))
        made = catalogue(found)
        if not any(one.unreadable for facts in found.values() for one in facts):
            self._known[key] = made
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return made

    async def _described(self, files: Sequence[File], gone: Callable[[], Awaitable[bool]]) -> Sequence[Facts]:
        """The facts of so many files. Where one of them costs the decoder its life, each is asked for alone."""
        tried = await asyncio.to_thread(_open_all, files)
        descriptors = [one for one in tried if isinstance(one, int)]
        if not descriptors:
            return [Facts(unreadable=str(one)) for one in tried]
        answer = await _answer(self.pool.ask({"do": "describe"}, Files(descriptors)), gone)
        if isinstance(answer, GoneError) and len(files) > 1:
            return [one for file in files for one in await self._described([file], gone)]
        said = iter(to_facts(answer, len(descriptors)))
        return [next(said) if isinstance(one, int) else Facts(unreadable=str(one)) for one in tried]

    def close(self) -> None:
        """End the decoding processes; returns when they are gone."""
        self.pool.close()


def _open_all(files: Sequence[File]) -> list[int | MissingError]:
    tried: list[int | MissingError] = []
    for file in files:
        try:
            tried.append(open_file(file))
        except MissingError as error:
            tried.append(error)
    return tried


async def _answer(asked: Asked, gone: Callable[[], Awaitable[bool]]) -> channel.Message | GoneError:
    future = asyncio.wrap_future(asked.future)
    try:
        while True:
            done, _ = await asyncio.wait({future}, timeout=_LOOK_SECONDS)
            if future.cancelled() or (not done and await gone()):
                raise LeftError
            if done:
                return future.result()
    finally:
        asked.abandon()
