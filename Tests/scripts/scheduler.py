#!/usr/bin/env python3
"""A scheduler outside of Berth for tests: prints its URL, then answers as its flags say.

usage: scheduler.py [--refuse NODE,...] [--like NODE] [--delay SECONDS] [--rubbish]
"""
import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--refuse", default="")
parser.add_argument("--like")
parser.add_argument("--delay", type=float, default=0)
parser.add_argument("--rubbish", action="store_true")
flags = parser.parse_args()
refused = set(flags.refuse.split(","))


class Scheduler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(flags.delay)
        names = [node["name"] for node in question["nodes"]]
        answer = {"vetoes": [{"node": name, "reason": "no licence"} for name in names if name in refused],
                  "scores": [{"node": name, "score": 100} for name in names if name == flags.like]}
        body = b"{not JSON" if flags.rubbish else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Scheduler)
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
