#!/usr/bin/env python3
"""Answers each text that arrives, through the local API of `rohrpost daemon` (docs/local-api.md).

    answer.py HOME/daemon.sock [COUNT]     ends after COUNT answers
"""
import json
import socket
import sys


class Client:
    def __init__(self, path):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(path)
        self.lines = stream.makefile("rw", encoding="utf-8")
        self.id = 0
        self.told = False
        assert json.loads(self.lines.readline())["hello"]["version"] == 1

    def ask(self, kind, **fields):
        self.id += 1
        print(json.dumps({"id": self.id, "request": {kind: fields}}), file=self.lines, flush=True)
        while True:
            line = json.loads(self.lines.readline())
            if "error" in line:
                sys.exit(line["error"]["error"]["message"])
            if "response" in line:
                return next(iter(line["response"]["response"].values()))
            self.told = True

    def wait(self):
        """Until something has happened since the last time."""
        if not self.told:
            self.lines.readline() or sys.exit("the daemon has ended")
        self.told = False


def main(path, count):
    client = Client(path)
    client.ask("subscribe")
    while True:
        for message in client.ask("inbox", unread=True):
            text = client.ask("read", number=message["number"])["text"]
            if text is not None and message["from"]:
                accepted = client.ask("send", to=message["from"], text=f"You wrote: {text}")
                print(f"answered {message['from']}: {accepted['message']}", flush=True)
                count -= 1
            # Only now: if this program dies before, it finds the message again.
            client.ask("acknowledge", numbers=[message["number"]])
            if count == 0:
                return
        client.wait()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else -1)
