"""A heartbeat for lastbeat: `import heartbeat` in the main thread, or alone: `python3 heartbeat.py`."""
import os
import random
import signal
import sys
import threading
import time

every = int(os.environ.get("HEARTBEAT_EVERY", 30))
stopping = False


def say(text):
    # One write: not buffered, not torn by other threads' lines, and allowed in a signal handler.
    os.write(1, text.encode())


def beat(wait, seq=0):
    while True:
        time.sleep(wait)
        if stopping:
            return
        wait, seq = every, seq + 1
        say(f"HEARTBEAT every={every}s name=worker seq={seq}\n")


def bye(*_):  # a program with handlers of its own calls this in them
    global stopping
    stopping = True
    if beats.is_alive():  # not so in a forked child, which has nothing to say
        say("\nHEARTBEAT name=worker bye\n")  # first ends a line that is cut in half
    sys.exit(0)


first = random.randrange(every * 1000) / 1000  # a fleet does not beat as one
beats = threading.Thread(target=beat, args=[first], daemon=True)
beats.start()
signal.signal(signal.SIGINT, bye)
signal.signal(signal.SIGTERM, bye)
if __name__ == "__main__":
    beats.join()
