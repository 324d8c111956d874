#!/usr/bin/env python3
"""A custom handler that misbehaves on order.

START says what it does instead of listening at once; the event's data says what it does with an event.
"""
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

START = os.environ.get("START", "")
REPORT = os.environ.get("REPORT")


def report(line):
    if REPORT:
        with open(REPORT, "a") as file:
            file.write(line + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if START == "ping_500":
            return self.answer(500, "")
        if START == "ping_close":
            self.close_connection = True
            return None
        return self.answer(200, "{}")

    def do_POST(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        data = next(iter(json.loads(body)["Data"].values())).get("data", {"sleep": float(os.environ.get("SWEEP", 0))})
        report("request")
        print("a request", flush=True) if data.get("say") else None
        if "exit" in data:
            print("last words", file=sys.stderr, flush=True)
            os._exit(data["exit"])
        time.sleep(data.get("sleep", 0))
        report("done")
        self.answer(200, "{}")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


report("start " + json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid(), "env": dict(os.environ)}))
if START.startswith("exit "):
    print("fatal: cannot start", file=sys.stderr, flush=True)
    sys.exit(int(START.split()[1]))
if START == "deaf":
    threading.Event().wait()
if START.startswith("late "):
    time.sleep(float(START.split()[1]))
Server(("127.0.0.1", int(os.environ["FUNCTIONS_CUSTOMHANDLER_PORT"])), Handler).serve_forever()
