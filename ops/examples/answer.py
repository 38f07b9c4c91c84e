#!/usr/bin/env python3
"""Answers texts that arrive, through the local API of `rohrpost daemon` (docs/local-api.md).

    answer.py SOCKET [COUNT]     ends after COUNT answers

SOCKET is HOME/daemon.sock, or better that of `rohrpost daemon --program-socket`: nothing is asked
here but to send and to receive.
"""
import collections
import hashlib
import json
import socket
import sys
import time

# An answer says that it is one. Texts that begin so are not answered: two programs that answer each
# other would never end.
MARK = "[automatic] "
# Programs that do not mark their answers end after so many to a contact in an hour.
MOST, HOUR = 10, 3600
# Refusals after which there is no sense in trying the same again. All else may pass.
FINAL = {"unknown_contact", "unknown_message", "blocked", "too_long", "id_taken", "request"}


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Client:
    def __init__(self, path):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(path)
        self.lines = stream.makefile("rw", encoding="utf-8")
        self.id = 0
        self.told = False
        line = self.line()
        if line.get("hello", {}).get("version") != 2:
            sys.exit(f"not a daemon of version 2: {line}")

    def line(self):
        return json.loads(self.lines.readline() or sys.exit("the daemon has ended"))

    def ask(self, kind, **fields):
        self.id += 1
        print(json.dumps({"id": self.id, "request": {kind: fields}}), file=self.lines, flush=True)
        while True:
            line = self.line()
            if "error" in line:
                raise Refused(**line["error"]["error"])
            if "response" in line:
                return next(iter(line["response"]["response"].values()))
            self.told = True

    def wait(self):
        """Until something has happened since the last time."""
        if not self.told:
            self.line()
        self.told = False


class Answers:
    def __init__(self, client):
        self.client = client
        self.times = collections.defaultdict(collections.deque)

    def may_answer(self, contact):
        times, now = self.times[contact], time.monotonic()
        while times and times[0] < now - HOUR:
            times.popleft()
        return len(times) < MOST

    def answer(self, message):
        """True if the message was answered."""
        text, contact = message.get("text"), message["contact"]
        if text is None or text.startswith(MARK) or not self.may_answer(contact):
            return False
        # Made from the message's id: if this program dies before it acknowledges the message, it
        # finds the message again, and the daemon the answer.
        name = hashlib.sha256(bytes.fromhex(message["message"]) + b"answer").hexdigest()[:32]
        answer = f"{MARK}You wrote: {text[:1000]}"
        try:
            self.client.ask("send", to=contact, message=name, text=answer)
        except Refused as why:
            if why.code not in FINAL:
                raise
            print(f"not answered: {why}", file=sys.stderr, flush=True)
            return False
        self.times[contact].append(time.monotonic())
        print(f"answered {message['from']}: {name}", flush=True)
        return True


def main(path, count):
    client = Client(path)
    answers = Answers(client)
    client.ask("subscribe")
    while True:
        while page := client.ask("inbox", unread=True, with_text=True, limit=100):
            for message in page:
                count -= answers.answer(message)
                # Whatever became of it: a message that cannot be answered must not come again.
                client.ask("acknowledge", numbers=[message["number"]])
                if count == 0:
                    return
        client.wait()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else -1)
    except Refused as why:
        sys.exit(f"{why.code}: {why}")
