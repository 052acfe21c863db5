"""The least monitor in Python: who said HEARTBEAT when."""

import asyncio
import json
import os
import time

import nats

heard = {}
beats = {}


async def take(message):
    now = time.monotonic()
    heard[message.subject] = now
    if b"HEARTBEAT" in message.data and json.loads(message.data)["event"]["provider"] == "app":
        beats[message.subject] = now


async def main():
    connection = await nats.connect(os.environ["NATS_URL"])
    # Without these bounds lifted it drops most of a fast stream.
    await connection.subscribe("logs.>", cb=take, pending_msgs_limit=-1, pending_bytes_limit=-1)
    await asyncio.Event().wait()


asyncio.run(main())
