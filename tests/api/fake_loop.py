"""The thread that all fake hosts live in: one event loop, made when it is first needed."""

import asyncio
import threading


class Loop:
    _loop = None

    @classmethod
    def get(cls):
        if cls._loop is None:
            cls._loop = asyncio.new_event_loop()
            threading.Thread(target=cls._loop.run_forever, daemon=True).start()
        return cls._loop

    @classmethod
    def call(cls, function, *arguments):
        """Runs a function or coroutine there and waits for what it returns."""
        async def run():
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result
        return asyncio.run_coroutine_threadsafe(run(), cls.get()).result(30)
